"""Where people come in: views that log in and out, refuse, change passwords and let one user act as another."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.decorators import login_required, permission_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse, HttpResponseForbidden
from django.urls import include, path
from django.views.decorators.csrf import csrf_protect
from rest_framework import authentication, exceptions
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAdminUser
from rest_framework.response import Response

import ezlogs

try:
    from django.contrib.auth import aauthenticate, alogin, alogout
except ImportError:  # they came with Django 5.0; before, views did this
    aauthenticate, alogin, alogout = map(sync_to_async, (authenticate, login, logout))


class Token(authentication.BaseAuthentication):
    """Whoever has a token but the right one."""

    def authenticate(self, request):
        """Turn tokens away, and let others be nobody."""
        if "HTTP_AUTHORIZATION" in request.META:
            raise exceptions.AuthenticationFailed(f"Bad token {request.META['HTTP_AUTHORIZATION']}", code="bad_token")

    def authenticate_header(self, request):
        """Ask for a token, so that the answer is 401."""
        return "Bearer"


def enter(request):
    """Log in, and do something."""
    user = authenticate(request, username=request.POST["username"], password=request.POST["password"])
    if user is None:
        return HttpResponse(status=401)
    login(request, user)
    ezlogs.event("order.action", "placed", subject=("order", 42))
    return HttpResponse("in")


async def enter_async(request):
    """The same, asynchronously."""
    user = await aauthenticate(request, username=request.POST["username"], password=request.POST["password"])
    await alogin(request, user)
    ezlogs.event("order.action", "placed", subject=("order", 42))
    return HttpResponse("in")


def enter_in_vain(request):
    """Log in, in a transaction that is rolled back."""
    try:
        with transaction.atomic():
            enter(request)
            raise ZeroDivisionError
    except ZeroDivisionError:
        return HttpResponse("out")


def leave(request):
    """Log out, and do something."""
    logout(request)
    ezlogs.event("order.action", "placed", subject=("order", 42))
    return HttpResponse("out")


async def leave_async(request):
    """The same, asynchronously."""
    await alogout(request)
    ezlogs.event("order.action", "placed", subject=("order", 42))
    return HttpResponse("out")


def refuse(request, pk):
    """Refuse."""
    raise PermissionDenied(f"order {pk} is Bob's")


async def refuse_async(request, pk):
    """The same, asynchronously."""
    raise PermissionDenied


def refuse_and_tell(request):
    """Refuse, and say why."""
    ezlogs.auth("permission_denied", subject=("plan", "free"), reason="plan")
    raise PermissionDenied


def refuse_by_status(request):
    """Refuse without an exception."""
    return HttpResponseForbidden()


@permission_required("auth.add_user", raise_exception=True)
def add_user(request):
    """What only some may do."""


@login_required
def private(request):
    """What only those may see who logged in."""
    ezlogs.event("order.action", "placed", subject=("order", 42))
    return HttpResponse("private")


@csrf_protect
def form(request):
    """A form that nobody else's page may send."""
    return HttpResponse("sent")


@api_view()
@authentication_classes([Token])
@permission_classes([IsAdminUser])
def api(request):
    """What only staff may ask for."""
    return Response()


@api_view()
@authentication_classes([authentication.SessionAuthentication])
@permission_classes([IsAdminUser])
def api_of_session(request):
    """The same, for a session."""
    return Response()


@api_view()
@authentication_classes([])
@permission_classes([])
def api_of_nothing(request):
    """What is not there, and what Django itself refuses."""
    if "refuse" in request.GET:
        raise PermissionDenied
    raise exceptions.NotFound


def refuse_in_middleware(get_response):
    """Refuse before any route is known."""

    def middleware(request):
        if "blocked" in request.GET:
            raise PermissionDenied
        return get_response(request)

    return middleware


urlpatterns = [
    path("enter/", enter),
    path("async/enter/", enter_async),
    path("enter/in-vain/", enter_in_vain),
    path("leave/", leave),
    path("async/leave/", leave_async),
    path("orders/<int:pk>/", refuse),
    path("async/orders/<int:pk>/", refuse_async),
    path("told/", refuse_and_tell),
    path("forbidden/", refuse_by_status),
    path("users/add/", add_user),
    path("private/", private),
    path("form/", form),
    path("api/", api),
    path("api/session/", api_of_session),
    path("api/nothing/", api_of_nothing),
    path("hijack/", include("hijack.urls")),
]
