"""Views of every kind that Django and its frameworks for APIs have, for the tests of requests."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import include, path
from django.views import View
from ninja import NinjaAPI
from rest_framework.decorators import api_view
from rest_framework.exceptions import APIException
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.viewsets import ViewSet

import ezlogs


def seen() -> None:
    """Tell that something happened."""
    ezlogs.event("order.action", "seen")


class Orders(View):
    """A view that is a class."""

    def get(self, request: Any, pk: int) -> HttpResponse:
        seen()
        return HttpResponse("ok")

    def post(self, request: Any, pk: int) -> HttpResponse:
        seen()
        return HttpResponse(request.POST["quantity"])

    def put(self, request: Any, pk: int) -> HttpResponse:
        """Never look at the body."""
        return HttpResponse("ok")


class AsyncOrders(View):
    """The same, asynchronously."""

    async def get(self, request: Any, pk: int) -> HttpResponse:
        await asyncio.sleep(0)
        seen()
        return HttpResponse("ok")


class OrderSet(ViewSet):
    """Views of the REST framework."""

    def retrieve(self, request: Any, tenant: str, pk: str) -> Response:
        seen()
        return Response({"pk": pk})

    def create(self, request: Any, tenant: str) -> Response:
        seen()
        return Response(dict(request.data), status=201)


@api_view(["GET"])
def failing(request: Any) -> Response:
    """Fail as the REST framework does: it answers by itself."""
    raise APIException("no orders")


api = NinjaAPI(urls_namespace="ezlogs-test", docs_url=None, openapi_url=None)


@api.get("/orders/{int:pk}")
def ninja_order(request: Any, pk: int) -> dict[str, int]:
    """A view of django-ninja."""
    seen()
    return {"pk": pk}


@api.get("/async/orders/{pk}")
async def async_ninja_order(request: Any, pk: int) -> dict[str, int]:
    """The same, asynchronously."""
    await asyncio.sleep(0)
    seen()
    return {"pk": pk}


def stream(request: Any) -> StreamingHttpResponse:
    """Make a response bit by bit, with something that happens meanwhile."""

    def chunks() -> Any:
        seen()
        yield b"one"
        if "fail" in request.GET:
            raise ZeroDivisionError
        seen()
        yield b"three"

    return StreamingHttpResponse(chunks())


async def stream_async(request: Any) -> StreamingHttpResponse:
    """The same, asynchronously."""

    async def chunks() -> Any:
        seen()
        yield b"one"
        if "fail" in request.GET:
            raise ZeroDivisionError
        await asyncio.sleep(0)
        seen()
        yield b"three"

    return StreamingHttpResponse(chunks())


def file(request: Any) -> FileResponse:
    """A file that the server may send by itself."""
    return FileResponse(BytesIO(b"content"), filename="a.txt")


def remembering(request: Any) -> HttpResponse:
    """Keep something in the session."""
    request.session["cart"] = 1
    seen()
    return HttpResponse("ok")


router = DefaultRouter()
router.register("orders", OrderSet, basename="order")

urlpatterns = [
    path("cbv/orders/<int:pk>/", Orders.as_view()),
    path("async/cbv/orders/<int:pk>/", AsyncOrders.as_view()),
    path("drf/<str:tenant>/", include(router.urls)),
    path("drf-failing/", failing),
    path("ninja/", api.urls),
    path("stream/", stream),
    path("async/stream/", stream_async),
    path("file/", file),
    path("remembering/", remembering),
    path("healthz", remembering),
]


class Raising:
    """A middleware that raises, before its view or after it, as the path says."""

    def __init__(self, get_response: Any) -> None:
        self._get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        if "before" in request.GET:
            raise ZeroDivisionError("before")
        response: HttpResponse = self._get_response(request)
        seen()
        if "after" in request.GET:
            raise ZeroDivisionError("after")
        return response
