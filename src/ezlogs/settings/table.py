"""The one table of settings: each field of `Settings` carries all that is known about it.

Loading, the `ezlogs settings` command and the reference in the documentation are all read from here: to add a
setting is to add a field.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal, get_type_hints

import msgspec

from ezlogs.settings.kinds import (
    Boolean,
    Choice,
    Count,
    EventTypes,
    Kind,
    Location,
    Ratio,
    Seconds,
    SwitchedOff,
    Text,
    WordOrNames,
    Words,
)
from ezlogs.settings.otlp import Endpoint, HeaderList, Headers

PREFIX: Final = "EZLOGS_"


class Setting(msgspec.Struct, frozen=True):
    """All that is known about one setting, beside its name, its type and its default."""

    group: str
    """What it is about; the reference is ordered by it."""

    kind: Kind
    """How a value is read, from ``configure()`` and from the variable ``EZLOGS_<NAME>``."""

    doc: str
    """What it does, in one sentence."""

    otel: Mapping[str, Kind] = MappingProxyType({})
    """The OpenTelemetry variables that also set it, the strongest first, each with how it is read."""

    since: str = "0.1.0"
    """The version that introduced it."""


def _exporter(suffix: str, kind: Kind, doc: str) -> Setting:
    """A setting that OTLP exporters have in common: one variable for traces over one for all signals."""
    variables = (f"OTEL_EXPORTER_OTLP_TRACES_{suffix}", f"OTEL_EXPORTER_OTLP_{suffix}")
    return Setting("delivery", kind, doc, otel=dict.fromkeys(variables, kind))


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting of ezlogs, typed and immutable. `load` makes it from the environment and ``configure()``.

    >>> Settings(service_name="shop").timeout
    10.0
    """

    enabled: Annotated[
        bool,
        Setting(
            "core",
            Boolean(),
            "Whether ezlogs does anything at all.",
            otel={"OTEL_SDK_DISABLED": SwitchedOff()},
        ),
    ] = True
    service_name: Annotated[
        str | None,
        Setting(
            "core",
            Text("a name"),
            "The service that the events come from: the resource attribute service.name.",
            otel={"OTEL_SERVICE_NAME": Text("a name")},
        ),
    ] = None
    debug: Annotated[
        bool,
        Setting("core", Boolean(), "Raise internal errors instead of reporting them, for development."),
    ] = False
    strict: Annotated[
        bool,
        Setting("core", Boolean(), "Raise an error for an invalid event instead of reporting it."),
    ] = False

    endpoint: Annotated[
        str,
        Setting(
            "delivery",
            Endpoint("unless there"),
            "Where events are sent by OTLP/HTTP; /v1/traces is appended to a base address.",
            otel={
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": Endpoint("never"),
                "OTEL_EXPORTER_OTLP_ENDPOINT": Endpoint("always"),
            },
        ),
    ] = "http://localhost:4318/v1/traces"
    headers: Annotated[
        Headers,
        _exporter("HEADERS", HeaderList(), "Headers sent with each request, such as a token; never shown."),
    ] = Headers()
    timeout: Annotated[
        float,
        _exporter("TIMEOUT", Seconds(0.001, 600), "How long one request may take."),
    ] = 10.0
    compression: Annotated[
        Literal["none", "gzip"],
        _exporter("COMPRESSION", Choice(("none", "gzip")), "How request bodies are compressed."),
    ] = "none"
    certificate: Annotated[
        str | None,
        _exporter("CERTIFICATE", Location("a PEM file"), "Who may sign the collector's certificate."),
    ] = None
    client_certificate: Annotated[
        str | None,
        _exporter("CLIENT_CERTIFICATE", Location("a PEM file"), "The certificate shown to the collector."),
    ] = None
    client_key: Annotated[
        str | None,
        _exporter("CLIENT_KEY", Location("a PEM file"), "The private key of that certificate."),
    ] = None
    flush_interval: Annotated[
        float,
        Setting("delivery", Seconds(0.01, 3600), "How long an event waits for others to be sent with."),
    ] = 1.0
    max_batch_size: Annotated[
        int,
        Setting("delivery", Count(1, 65_536, "spans and events"), "How much is sent in one request."),
    ] = 512
    max_queue_size: Annotated[
        int,
        Setting("delivery", Count(1, 10_000_000, "items"), "How much is kept while the collector is away."),
    ] = 200_000
    shutdown_timeout: Annotated[
        float,
        Setting("delivery", Seconds(0, 600), "How long the end of the process may wait for delivery."),
    ] = 5.0
    health_dir: Annotated[
        str | None,
        Setting("delivery", Location("a directory"), "Where each process writes its health as JSON at exit."),
    ] = None

    pipeline: Annotated[
        Literal["auto", "owned", "attached"],
        Setting(
            "emission",
            Choice(("auto", "owned", "attached")),
            "Whether ezlogs is the only exporter (owned) or lives beside another (attached); auto finds out.",
        ),
    ] = "auto"
    carrier: Annotated[
        Literal["span", "log", "both"],
        Setting(
            "emission",
            Choice(("span", "log", "both")),
            "What brings events out: span events, log records, or one of each.",
        ),
    ] = "span"
    disabled_events: Annotated[
        tuple[str, ...],
        Setting("emission", EventTypes("event types"), "Types of events that are not made at all."),
    ] = ()

    sample_rate: Annotated[
        float,
        Setting(
            "sampling",
            Ratio(),
            "The share of stories whose events are kept; a story is kept or left out as a whole, in every service.",
        ),
    ] = 1.0
    always_events: Annotated[
        tuple[str, ...],
        Setting(
            "sampling",
            EventTypes("event types"),
            "Types of events that are kept in every story, as is whatever did not succeed.",
        ),
    ] = ()

    trust_inbound: Annotated[
        Literal["continue", "link"],
        Setting(
            "correlation",
            Choice(("continue", "link")),
            "Whether a request continues the story that it brings along, or begins its own and links that one.",
        ),
    ] = "continue"
    propagate_to: Annotated[
        tuple[str, ...],
        Setting(
            "correlation",
            Words("hosts"),
            "Further hosts that stories travel to; loopback, private and cluster-internal ones are always allowed.",
        ),
    ] = ()
    propagate_actor_to: Annotated[
        tuple[str, ...],
        Setting("correlation", Words("hosts"), "Hosts that are also told, as type:id, who acts."),
    ] = ()

    deny: Annotated[
        tuple[str, ...],
        Setting("privacy", Words("names"), "Further names whose values are redacted, wherever they appear."),
    ] = ()
    allow: Annotated[
        tuple[str, ...],
        Setting("privacy", Words("names"), "Names that the default lists redact and that are harmless here."),
    ] = ()

    changes: Annotated[
        Literal["safe", "full", "names", "none"],
        Setting(
            "data",
            Choice(("safe", "full", "names", "none")),
            "What a data event tells of changed fields: harmless values, all values, names only, or nothing.",
        ),
    ] = "safe"

    propagate_actor: Annotated[
        bool,
        Setting("jobs", Boolean(), "Whether a job knows, as type:id, who enqueued it."),
    ] = True

    instrument: Annotated[
        Literal["ezlogs", "all", "none"] | tuple[str, ...],
        Setting(
            "instrumentation",
            WordOrNames("names of instrumentors", ("ezlogs", "all", "none")),
            "Which libraries are instrumented when they are imported.",
        ),
    ] = "ezlogs"

    def shown(self) -> dict[str, object]:
        """Return every setting by name as it may be shown to anyone: secrets masked, fit for JSON."""
        return {name: setting.kind.shown(getattr(self, name)) for name, setting in TABLE.items()}

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.shown().items())})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return list(self.shown().items())


TABLE: Final[Mapping[str, Setting]] = MappingProxyType(
    {name: hint.__metadata__[0] for name, hint in get_type_hints(Settings, include_extras=True).items()}
)
"""Every setting by name, in the order of the reference."""

DEFAULTS: Final = Settings()


def variable(name: str) -> str:
    """Return the environment variable of a setting.

    >>> variable("service_name")
    'EZLOGS_SERVICE_NAME'
    """
    return PREFIX + name.upper()


# Kubernetes puts the address of a service called `ezlogs` or `ezlogs-collector` into the environment of pods.
_SERVICE_LINK = re.compile(
    r"EZLOGS_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)?)"
)


def is_ours(name: str) -> bool:
    """Tell whether a variable should name a setting: the one place for `EZLOGS_*` variables that do not.

    >>> is_ours("EZLOGS_ENPOINT"), is_ours("EZLOGS_COLLECTOR_SERVICE_HOST"), is_ours("HOME")
    (True, False, False)
    """
    return name.startswith(PREFIX) and not _SERVICE_LINK.fullmatch(name)
