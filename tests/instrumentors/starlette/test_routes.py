"""Routes: one event a request, called by the whole template, however applications are mounted and included."""

from __future__ import annotations

import subprocess
import sys
import warnings

import fastapi.routing
import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles

import ezlogs
from ezlogs.testing import capture
from ezlogs_instrumentors.asgi import AsgiMiddleware

from ..asgi.serving import ask

pytestmark = pytest.mark.usefixtures("instrumented")


def show(request):
    """Tell an event, and say where it belongs."""
    event = ezlogs.event("order.action", "viewed")
    return PlainTextResponse(event.correlation.parent_event_id or "")


class Orders(HTTPEndpoint):
    """Orders, as a class."""

    async def get(self, request):
        """Answer."""
        return show(request)


@pytest.fixture
def app(tmp_path):
    """An application with a route of every kind."""
    (tmp_path / "logo.txt").write_text("logo")
    return Starlette(
        routes=[
            Route("/orders/{order_id:int}", show, methods=["GET", "PUT"]),
            Route("/orders", Orders),
            Route("/files/{rest:path}", show),
            Route("/slashed/", show),
            Mount("/pictures", StaticFiles(directory=tmp_path)),
            Mount(
                "/shops/{shop:int}", routes=[Route("/items/{item}", show), Mount("/deep", routes=[Route("/", show)])]
            ),
            Host("{tenant}.example", Router([Route("/there/{number:int}", show)])),
        ]
    )


@pytest.mark.parametrize(
    ("asked", "status", "action", "subject"),
    [
        ("GET /orders/42", 200, "GET /orders/{order_id}", ("order", "42")),
        ("HEAD /orders/42", 200, "HEAD /orders/{order_id}", ("order", "42")),
        ("DELETE /orders/42", 405, "DELETE /orders/{order_id}", ("order", "42")),
        ("GET /orders", 200, "GET /orders", ("order", None)),
        ("POST /orders", 405, "POST /orders", ("order", None)),
        ("GET /files/a/b/c", 200, "GET /files/{rest}", ("file", "a/b/c")),
        ("GET /pictures/logo.txt", 200, "GET /pictures/{path}", ("picture", None)),
        ("GET /pictures/none.txt", 404, "GET /pictures/{path}", ("picture", None)),
        ("GET /shops/7/items/9", 200, "GET /shops/{shop}/items/{item}", ("item", "9")),
        ("GET /shops/7/deep/", 200, "GET /shops/{shop}/deep/", ("shop", "7")),
        ("GET /shops/7/nowhere", 404, "GET /shops/{shop}/{path}", ("shop", "7")),
        ("GET /nowhere", 404, "GET (unmatched)", None),
        ("GET /slashed", 307, "GET (unmatched)", None),
    ],
)
def test_the_action_is_the_template_and_never_the_path(app, asked, status, action, subject):
    """Of mounts too; what only leads to another address, or to none, is called alike."""
    with capture() as captured:
        assert ask(app, *asked.split()).status_code == status
    (request,) = captured.of("http.request")
    assert (request.action, request.metadata["status"]) == (action, status)
    assert request.subject == (ezlogs.Subject(*subject) if subject else None)


def test_hosts_have_parameters_and_no_path(app, captured):
    """What is served for another host is called as it is there."""
    ask(app, "GET", "/there/5", headers={"host": "acme.example"})
    (request,) = captured.of("http.request")
    assert request.action == "GET /there/{number}"
    assert request.subject == ezlogs.Subject("there", "5")


@pytest.mark.parametrize("outer", [Starlette, FastAPI])
@pytest.mark.parametrize("inner", [Starlette, FastAPI])
def test_an_application_in_another_gives_one_event(captured, outer, inner):
    """Whichever is in which."""
    inside, around = inner(), outer()
    inside.router.routes.append(Route("/orders/{number:int}", show))
    around.mount("/api/{version}", inside)
    answer = ask(around, "GET", "/api/v2/orders/3")
    viewed, request = captured.events
    assert request.action == "GET /api/{version}/orders/{number}"
    assert request.subject == ezlogs.Subject("order", "3")
    assert viewed.correlation.parent_event_id == request.event_id == answer.text


@pytest.fixture
def leaf():
    """A router that is included in another one, which is included in an application."""
    return APIRouter()


@pytest.fixture
def tree(leaf):
    """The application, once the router has its routes."""

    def grow():
        branch, app = APIRouter(prefix="/branch"), FastAPI()
        branch.include_router(leaf, prefix="/twigs/{twig}")
        app.include_router(branch, prefix="/v1")
        return app

    return grow


def test_included_routers_have_their_prefixes(captured, leaf, tree):
    """However deep, with converters, and for methods that do not match."""

    @leaf.get("/leaves/{number:int}")
    def leaf_of(number: int):
        return number

    app = tree()
    assert ask(app, "GET", "/v1/branch/twigs/a/leaves/5").status_code == 200
    assert ask(app, "PUT", "/v1/branch/twigs/a/leaves/5").status_code == 405
    route = "/v1/branch/twigs/{twig}/leaves/{number}"
    assert [event.action for event in captured.events] == [f"GET {route}", f"PUT {route}"]
    assert captured.events[0].metadata["api_version"] == "v1"
    assert captured.events[0].subject.id == "5"


def test_plain_routes_and_mounts_of_included_routers_have_them_too(captured, leaf, tree):
    """Where FastAPI includes these."""
    if not hasattr(fastapi.routing, "_IncludedRouter"):
        pytest.skip("this FastAPI leaves mounts out of what it includes")
    leaf.routes.append(Route("/plain/{number}", show))
    leaf.mount("/mounted", Starlette(routes=[Route("/{number}", show)]))
    leaf.routes.append(Host("{tenant}.example", Router([Route("/there/{number}", show)])))
    app = tree()
    prefix = "/v1/branch/twigs/{twig}"
    assert ask(app, "GET", "/v1/branch/twigs/a/plain/6").status_code == 200
    assert ask(app, "GET", "/v1/branch/twigs/a/mounted/7").status_code == 200
    assert ask(app, "GET", "/v1/branch/twigs/a/there/8", headers={"host": "a.example"}).status_code == 200
    assert [event.action for event in captured.of("http.request")] == [
        f"GET {prefix}/plain/{{number}}",
        f"GET {prefix}/mounted/{{number}}",
        f"GET {prefix}/there/{{number}}",
    ]


def test_a_frontends_files_are_called_by_where_they_are(tmp_path, captured):
    """What newer versions of FastAPI serve beside the application's routes."""
    app = FastAPI()
    if not hasattr(app, "frontend"):
        pytest.skip("this FastAPI has no frontends")
    (tmp_path / "index.html").write_text("<p>")
    app.frontend("/shop", directory=tmp_path)
    assert ask(app, "GET", "/shop/index.html").status_code == 200
    assert [event.action for event in captured.events] == ["GET /shop/{path}"]


def test_django_inside_gives_one_event():
    """Mounted, or below the plain middleware, it knows the template; it is configured in a process of its own."""
    program = """
import asyncio, httpx, json
from django.conf import settings
settings.configure(ROOT_URLCONF="__main__", ALLOWED_HOSTS=["*"], SECRET_KEY="only for tests")
from ezlogs_instrumentors.asgi import AsgiMiddleware
from ezlogs_instrumentors.django import DjangoInstrumentor
from ezlogs_instrumentors.starlette import StarletteInstrumentor
DjangoInstrumentor().instrument()
StarletteInstrumentor().instrument()
import ezlogs
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path
from starlette.applications import Starlette
from starlette.routing import Mount
from ezlogs.testing import capture
def show(request, number):
    request.user = ("user", 5)
    ezlogs.event("order.action", "viewed")
    return HttpResponse(str(number))
urlpatterns = [path("orders/<int:number>/", show)]
async def ask(app, path):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        return (await client.get(path)).text
mounted = Starlette(routes=[Mount("/old", get_asgi_application())])
for app, path in ((mounted, "/old/orders/7/"), (AsgiMiddleware(get_asgi_application()), "/orders/7/")):
    with capture() as captured:
        text = asyncio.run(ask(app, path))
    viewed, request = captured.events
    parents = viewed.correlation.parent_event_id == request.event_id
    print(json.dumps([text, request.action, request.subject.id, parents, viewed.actor.id, request.actor.id]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert done.stdout.splitlines() == [
        '["7", "GET /old/orders/{number}/", "7", true, "5", "5"]',
        '["7", "GET /orders/{number}/", "7", true, "5", "5"]',
    ], done.stderr


def test_a_wsgi_application_inside_gives_one_event(captured):
    """What WSGI hides of the scope is found again by the request that is under way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a2wsgi is to take its place
        from starlette.middleware.wsgi import WSGIMiddleware
    from ezlogs_instrumentors.wsgi import WsgiMiddleware

    def old(environ, start_response):
        ezlogs.event("order.action", "viewed")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"old"]

    app = Starlette(routes=[Mount("/old", WSGIMiddleware(WsgiMiddleware(old, route=lambda environ: "/orders")))])
    assert ask(app, "GET", "/old/orders").text == "old"
    viewed, request = captured.events
    assert request.action == "GET /old/orders"
    assert viewed.correlation.parent_event_id == request.event_id


def test_a_route_is_sampled_by_its_rate_before_its_endpoint_runs():
    """Nothing of the request has to wait for its end."""
    held = []

    def watch(request):
        ezlogs.event("order.action", "watched")
        held.append(ezlogs.health()["held"])
        return PlainTextResponse()

    app = Starlette(routes=[Mount("/api", routes=[Route("/watched/{number}", watch)])])
    with capture(sample_routes={"GET /nowhere": 0}) as captured:
        ask(app, "GET", "/api/watched/7")
        assert [event.action for event in captured.of("order.action")] == ["watched"]
    assert held == [0]


def test_a_router_alone_is_told_by_the_plain_middleware(captured):
    """Its routes are known all the same."""
    ask(AsgiMiddleware(Router([Route("/orders/{number}", show)])), "GET", "/orders/3")
    assert captured.of("http.request")[0].action == "GET /orders/{number}"
