"""The one table of settings: each field of a group carries all that is known about it.

Loading, the options of ``configure()``, `ezlogs doctor` and the reference in the documentation are all read from
here: to add a setting is to add a field.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

from ezlogs.privacy.policy import Treatment
from ezlogs.settings.expressions import NO_PATTERNS, PatternList
from ezlogs.settings.group import PREFIX, Group, Setting, group_name
from ezlogs.settings.hosts import Hosts
from ezlogs.settings.kinds import (
    Boolean,
    Choice,
    Count,
    EventTypes,
    Kind,
    Location,
    OneWord,
    Ratio,
    Seconds,
    SwitchedOff,
    Text,
    WordOrNames,
    Words,
)
from ezlogs.settings.otlp import LOGS_PATH, TRACES_PATH, Endpoint, HeaderList, Headers, Packing
from ezlogs.settings.treatments import NO_TREATMENTS, Secret, TreatmentList


def _exporter(suffix: str, kind: Kind) -> Setting:
    """A setting that OTLP exporters have in common: one variable for traces over one for all signals."""
    variables = (f"OTEL_EXPORTER_OTLP_TRACES_{suffix}", f"OTEL_EXPORTER_OTLP_{suffix}")
    return Setting(kind, dict.fromkeys(variables, kind))


class Core(Group):
    """What ezlogs is in this process.

    >>> Core(service_name="shop")
    Core(service_name='shop')
    """

    enabled: Annotated[bool, Setting(Boolean(), {"OTEL_SDK_DISABLED": SwitchedOff()})] = True
    """Whether ezlogs does anything at all."""

    service_name: Annotated[str | None, Setting(Text("a name"), {"OTEL_SERVICE_NAME": Text("a name")})] = None
    """The service that the events come from: the resource attribute service.name."""

    debug: Annotated[bool, Setting(Boolean())] = False
    """Raise internal errors instead of reporting them, for development."""

    strict: Annotated[bool, Setting(Boolean())] = False
    """Raise an error for an invalid event instead of reporting it."""


class Delivery(Group):
    """Where events are sent, and how.

    >>> Delivery(endpoint="https://collector:4318", timeout=5).timeout
    5
    """

    endpoint: Annotated[
        str,
        Setting(
            Endpoint("unless there", TRACES_PATH),
            {
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": Endpoint("never", TRACES_PATH),
                "OTEL_EXPORTER_OTLP_ENDPOINT": Endpoint("always", TRACES_PATH),
            },
        ),
    ] = "http://localhost:4318/v1/traces"
    """Where events are sent; over HTTP /v1/traces is appended to a base address, over gRPC a path means nothing."""

    logs_endpoint: Annotated[
        str | None,
        Setting(
            Endpoint("unless there", LOGS_PATH),
            {
                "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": Endpoint("never", LOGS_PATH),
                "OTEL_EXPORTER_OTLP_ENDPOINT": Endpoint("always", LOGS_PATH),
            },
        ),
    ] = None
    """Where events are sent as log records; /v1/logs is appended to a base address; beside `endpoint` if left out."""

    protocol: Annotated[Literal["http/protobuf", "grpc"], _exporter("PROTOCOL", Choice(("http/protobuf", "grpc")))] = (
        "http/protobuf"
    )
    """How requests are sent: OTLP/HTTP or OTLP/gRPC, the same bytes in either."""

    headers: Annotated[Mapping[str, str], _exporter("HEADERS", HeaderList())] = Headers()
    """Headers sent with each request, such as a token; never shown."""

    timeout: Annotated[float, _exporter("TIMEOUT", Seconds(0.001, 600))] = 10.0
    """How long one request may take."""

    compression: Annotated[
        Literal["none", "gzip", "zstd"], _exporter("COMPRESSION", Packing(("none", "gzip", "zstd")))
    ] = "none"
    """How request bodies are compressed."""

    certificate: Annotated[str | None, _exporter("CERTIFICATE", Location("a PEM file"))] = None
    """Who may sign the collector's certificate."""

    client_certificate: Annotated[str | None, _exporter("CLIENT_CERTIFICATE", Location("a PEM file"))] = None
    """The certificate shown to the collector."""

    client_key: Annotated[str | None, _exporter("CLIENT_KEY", Location("a PEM file"))] = None
    """The private key of that certificate."""

    flush_interval: Annotated[float, Setting(Seconds(0.01, 3600))] = 1.0
    """How long an event waits for others to be sent with."""

    max_batch_size: Annotated[int, Setting(Count(1, 65_536, "spans and events"))] = 512
    """How much is sent in one request."""

    max_queue_size: Annotated[int, Setting(Count(1, 10_000_000, "items"))] = 200_000
    """How much is kept while the collector is away."""

    durability: Annotated[Literal["memory", "process"], Setting(Choice(("memory", "process")))] = "memory"
    """What events outlive: nothing, or the end of their process, in a journal on disk."""

    state_dir: Annotated[str | None, Setting(Location("a directory"))] = None
    """Where journals are; the platform's directory for the state of programs if left out."""

    journal_size: Annotated[int, Setting(Count(1 << 20, 1 << 40, "bytes"))] = 256 << 20
    """How much the journals of a service may hold on disk."""

    journal_age: Annotated[float, Setting(Seconds(60, 10 * 365 * 86_400))] = 7 * 86_400.0
    """How long what could not be delivered is kept on disk."""

    shutdown_timeout: Annotated[float, Setting(Seconds(0, 600))] = 5.0
    """How long the end of the process may wait for delivery."""

    health_dir: Annotated[str | None, Setting(Location("a directory"))] = None
    """Where each process writes its health as JSON at exit."""

    metrics: Annotated[bool, Setting(Boolean())] = True
    """Whether the application's metrics, where it has a meter provider, tell of deliveries, losses and latencies."""


class Emission(Group):
    """Which events are made, and what brings them out.

    >>> Emission(carrier="both", disabled_events=("data.*",)).pipeline
    'auto'
    """

    pipeline: Annotated[
        Literal["auto", "owned", "attached"],
        Setting(Choice(("auto", "owned", "attached")), {"OTEL_TRACES_EXPORTER": OneWord("none", "attached")}),
    ] = "auto"
    """Whether ezlogs is the only exporter (owned) or lives beside another (attached); auto finds out."""

    carrier: Annotated[Literal["span", "log", "both"], Setting(Choice(("span", "log", "both")))] = "span"
    """What brings events out: span events, log records, or one of each."""

    disabled_events: Annotated[tuple[str, ...], Setting(EventTypes("event types"))] = ()
    """Types of events that are not made at all."""


class Sampling(Group):
    """Which stories are kept.

    >>> Sampling(sample_rate=0.1, always_events=("auth.*", "payment.*")).sample_rate
    0.1
    """

    sample_rate: Annotated[float, Setting(Ratio())] = 1.0
    """The share of stories whose events are kept; a story is kept or left out as a whole, in every service."""

    always_events: Annotated[tuple[str, ...], Setting(EventTypes("event types"))] = ()
    """Types of events that are kept in every story, as is whatever did not succeed."""


class Correlation(Group):
    """How far a story reaches: from whom it is taken over, and whom it is passed on to.

    >>> Correlation(propagate_to=("*.partner.example",)).trust_inbound
    'continue'
    """

    trust_inbound: Annotated[Literal["continue", "link"], Setting(Choice(("continue", "link")))] = "continue"
    """Whether a request continues the story that it brings along, or begins its own and links that one."""

    propagate_to: Annotated[tuple[str, ...], Setting(Hosts("hosts"))] = ()
    """Further hosts that stories travel to; loopback, private and cluster-internal ones are always allowed."""

    propagate_actor_to: Annotated[tuple[str, ...], Setting(Hosts("hosts"))] = ()
    """Hosts that are also told, as type:id, who acts."""


class Privacy(Group):
    """What is redacted beside what ezlogs redacts by itself, and what redacting means.

    >>> Privacy(deny=("iban",)).given()
    {'deny': ('iban',)}
    """

    deny: Annotated[tuple[str, ...], Setting(Words("names"))] = ()
    """Further names whose values are redacted, wherever they appear."""

    allow: Annotated[tuple[str, ...], Setting(Words("names"))] = ()
    """Names that the default lists redact and that are harmless here."""

    redaction: Annotated[Mapping[str, Treatment], Setting(TreatmentList())] = NO_TREATMENTS
    """What is done with findings, by rule, path or type of event; redacted if left out, and IP addresses masked."""

    patterns: Annotated[Mapping[str, str], Setting(PatternList())] = NO_PATTERNS
    """Regular expressions of what else is redacted, by the name that is recorded for it."""

    hash_key: Annotated[str | None, Setting(Secret("a long random text"))] = None
    """The key of the treatment hash; without one it masks. Never shown."""


class Data(Group):
    """What events of changed rows tell.

    >>> Data(changes="names").changes
    'names'
    """

    changes: Annotated[Literal["safe", "full", "names", "none"], Setting(Choice(("safe", "full", "names", "none")))] = (
        "safe"
    )
    """What a data event tells of changed fields: harmless values, all values, names only, or nothing."""


class Jobs(Group):
    """What jobs know.

    >>> Jobs(propagate_actor=False).propagate_actor
    False
    """

    propagate_actor: Annotated[bool, Setting(Boolean())] = True
    """Whether a job knows, as type:id, who enqueued it."""


class Instrumentation(Group):
    """What tells of itself.

    >>> Instrumentation(instrument=("django", "celery")).instrument
    ('django', 'celery')
    """

    instrument: Annotated[
        Literal["ezlogs", "all", "none"] | tuple[str, ...],
        Setting(WordOrNames("names of instrumentors", ("ezlogs", "all", "none"))),
    ] = "ezlogs"
    """Which libraries are instrumented when they are imported."""


class Settings(Core, Delivery, Emission, Sampling, Correlation, Privacy, Data, Jobs, Instrumentation):
    """Every setting of ezlogs, typed and immutable. `load` makes it from all sources.

    >>> Settings(service_name="shop").timeout
    10.0
    """

    def shown(self) -> dict[str, object]:
        """Return every setting by name as it may be shown to anyone: secrets masked, fit for JSON."""
        return {name: setting.kind.shown(getattr(self, name)) for name, setting in TABLE.items()}

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.shown().items())})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return list(self.shown().items())


TABLE: Final[Mapping[str, Setting]] = Settings.rows
"""Every setting by name, in the order of the reference."""

GROUPS: Final[Mapping[str, type[Group]]] = MappingProxyType({group_name(base): base for base in Settings.__bases__})
"""The groups by name, in the same order."""

CONFIG_FILE: Final = "EZLOGS_CONFIG_FILE"
"""The variable that names the file of settings."""

# Kubernetes puts the address of a service called `ezlogs` or `ezlogs-collector` into the environment of pods.
_SERVICE_LINK = re.compile(
    r"EZLOGS_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)?)"
)


def variable(name: str) -> str:
    """Return the environment variable of a setting.

    >>> variable("service_name")
    'EZLOGS_SERVICE_NAME'
    """
    return TABLE[name].variable


def is_ours(name: str) -> bool:
    """Tell whether a variable should name a setting: the one place for `EZLOGS_*` variables that do not.

    >>> is_ours("EZLOGS_ENPOINT"), is_ours("EZLOGS_COLLECTOR_SERVICE_HOST"), is_ours("HOME")
    (True, False, False)
    """
    return name.startswith(PREFIX) and name != CONFIG_FILE and not _SERVICE_LINK.fullmatch(name)
