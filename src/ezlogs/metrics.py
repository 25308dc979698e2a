"""Metrics: what `ezlogs.health()` says, for the application's own meter provider, whenever that collects.

Names of the semantic conventions for SDK components (``otel.sdk.*``) where one says what is meant, ``ezlogs.*`` for the
rest. Nothing is counted twice over: instruments read the health report, and only where there is a meter provider.

Source: OpenTelemetry semantic conventions, "OpenTelemetry SDK metrics".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from time import monotonic
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation, get_meter

from ezlogs.launch.health import health
from ezlogs.runtime import current_runtime
from ezlogs.version import __version__

Health = Mapping[str, Any]
Attributes = dict[str, str | int]

_COMPONENT: Final = "ezlogs.delivery.worker.Worker"
_STATES: Final = ("closed", "open", "half-open")
_LONGEST_SEEN: Final = 1.0
"""Seconds for which one report is good, where a collection cannot be told from the next."""

_EMIT_BOUNDS: Final = (1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 5e-3, 0.025, 0.1)
_DELIVERY_BOUNDS: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


class _Metric(NamedTuple):
    """One instrument, and how it reads a health report."""

    name: str
    unit: str
    description: str
    read: Callable[[Health], Iterable[tuple[int, Attributes]]]


def _workers(told: Health, records: str) -> Iterator[tuple[Health, Attributes]]:
    """Yield the worker that sends some records, if there is one, and how it is called."""
    place = told if records == "spans" else told.get("logs")
    if place:
        named: Attributes = {
            "otel.component.type": _COMPONENT,
            "otel.component.name": f"{_COMPONENT}/{int(records == 'logs')}",
        }
        yield place, named


def _queue(records: str, told: Health) -> Iterator[tuple[int, Attributes]]:
    for place, named in _workers(told, records):
        others = told.get("logs", {}).get("pending", 0) if records == "spans" else 0
        yield place.get("pending", 0) - others, named


def _capacity(records: str, told: Health) -> Iterator[tuple[int, Attributes]]:
    runtime = current_runtime()
    for _, named in _workers(told, records):
        if runtime is not None:
            yield runtime.settings.max_queue_size, named


def _exported(records: str, told: Health) -> Iterator[tuple[int, Attributes]]:
    for place, named in _workers(told, records):
        to: Attributes = {**named, **_server(str(place.get("endpoint", "")))}
        rejected = told.get(f"rejected_{records}", 0)
        yield told.get(f"delivered_{records}", 0), to
        if rejected:
            yield rejected, {**to, "error.type": "rejected"}


def _server(endpoint: str) -> Attributes:
    try:
        url = urlsplit(endpoint)
        port = url.port
    except ValueError:
        return {}
    address: Attributes = {"server.address": url.hostname} if url.hostname else {}
    return {**address, "server.port": port} if address and port else address


def _events(told: Health) -> Iterator[tuple[int, Attributes]]:
    """Yield what became of events; of copies, which are log records beside span events, apart."""
    own = "log" if told.get("carrier") == "log" else "span"
    for what in ("delivered", "handed_over", "spooled", "adopted"):
        for key, carrier in ((what, own), (f"{what}.logs", "log")):
            if key in told:
                yield told[key], {"ezlogs.result": what, "ezlogs.carrier": carrier}
    for key, number in told.get("lost", {}).items():
        copied = key.startswith("logs.")
        reason = key.removeprefix("logs.")
        yield number, {"ezlogs.result": "lost", "ezlogs.carrier": "log" if copied else own, "error.type": reason}


def _plain(name: str, told: Health) -> Iterator[tuple[int, Attributes]]:
    if name in told:
        yield told[name], {}


def _redactions(told: Health) -> Iterator[tuple[int, Attributes]]:
    return ((number, {"ezlogs.rule": rule}) for rule, number in told.get("redacted_by", {}).items())


def _of_place(part: str, key: str, told: Health) -> Iterator[tuple[int, Attributes]]:
    """Yield a number in a part of what each worker says, such as its journal."""
    for records in ("spans", "logs"):
        for place, named in _workers(told, records):
            found = place.get(part, {}) if part else place
            if isinstance(found, Mapping) and isinstance(found.get(key), int):
                yield found[key], named


def _breaker(told: Health) -> Iterator[tuple[int, Attributes]]:
    for records in ("spans", "logs"):
        for place, named in _workers(told, records):
            if state := place.get("breaker", {}).get("state"):
                yield from ((int(one == state), {**named, "ezlogs.breaker.state": one}) for one in _STATES)


COUNTERS: Final = (
    _Metric(
        "otel.sdk.exporter.span.exported",
        "{span}",
        "Spans whose export has ended, well or badly; carrier spans are among them.",
        partial(_exported, "spans"),
    ),
    _Metric(
        "otel.sdk.exporter.log.exported",
        "{log_record}",
        "Log records whose export has ended, well or badly.",
        partial(_exported, "logs"),
    ),
    _Metric("ezlogs.emitted", "{event}", "Events that were made.", partial(_plain, "emitted")),
    _Metric("ezlogs.events", "{event}", "What became of events, and why some were lost.", _events),
    _Metric("ezlogs.sampled_out", "{event}", "Events of stories that are not kept.", partial(_plain, "sampled_out")),
    _Metric("ezlogs.redactions", "{finding}", "What privacy kept back, by rule.", _redactions),
    _Metric("ezlogs.privacy_errors", "{error}", "Rules that raised.", partial(_plain, "privacy_errors")),
    _Metric("ezlogs.internal_errors", "{error}", "Errors of ezlogs' own.", partial(_plain, "internal_errors")),
)
"""What only grows."""

STATES: Final = (
    _Metric(
        "otel.sdk.processor.span.queue.size",
        "{span}",
        "What waits: spans, and events that came without one.",
        partial(_queue, "spans"),
    ),
    _Metric("otel.sdk.processor.span.queue.capacity", "{span}", "How much may wait.", partial(_capacity, "spans")),
    _Metric("otel.sdk.processor.log.queue.size", "{log_record}", "Log records that wait.", partial(_queue, "logs")),
    _Metric("otel.sdk.processor.log.queue.capacity", "{log_record}", "How many may.", partial(_capacity, "logs")),
    _Metric("ezlogs.queue.bytes", "By", "What waits in memory.", partial(_of_place, "", "pending_bytes")),
    _Metric("ezlogs.journal.bytes", "By", "The journal on disk.", partial(_of_place, "journal", "bytes")),
    _Metric("ezlogs.journal.waiting", "{record}", "What waits in it.", partial(_of_place, "journal", "waiting")),
    _Metric("ezlogs.delivery.failures", "{request}", "Failed in a row.", partial(_of_place, "", "failures")),
    _Metric("ezlogs.breaker.state", "1", "1 for the state that the circuit breaker is in.", _breaker),
)
"""What goes up and down."""


class _Reports:
    """Health reports, one for all instruments of a collection."""

    def __init__(self) -> None:
        self._of: tuple[CallbackOptions | None, float, Health] = (None, 0.0, {})

    def of(self, options: CallbackOptions) -> Health:
        """Return the report of a collection."""
        before, at, told = self._of
        if options is not before or monotonic() - at > _LONGEST_SEEN:
            told = health()
            if not _wanted():
                told = {}
            self._of = (options, monotonic(), told)
        return told if told.get("running") else {}


def instruments(meter: Meter) -> None:
    """Make the instruments on a meter. They say nothing while ezlogs does not run, and hold nothing of it.

    Args:
        meter: Of a provider that is to collect them.
    """
    reports = _Reports()
    for metric in COUNTERS:
        observe = partial(_observe, metric, reports)
        meter.create_observable_counter(metric.name, [observe], metric.unit, metric.description)
    for metric in STATES:
        observe = partial(_observe, metric, reports)
        meter.create_observable_up_down_counter(metric.name, [observe], metric.unit, metric.description)
    emitting = meter.create_histogram(
        "ezlogs.emit.duration",
        "s",
        "How long calls that make events took; ten a second are timed.",
        explicit_bucket_boundaries_advisory=_EMIT_BOUNDS,
    )
    delivering = meter.create_histogram(
        "ezlogs.delivery.duration",
        "s",
        "How old the oldest event of a request was when the collector had it.",
        explicit_bucket_boundaries_advisory=_DELIVERY_BOUNDS,
    )
    # A histogram cannot be observed: what there is to record is recorded when this one is.
    meter.create_observable_gauge(
        "ezlogs.running",
        [partial(_running, emitting, delivering)],
        "1",
        "1 while ezlogs runs in the process.",
    )


@cache
def register() -> None:
    """Make the instruments on the global meter provider, once: also on one that is set later."""
    instruments(get_meter("ezlogs", __version__))


def _wanted() -> bool:
    runtime = current_runtime()
    return runtime is not None and runtime.carrier is not None and runtime.settings.metrics


def _observe(metric: _Metric, reports: _Reports, options: CallbackOptions) -> Sequence[Observation]:
    try:
        return [Observation(number, attributes) for number, attributes in metric.read(reports.of(options))]
    except Exception:  # the application's metrics must not fail for ours
        return []


def _running(emitting: Histogram, delivering: Histogram, options: CallbackOptions) -> Sequence[Observation]:
    runtime = current_runtime()
    if runtime is None or not _wanted():
        return []
    for histogram, latency in ((emitting, runtime.ledger.emitting), (delivering, runtime.ledger.delivering)):
        for seconds in latency.unreported():
            histogram.record(seconds)
    return [Observation(1)]
