"""The shop's views."""

from __future__ import annotations

import asyncio

from django.contrib.auth import get_user
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse

import ezlogs

from .models import Order


def show(request, pk):
    """An order, with the story that the request belongs to."""
    story = ezlogs.CorrelationManager.current_context()
    ezlogs.event("order.action", "viewed", subject=("order", pk))
    return JsonResponse({"story": story.correlation_id, "parent": story.parent_event_id, "request": story.request_id})


async def show_async(request, pk):
    """The same, giving way in between."""
    await asyncio.sleep(0)
    return show(request, pk)


def create(request):
    """A new order, in a transaction."""
    with transaction.atomic():
        order = Order.objects.create(status="paid", note="for Ada")
    return HttpResponse(str(order.pk), status=201)


def create_and_fail(request):
    """A new order, after which something goes wrong."""
    Order.objects.create()
    raise ZeroDivisionError("no more orders")


def who(request):
    """The name of the user, whom nobody has asked for before."""
    return HttpResponse(request.user.get_username() or "nobody")


async def who_async(request):
    """The same, asynchronously."""
    user = await request.auser()
    return HttpResponse(user.get_username() or "nobody")


def token(request):
    """A user that the view itself finds out, as API frameworks do."""
    request.user = get_user(request)
    return HttpResponse("ok")


def broken(request):
    """A view that raises."""
    raise ZeroDivisionError("no orders")


def forbidden(request):
    """A view that refuses."""
    raise PermissionDenied


def unavailable(request):
    """A view that answers with a failure."""
    return HttpResponse(status=503)


def stream(request):
    """A response in pieces."""
    return StreamingHttpResponse(iter([b"one", b"two"]))
