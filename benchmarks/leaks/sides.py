"""The sides: each takes a sample in its places, and gives back what would leave the process.

Every side is what a program gets that sets nothing: ezlogs' scrubber, logfire's whole way from its API to the
exporter, Sentry's event scrubber over an event in which each place is where its SDK puts it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, NamedTuple

from benchmarks.leaks.places import Placed
from ezlogs.privacy import Scrubber

Way = Callable[[Placed], Any]
"""From a sample in its places to all that would leave."""

PEERS = {"logfire": "logfire", "sentry_sdk": "sentry-sdk"}
"""The packages that are compared with, by module."""

_METADATA = "ezlogs.metadata."
_HEADER = "http.request.header."
_LOGFIRE_SAYS = ("logfire.", "code.")


class Side(NamedTuple):
    """One side: its way with its scrubber, and the same way without."""

    name: str
    scrubbing: Way
    plain: Way


def missing_peers() -> list[str]:
    """The packages that are not installed here."""
    return [package for module, package in PEERS.items() if find_spec(module) is None]


def sides() -> list[Side]:
    """Every side, in the order of the columns.

    Raises:
        ModuleNotFoundError: A peer is not installed.
    """
    return [
        Side("nothing", _as_it_is, _as_it_is),
        _ezlogs(),
        _logfire(),
        _sentry("sentry", recursive=False),
        _sentry("sentry, recursive", recursive=True),
    ]


def _as_it_is(sample: Placed) -> Any:
    return sample


def _ezlogs() -> Side:
    scrubber = Scrubber()

    def scrubbed(sample: Placed) -> Any:
        return Placed(
            scrubber.attributes(sample.attributes, []),
            scrubber.value("", sample.body, "body", []),
            scrubber.attributes(sample.exception, [], "events[0]."),
        )

    return Side("ezlogs", scrubbed, _as_it_is)


def _logfire() -> Side:
    return Side("logfire", _through_logfire(None), _through_logfire(False))


def _through_logfire(scrubbing: Any) -> Way:
    import logfire
    from opentelemetry import trace
    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
    instance = logfire.configure(
        local=True,
        send_to_logfire=False,
        console=False,
        metrics=False,
        scrubbing=scrubbing,
        inspect_arguments=False,
        additional_span_processors=[SimpleSpanProcessor(spans)],
        advanced=logfire.AdvancedOptions(log_record_processors=[SimpleLogRecordProcessor(logs)]),
    )
    logger = instance.config.get_logger_provider().get_logger("leaks")

    def exported(sample: Placed) -> Any:
        spans.clear()
        logs.clear()
        with instance.span("sample", **sample.attributes):
            if sample.exception:
                trace.get_current_span().add_event("exception", sample.exception)
        if sample.body is not None:
            logger.emit(LogRecord(body=sample.body, attributes={}))
        (span,) = spans.get_finished_spans()
        return Placed(
            _own(span.attributes or {}),
            next((record.log_record.body for record in logs.get_finished_logs()), None),
            dict(span.events[0].attributes or {}) if span.events else {},
        )

    return exported


def _own(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of the sample, without those that logfire adds."""
    return {key: value for key, value in attributes.items() if not key.startswith(_LOGFIRE_SAYS)}


def _sentry(name: str, *, recursive: bool) -> Side:
    from sentry_sdk.scrubber import EventScrubber

    scrubber = EventScrubber(recursive=recursive)

    def scrubbed(sample: Placed) -> Any:
        event = _event(sample)
        scrubber.scrub_event(event)
        return event

    return Side(name, scrubbed, _event)


def _event(sample: Placed) -> Any:
    """An event as Sentry's SDK makes it: what its users call extra, the request, a span's data, the texts.

    Its scrubber compares whole names, so each value has the name that it would have there.
    """
    event: dict[str, Any] = {
        "extra": {},
        "request": {"headers": {}},
        "spans": [{"data": {}}],
        "logentry": {"message": sample.body},
        "exception": {"values": [{"type": "Error", "value": text} for text in sample.exception.values()]},
    }
    for key, value in copy.deepcopy(dict(sample.attributes)).items():
        if key.startswith(_METADATA):
            event["extra"][key.removeprefix(_METADATA)] = value
        elif key.startswith(_HEADER):
            event["request"]["headers"][key.removeprefix(_HEADER)] = value
        elif key == "http.request.body":
            event["request"]["data"] = value
        else:
            event["spans"][0]["data"][key] = value
    return event
