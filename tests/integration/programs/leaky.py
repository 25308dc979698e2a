"""A program that has secrets on every surface that there is: canaries, each of which says where it was."""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
from typing import Any

from opentelemetry import _logs, baggage, context, propagate, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import ezlogs

CANARIES: dict[str, list[str]] = {}
"""What was planted, by surface."""


def planted(surface: str, canary: str) -> str:
    """Remember a canary."""
    CANARIES.setdefault(surface, []).append(canary)
    return canary


def password(surface: str) -> str:
    """Return a password, which only its name gives away."""
    return planted(surface, f"Zebra{len(CANARIES)}{surface.title().replace(' ', '')}Quux")


def email(surface: str) -> str:
    """Return an address."""
    return planted(surface, f"canary.{surface.replace(' ', '.')}@mail.example")


def card(surface: str) -> str:
    """Return a card number of its own with a right checksum."""
    digits = f"4{int.from_bytes(surface.encode(), 'big') % 10**14:014d}"
    doubled = (int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(digits))
    total = sum(number - 9 if number > 9 else number for number in doubled)
    return planted(surface, f"{digits}{-total % 10}")


def jwt(surface: str) -> str:
    """Return a token that says whose it is."""
    claims = json.dumps({"sub": surface, "admin": True}).encode()
    payload = base64.urlsafe_b64encode(claims).decode().rstrip("=")
    planted(surface, payload)
    return f"eyJhbGciOiJIUzI1NiJ9.{payload}.{'c2lnbmF0dXJl' * 3}"


def text(surface: str) -> str:
    """Return free text with one of each."""
    return f"to {email(surface)} by {card(surface)} with {jwt(surface)} and password={password(surface)} so"


def nested(surface: str) -> dict[str, Any]:
    """Return a value that has them at some depth, under names that tell and names that do not."""
    return {"list": [{"userPassword": password(surface)}, text(surface)], "json": json.dumps({"pin": [text(surface)]})}


def events() -> None:
    """Plant in all of an event."""
    ezlogs.event(
        "order.action",
        f"placed {email('action')}",
        actor=ezlogs.Actor("user", email("actor id"), text("actor label"), f"user:{email('on behalf of')}"),
        subject=ezlogs.Subject("order", email("subject id"), text("subject label")),
        metadata={
            "password": password("metadata key"),
            "note": text("metadata text"),
            "deep": nested("metadata value"),
            text("metadata name"): 1,
            "number": int(card("metadata number")),
            "bytes": text("metadata bytes").encode(),
        },
    )
    ezlogs.event("order.action", "placed", metadata={"half": "so it is. " * 819 + email("cut") + " so" * 500})
    ezlogs.event("Order " + email("event type"), "", outcome=email("outcome"), subject=object())
    try:
        with ezlogs.tracked("report.run", "run"):
            try:
                raise KeyError(text("cause"))
            except KeyError as error:
                raise ValueError(text("error message")) from error
    except ValueError:
        pass
    with ezlogs.flow("signup", email("flow")), ezlogs.flow("visit", card("inner flow")):
        ezlogs.event("order.action", "flowed")
    with ezlogs.CorrelationManager.start_request_context(email("request id"), email("session id")):
        with ezlogs.CorrelationManager.start_job_context(email("job id")):
            ezlogs.event("order.action", "worked")
        ezlogs.event("order.action", "requested")
    ezlogs.emit.record(
        "order.action",
        "changed",
        changes=(
            ezlogs.Change("password_hash", password("change from key"), password("change to key")),
            ezlogs.Change("note", text("change from"), nested("change to")),
            ezlogs.Change(email("change field"), 1, 2),
        ),
    )


def spans(tracer: trace.Tracer) -> None:
    """Plant in all of a span."""
    link = trace.Link(trace.SpanContext(1, 2, is_remote=True), {"note": text("link"), "api_key": password("link key")})
    attributes: dict[str, Any] = {
        "user.password": password("span key"),
        "note": text("span text"),
        "list": ("a", text("span list")),
        text("span attribute name"): 1,
        "db.query.text": f"SELECT * FROM users WHERE email = '{email('sql')}' AND password = '{password('sql')}'",
        "db.statement": f"UPDATE t SET secret = '{password('statement')}', card = {card('statement')}",
        "db.query.parameter.password": password("sql parameter"),
        "url.full": f"https://u:{password('userinfo')}@h.example/a;token={password('matrix')}?code={password('query')}"
        f"#access_token={password('fragment')}",
        "url.query": f"sig={password('url query')}&q={email('url query')}",
        "url.fragment": f"id_token={password('url fragment')}",
        "url.path": f"/a;jsessionid={password('url path')}/{email('url path')}",
        "http.target": f"/a?api_key={password('target')}",
        "http.url": f"http://h.example/?password={password('http url')}",
        "http.request.header.authorization": (f"Bearer {password('authorization')}",),
        "http.request.header.cookie": (f"sessionid={password('cookie')}; a=b",),
        "http.request.header.x_api_key": (password("header key"),),
        "http.request.header.x_forwarded_user": (email("header"),),
        "http.response.header.set_cookie": (f"sid={password('set cookie')}; HttpOnly",),
        "http.response.header.location": (f"/next?code={password('location')}",),
        "http.request.header.referer": (f"https://h.example/?token={password('referer')}",),
        "messaging.header.password": password("message header"),
        "graphql.document": f'mutation {{ login(email: "{email("graphql")}", password: "{password("graphql")}") }}',
        "graphql.variables": json.dumps({"password": password("graphql variables")}),
        "celery.args": f"('{email('job args')}',)",
        "celery.kwargs": f"{{'password': '{password('job kwargs')}'}}",
        "mail.subject": f"your code, {email('mail subject')}",
        "ezlogs.flow.id": email("span flow id"),
        "http.route": "/reset/{token}",
    }
    with tracer.start_as_current_span(f"mail to {email('span name')}", attributes=attributes, links=[link]) as span:
        span.add_event(f"sent {email('event name')}", {"secret": password("event key"), "note": text("event text")})
        try:
            try:
                raise KeyError(text("exception cause"))
            except KeyError as error:
                raise RuntimeError(text("exception message")) from error
        except RuntimeError as error:
            span.record_exception(error)
        span.set_status(trace.StatusCode.ERROR, text("status"))
        ezlogs.event("order.action", "rides", metadata={"note": text("riding event")})


def logs(logger: Any) -> None:
    """Plant in all of a log record."""
    logger.emit(
        _logs.LogRecord(
            severity_text=email("severity"),
            body=text("log body"),
            attributes={"note": text("log attribute"), "token": password("log key")},
        )
    )
    logger.emit(_logs.LogRecord(body=nested("log structure"), attributes={"deep": nested("log nested attribute")}))


def elsewhere() -> dict[str, str]:
    """Plant in what goes to other hosts; return it. The application's own baggage is its own business."""
    actor, session = ezlogs.actor(("user", email("baggage actor"))), email("baggage session")
    with actor, ezlogs.CorrelationManager.start_request_context(session_id=session):
        carrier: dict[str, str] = {}
        with ezlogs.flow("signup", email("baggage flow")):
            propagate.inject(carrier)
        return carrier


def troubles() -> None:
    """Plant in what ezlogs logs of itself."""
    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG)
    ezlogs.register_identity(Troubled, lambda one: 1 / 0)
    ezlogs.event("order.action", "placed", actor=Troubled(), outcome=f"it is {email('own log')}")
    ezlogs.event(f"password={password('own log type')}", "placed", duration=f"x {email('own log duration')}")


class Troubled:
    """Something that shows a secret wherever it is asked."""

    def __repr__(self) -> str:
        return f"<Troubled {email('repr')}>"


def main() -> None:
    """Plant everywhere, deliver, and print what was planted and what travels."""
    resource = Resource(
        {
            "service.name": "shop",
            "process.command_args": ("app", "--password", password("command args"), f"--to={email('command args')}"),
            "process.command_line": f"app --token {password('command line')}",
            "deployment.note": text("resource"),
        }
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    theirs = f"{os.environ['EZLOGS_ENDPOINT']}/theirs"
    trace.set_tracer_provider(provider)
    token = context.attach(baggage.set_baggage("tenant", "7"))
    ezlogs.configure(instrument="none", compression="none", carrier=os.environ["CARRIER"], pipeline="owned")
    tracer = trace.get_tracer("app", attributes={"password": password("scope"), "note": text("scope")})
    events()
    spans(tracer)
    carrier = elsewhere()
    troubles()
    told = ezlogs.flush()
    health = json.dumps(ezlogs.health())
    ezlogs.shutdown()
    wrapped = TracerProvider(resource=resource, shutdown_on_exit=False)
    wrapped.add_span_processor(
        SimpleSpanProcessor(ezlogs.ScrubbingSpanExporter(OTLPSpanExporter(endpoint=f"{theirs}/traces")))
    )
    spans(wrapped.get_tracer("app", attributes={"note": text("wrapped scope")}))
    records = LoggerProvider(resource=resource, shutdown_on_exit=False)
    records.add_log_record_processor(
        SimpleLogRecordProcessor(ezlogs.ScrubbingLogRecordExporter(OTLPLogExporter(endpoint=f"{theirs}/logs")))
    )
    logs(records.get_logger("app", attributes={"note": text("log scope")}))
    context.detach(token)
    print(json.dumps({"planted": CANARIES, "carrier": carrier, "health": health, "flushed": told}))


if __name__ == "__main__":
    main()
