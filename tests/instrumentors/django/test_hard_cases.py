"""What real projects do: other applications beside, middleware of every kind, other prefixes, users half loaded."""

from __future__ import annotations

import asyncio

import flask
import pytest
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import connection
from django.http import HttpResponse
from django.test import AsyncClient, Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils.decorators import sync_and_async_middleware
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client as WsgiClient

import ezlogs
from ezlogs.testing import capture
from ezlogs_instrumentors.django import DjangoInstrumentor
from ezlogs_instrumentors.flask import FlaskInstrumentor

pytestmark = [pytest.mark.usefixtures("database", "instrumented")]


def order(request, pk):
    """Do something, whoever asks."""
    ezlogs.event("order.action", "seen")
    return HttpResponse("ok")


async def cancelled(request):
    """Be cancelled, as by a server that ends."""
    raise asyncio.CancelledError


def broken(request):
    """Fail."""
    raise LookupError("no orders")


def half_loaded(request):
    """Know a user by the key alone."""
    request.user = User.objects.only("pk").get()
    ezlogs.event("order.action", "seen")
    return HttpResponse("ok")


urlpatterns = [
    path("orders/<int:pk>/", order),
    path("cancelled/", cancelled),
    path("half-loaded/", half_loaded),
    path("broken/", broken),
    *i18n_patterns(path("shelves/<int:pk>/", order)),
]


@sync_and_async_middleware
def either(get_response):
    """A middleware that is a function of both kinds."""
    if iscoroutinefunction(get_response):

        async def respond(request):
            return await get_response(request)
    else:

        def respond(request):
            return get_response(request)

    return respond


class OnlyAsync:
    """A middleware that is asynchronous only."""

    sync_capable, async_capable = False, True

    def __init__(self, get_response):
        self._get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request):
        return await self._get_response(request)


def anew(get_response):
    """A middleware that hands on another request than it got."""
    return lambda request: get_response(WSGIRequest(request.environ))


@pytest.fixture(autouse=True)
def urls():
    """The views of this file, and no middleware but what a test says."""
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[]):
        yield


def told(captured):
    """The requests that were told, each with how it ended."""
    return [(event.action, event.outcome) for event in captured.events if event.event_type == "http.request"]


def get(url):
    """Ask both kinds of handlers."""

    async def run():
        return await AsyncClient().get(url)

    return [Client().get(url).status_code, asyncio.run(run()).status_code]


@pytest.mark.parametrize("order_of", [[], ["either"], ["OnlyAsync"], ["either", "OnlyAsync", "either"]])
def test_middleware_of_every_kind_stays_inside_ours(captured, order_of):
    """Whichever is sync or async, and whichever kind of handler there is: one event, parent of what happens."""
    with override_settings(MIDDLEWARE=[f"{__name__}.{name}" for name in order_of]):
        assert get("/orders/42/") == [200, 200]
    assert told(captured) == [("GET /orders/{pk}/", "success")] * 2
    seen, request = captured.events[:2]
    assert seen.correlation.parent_event_id == request.event_id


def test_off_and_on_again_handlers_that_are_loaded_follow():
    """Handlers keep their middleware for as long as they live."""
    client, instrumentor = Client(), DjangoInstrumentor()
    for is_on in (True, False, True):
        with capture() as captured:
            assert client.get("/orders/42/").content == b"ok"
            assert get("/orders/42/") == [200, 200]
        assert told(captured) == [("GET /orders/{pk}/", "success")] * 3 * is_on
        assert sum(event.event_type == "order.action" for event in captured.events) == 3
        if is_on:
            instrumentor.uninstrument()
        else:
            instrumentor.instrument()


def test_flask_beside_django_in_one_server(captured):
    """Each tells its own requests once, below where it is mounted."""
    site = flask.Flask("site")
    site.add_url_rule("/items/<name>", view_func=lambda name: "item", endpoint="item")
    instrumentor = FlaskInstrumentor()
    instrumentor.instrument()
    try:
        client = WsgiClient(DispatcherMiddleware(site, {"/shop": WSGIHandler()}))
        assert (client.get("/items/bolt").text, client.get("/shop/orders/42/").text) == ("item", "ok")
    finally:
        instrumentor.uninstrument()
    assert told(captured) == [("GET /items/{name}", "success"), ("GET /shop/orders/{pk}/", "success")]
    item, seen, request = captured.events
    assert seen.correlation.correlation_id == request.correlation.correlation_id != item.correlation.correlation_id


@pytest.mark.parametrize(("script", "url"), [("/shop", "/orders/42/"), (None, "/orders/42/")])
def test_a_prefix_that_is_set_is_no_part_of_the_route(captured, script, url):
    """It says where the server has put the project, as OpenTelemetry's instrumentor has it."""
    with override_settings(FORCE_SCRIPT_NAME=script):
        assert get(url) == [200, 200]
    assert told(captured) == [("GET /orders/{pk}/", "success")] * 2


def test_redirects_to_a_language_or_a_slash_are_unmatched(captured):
    """What there is no route for has one name, whatever the client asked for."""
    middleware = ["django.middleware.locale.LocaleMiddleware", "django.middleware.common.CommonMiddleware"]
    with override_settings(MIDDLEWARE=middleware):
        statuses = [get(url) for url in ("/shelves/42/", "/orders/42", "/de/shelves/42/")]
    assert statuses == [[302, 302], [301, 301], [200, 200]]
    actions = [action for action, _ in told(captured)]
    assert actions == ["GET (unmatched)"] * 4 + ["GET /de/shelves/{pk}/"] * 2


def test_a_request_that_a_middleware_replaces_goes_on(captured):
    """It is not known which route the new one matched, but it is one request."""
    with override_settings(MIDDLEWARE=[f"{__name__}.anew"]):
        assert Client().get("/orders/42/").content == b"ok"
    ((action, outcome),) = told(captured)
    assert action in ("GET (unmatched)", "GET /orders/{pk}/")
    assert outcome == "success"
    with override_settings(MIDDLEWARE=[f"{__name__}.anew"]):
        response = Client(raise_request_exception=False).get("/broken/")
    assert response.status_code == 500
    assert told(captured)[1][1] == "failure"


def test_a_request_that_is_cancelled_is_unknown(captured):
    """Nobody knows how much of it was done."""
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(AsyncClient().get("/cancelled/"))
    (event,) = captured.events
    assert (event.action, event.outcome, event.metadata["reason"]) == ("GET /cancelled/", "unknown", "cancelled")


def test_fields_of_a_user_that_are_not_loaded_stay_so(captured):
    """The user acts by its key; the name that was deferred would be a query."""
    User.objects.create(pk=7, username="ada")
    with CaptureQueriesContext(connection) as queries:
        Client().get("/half-loaded/")
    assert len(queries) == 1
    assert [(event.actor.type, event.actor.id, event.actor.label) for event in captured.events[1:]] == [
        ("user", "7", None)
    ] * 2


@pytest.mark.usefixtures("captured")
def test_the_scheme_is_what_django_says(spans):
    """On either kind of server, and behind a proxy that ends TLS."""
    asyncio.run(AsyncClient().get("/orders/42/", secure=True))
    Client().get("/orders/42/", secure=True)
    with override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
        Client().get("/orders/42/", headers={"x-forwarded-proto": "https"})
    assert [span.attributes["url.scheme"] for span in spans()] == ["https"] * 3


def test_a_project_whose_settings_are_wrong_answers_as_ever(captured):
    """It is Django that says so, where it needs them."""
    with override_settings(SECURE_PROXY_SSL_HEADER="nonsense"):
        assert Client().get("/orders/42/").content == b"ok"
    assert told(captured) == [("GET /orders/{pk}/", "success")]
