"""The application behind `ezlogs dev`: an OTLP endpoint, what the page asks for, and the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from ezlogs.dev.decode import ReceivedLog, ReceivedSpan
from ezlogs.dev.feed import feed_route
from ezlogs.dev.history import history_route
from ezlogs.dev.receiver import LOCAL_HOSTS, metrics_route, otlp_routes
from ezlogs.dev.store import Store
from ezlogs.dev.web.api import api_routes
from ezlogs.dev.web.guard import Guard
from ezlogs.dev.web.live import live_route

Received = Sequence[ReceivedSpan | ReceivedLog]
Take = Callable[[Received], object]


def application(store: Store, take: Take | None = None) -> Starlette:
    """Return the application.

    Args:
        store: What the page shows, and where figures of services go.
        take: Takes spans and log records in; the store alone when left out.
    """
    take = take or store.take
    page = StaticFiles(directory=str(files("ezlogs.dev") / "page"), html=True)
    return Starlette(
        routes=[
            *otlp_routes(take, take, slow=True),
            metrics_route(store.take_points),
            history_route(store.all_told),
            feed_route(lambda number, _: (*store.since(number), 0)),
            live_route(store),
            *api_routes(store),
            Mount("/", page),
        ],
        middleware=[LOCAL_HOSTS, Middleware(Guard)],
    )
