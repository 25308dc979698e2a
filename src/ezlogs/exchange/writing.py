"""Writing: events as lines of JSON, as OTLP/JSON, as a table, and as the Ruby agent's JSON. Scrubbed in any case."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby, islice
from typing import Any, Final

import msgspec
from opentelemetry.sdk.resources import Resource

from ezlogs.compat import ruby
from ezlogs.delivery.batch import Batch, SpanEncoder
from ezlogs.otlp.transcode import to_json
from ezlogs.privacy import Scrubber
from ezlogs.snapshot import plain
from ezlogs.story.render import event_json
from ezlogs.story.tree import Told
from ezlogs.wire import from_attributes, scrubbed_attributes

REQUEST: Final = 500
"""Events in one export request."""

COLUMNS: Final = (
    "time", "service", "correlation_id", "event_id", "parent_event_id", "event_type", "action",
    "actor_type", "actor_id", "actor_label", "subject_type", "subject_id", "subject_label",
    "outcome", "severity", "duration", "error_type", "flow_id", "job_id", "attempt", "metadata", "changes",
)  # fmt: skip
"""The columns of a table; times in UTC, durations in seconds, metadata and changes as JSON."""

_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # as some programs take them
_STEERING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Characters that could steer a terminal, or turn text around."""


def write(found: Iterable[Told], kind: str, scrubber: Scrubber | None = None) -> Iterator[str]:
    """Yield events as text, in pieces that end with a line feed; all but CSV can be read again.

    Args:
        found: The events.
        kind: One of `FORMATS`.
        scrubber: Whose rules count; the default ones when left out.

    Raises:
        KeyError: It is no format that is known.

    Example:
        >>> from ezlogs import Correlation, UniversalEvent
        >>> story = Correlation(correlation_id="story-1")
        >>> placed = UniversalEvent.create("order.action", "placed", event_id="evt_1", timestamp=0, correlation=story)
        >>> head, line = write([Told(placed, "shop")], "csv")
        >>> line[:70]
        '1970-01-01T00:00:00.000000000Z,shop,story-1,evt_1,,order.action,placed'
    """
    return FORMATS[kind](found, scrubber or Scrubber())


def requests(found: Iterable[Told], scrubber: Scrubber) -> Iterator[Batch]:
    """Yield export requests of carrier spans, scrubbed, each of one service and at most `REQUEST` events."""
    encoder = SpanEncoder(scrubber)
    for service, alike in groupby(found, lambda told: told.service):
        resource = Resource({"service.name": service} if service else {})
        remaining = (told.event for told in alike)
        while some := list(islice(remaining, REQUEST)):
            yield encoder.batch(some, resource)


def _otlp(found: Iterable[Told], scrubber: Scrubber) -> Iterator[str]:
    for batch in requests(found, scrubber):
        yield _line(to_json(batch.body, "traces"))


def _jsonl(found: Iterable[Told], scrubber: Scrubber) -> Iterator[str]:
    for told in _scrubbed(found, scrubber):
        document = msgspec.json.decode(told.event.to_json())
        yield _line(msgspec.json.encode({"service": told.service, **document}))


def _ruby(found: Iterable[Told], scrubber: Scrubber) -> Iterator[str]:
    for told in _scrubbed(found, scrubber):
        yield _line(msgspec.json.encode(ruby.write(told.event, told.service)))


def _line(document: bytes) -> str:
    """Return JSON as a line that does nothing to the terminal that it may be written to; it reads back the same."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", document.decode()) + "\n"


def _csv(found: Iterable[Told], scrubber: Scrubber) -> Iterator[str]:
    yield _row(COLUMNS)
    for told in _scrubbed(found, scrubber):
        yield _row(_cells(told).values())


def _cells(told: Told) -> Mapping[str, object]:
    event, document = told.event, event_json(told.event, told.service)
    correlation = event.correlation
    at = msgspec.json.decode(event.to_json())["timestamp"]
    subject = document["subject"] or {"type": None, "id": None, "label": None}
    return {
        "time": at,
        "service": told.service,
        "correlation_id": correlation.correlation_id,
        "event_id": event.event_id,
        "parent_event_id": correlation.parent_event_id,
        "event_type": event.event_type,
        "action": event.action,
        **{f"actor_{name}": document["actor"][name] for name in ("type", "id", "label")},
        **{f"subject_{name}": subject[name] for name in ("type", "id", "label")},
        "outcome": event.outcome,
        "severity": event.severity,
        "duration": event.duration,
        "error_type": event.error.type if event.error else None,
        "flow_id": correlation.flow_id,
        "job_id": correlation.job_id,
        "attempt": correlation.attempt,
        "metadata": _compact(plain(event.facts.metadata)),
        "changes": _compact(document["changes"]),
    }


def _compact(value: Any) -> str:
    return msgspec.json.encode(value).decode() if value else ""


def _row(cells: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([_harmless(cell) for cell in cells])
    return line.getvalue()


def _harmless(cell: object) -> object:
    """Return a cell that no spreadsheet takes for a formula, and no terminal for an order, whoever chose a label."""
    if not isinstance(cell, str):
        return cell
    return ("'" if cell.startswith(_FORMULAS) else "") + _STEERING.sub(" ", cell)


def _scrubbed(found: Iterable[Told], scrubber: Scrubber) -> Iterator[Told]:
    for told in found:
        event = told.event
        clean = from_attributes(event.event_type, event.timestamp, scrubbed_attributes(event, scrubber))
        if clean is not None:
            yield Told(clean, told.service)


FORMATS: Final[Mapping[str, Callable[[Iterable[Told], Scrubber], Iterator[str]]]] = {
    "jsonl": _jsonl,
    "otlp": _otlp,
    "csv": _csv,
    "ruby": _ruby,
}
"""What is written, by its name."""
