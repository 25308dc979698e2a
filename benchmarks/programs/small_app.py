"""A small application of each framework, asked over and over: CPU time of the whole process, delivery included.

With OpenTelemetry's instrumentor and exporter, with ezlogs in their place, and with ezlogs beside the instrumentor.
Both are warm before that: what is loaded and looked up for the first request, and for the first delivery, is no cost of
a request, and ``start`` has a row of its own.
"""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
from collections.abc import Callable
from importlib import import_module
from time import process_time_ns
from typing import Any, Literal, NamedTuple

With = Literal["contrib", "ezlogs", "both"]

_REQUESTS, _WARM = 3000, 300
_BODY = b'{"customer": "Ada", "quantity": 3}'
_CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"


class Delivery(NamedTuple):
    """How what was told is delivered."""

    so_far: Callable[[], object]
    finally_: Callable[[], object]


def _instrumented(framework: str, endpoint: str, what: With) -> Delivery:
    """Instrument a framework; return how what is told of it is delivered."""
    if what != "ezlogs":
        module = import_module(f"opentelemetry.instrumentation.{framework}")
        name = {"flask": "FlaskInstrumentor", "django": "DjangoInstrumentor", "fastapi": "FastAPIInstrumentor"}
        getattr(module, name[framework])().instrument()
    if what == "contrib":
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider()
        exporter = OTLPSpanExporter(f"{endpoint}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=100_000))
        trace.set_tracer_provider(provider)
        return Delivery(provider.force_flush, provider.shutdown)
    import ezlogs

    ezlogs.configure(service_name="bench", endpoint=endpoint)

    def delivered() -> None:
        assert ezlogs.flush(60), ezlogs.health()
        told: Any = ezlogs.health()["delivered"]
        assert told >= 2 * _REQUESTS, ezlogs.health()
        ezlogs.shutdown()

    return Delivery(lambda: ezlogs.flush(60), delivered)


def _placed(number: int) -> None:
    """Tell an event of the application's own, where ezlogs is there."""
    import ezlogs

    ezlogs.event("order.action", "placed", subject=("order", str(number)), metadata={"quantity": 3})


def _measured(ask: Callable[[int], None], delivery: Delivery) -> float:
    for number in range(_WARM):
        ask(number)
    delivery.so_far()
    begin = process_time_ns()
    for number in range(_REQUESTS):
        ask(number)
    delivery.finally_()
    return (process_time_ns() - begin) / _REQUESTS


def _asking_wsgi(app: Callable[..., Any]) -> Callable[[int], None]:
    def ask(number: int) -> None:
        environ = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": f"/customers/{number}/orders",
            "QUERY_STRING": "page=2",
            "SERVER_NAME": "shop.example.com",
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "203.0.113.9",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(_BODY)),
            "HTTP_HOST": "shop.example.com",
            "HTTP_USER_AGENT": _CHROME,
            "HTTP_ACCEPT": "application/json",
            "wsgi.input": io.BytesIO(_BODY),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "https",
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.version": (1, 0),
        }
        statuses: list[str] = []
        body = app(environ, lambda status, headers, *_: statuses.append(status))
        assert json.loads(b"".join(body))["id"] > 0
        if hasattr(body, "close"):
            body.close()
        assert statuses[0].startswith("201"), statuses

    return ask


def _django(endpoint: str, what: With) -> float:
    from django.conf import settings

    name = f"file:small-{what}?mode=memory&cache=shared"
    settings.configure(
        SECRET_KEY="bench",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="benchmarks.programs.small_django",
        INSTALLED_APPS=[],
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": {"uri": True}}},
        LOGGING_CONFIG=None,
    )
    delivery = _instrumented("django", endpoint, what)
    import django

    django.setup()
    from django.core.handlers.wsgi import WSGIHandler
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE orders (id integer PRIMARY KEY, customer text, quantity integer)")
    if what != "contrib":
        from benchmarks.programs import small_django

        small_django.placed = _placed
    return _measured(_asking_wsgi(WSGIHandler()), delivery)


def _flask(endpoint: str, what: With) -> float:
    delivery = _instrumented("flask", endpoint, what)
    import flask

    app = flask.Flask("small")
    database = _database()

    @app.post("/customers/<int:customer>/orders")
    def create(customer: int) -> Any:
        order = flask.request.get_json()
        number = _insert(database, order)
        if what != "contrib":
            _placed(number)
        return {"id": number, "customer": customer}, 201

    return _measured(_asking_wsgi(app), delivery)


def _fastapi(endpoint: str, what: With) -> float:
    delivery = _instrumented("fastapi", endpoint, what)
    import fastapi

    # FastAPI's own telemetry is off on both sides: beside OpenTelemetry's instrumentor it is off by itself.
    app = fastapi.FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    database = _database()

    @app.post("/customers/{customer}/orders", status_code=201)
    async def create(customer: int, order: dict[str, Any]) -> dict[str, Any]:
        number = _insert(database, order)
        if what != "contrib":
            _placed(number)
        return {"id": number, "customer": customer}

    loop = asyncio.new_event_loop()
    headers = [
        (b"host", b"shop.example.com"),
        (b"user-agent", _CHROME.encode()),
        (b"accept", b"application/json"),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(_BODY)).encode()),
    ]

    async def answered(number: int) -> None:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": _BODY, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "https",
            "path": f"/customers/{number}/orders",
            "raw_path": f"/customers/{number}/orders".encode(),
            "query_string": b"page=2",
            "root_path": "",
            "headers": headers,
            "client": ("203.0.113.9", 51234),
            "server": ("shop.example.com", 443),
        }
        await app(scope, receive, send)
        assert sent[0]["status"] == 201, sent

    try:
        return _measured(lambda number: loop.run_until_complete(answered(number)), delivery)
    finally:
        loop.close()


def _database() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.execute("CREATE TABLE orders (id integer PRIMARY KEY, customer text, quantity integer)")
    return database


def _insert(database: sqlite3.Connection, order: dict[str, Any]) -> int:
    with database:
        cursor = database.execute("INSERT INTO orders (customer, quantity) VALUES (:customer, :quantity)", order)
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _program(measure: Callable[[str, With], float], what: With) -> Callable[[str], dict[str, float]]:
    return lambda endpoint: {what: measure(endpoint, what)}


_SIDES: tuple[With, ...] = ("contrib", "ezlogs", "both")
django_contrib, django_ezlogs, django_both = (_program(_django, what) for what in _SIDES)
flask_contrib, flask_ezlogs, flask_both = (_program(_flask, what) for what in _SIDES)
fastapi_contrib, fastapi_ezlogs, fastapi_both = (_program(_fastapi, what) for what in _SIDES)
