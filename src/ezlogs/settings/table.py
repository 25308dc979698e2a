"""The one table of settings: each field of a group carries all that is known about it.

Loading, the options of ``configure()``, `ezlogs doctor` and the reference in the documentation are all read from
here: to add a setting is to add a field.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

from ezlogs.expressions import expression
from ezlogs.privacy.policy import Treatment
from ezlogs.settings.expressions import NO_PATTERNS, PatternList, UrlPatterns
from ezlogs.settings.flows import StoreName
from ezlogs.settings.group import PREFIX, Group, Setting, group_name
from ezlogs.settings.hosts import Hosts, Networks, Routes
from ezlogs.settings.kinds import (
    Boolean,
    Choice,
    Count,
    EventTypes,
    Kind,
    Location,
    Milliseconds,
    OneWord,
    Ratio,
    Seconds,
    SwitchedOff,
    Text,
    TrueOrFalse,
    WordOrNames,
    Words,
)
from ezlogs.settings.numbers import NO_LIMITS, NO_NUMBERS, NO_WORDS, Limit, OldSampler, PerSecond, Table
from ezlogs.settings.otlp import LOGS_PATH, TRACES_PATH, Endpoint, HeaderList, Headers, Packing
from ezlogs.settings.treatments import NO_TREATMENTS, Secret, TreatmentList

OtlpProtocol = Literal["http/protobuf", "http/json", "grpc"]
Changes = Literal["safe", "full", "names", "none"]

_PROTOCOL = Choice(("http/protobuf", "http/json", "grpc"))
_CHANGES = Choice(("safe", "full", "names", "none"))
_TIMEOUT = Seconds(0.001, 600)
_COMPRESSION = Packing(("none", "gzip", "zstd"))
_PEM = Location("a PEM file")
_BATCH = Count(1, 65_536, "spans and events")


def _exporter(suffix: str, kind: Kind, in_otel: Kind | None = None) -> Setting:
    """A setting that OTLP exporters have in common: one variable for traces over one for all signals."""
    variables = (f"OTEL_EXPORTER_OTLP_TRACES_{suffix}", f"OTEL_EXPORTER_OTLP_{suffix}")
    return Setting(kind, dict.fromkeys(variables, in_otel or kind))


def _of_logs(suffix: str, kind: Kind, in_otel: Kind | None = None) -> Setting:
    """The same for log records, to which what OpenTelemetry's variables say of traces alone means nothing."""
    variables = (f"OTEL_EXPORTER_OTLP_LOGS_{suffix}", f"OTEL_EXPORTER_OTLP_{suffix}")
    return Setting(kind, dict.fromkeys(variables, in_otel or kind), (suffix.lower(), kind))


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
    """Show each story in the terminal as it happens, and ezlogs' own errors with cause and remedy."""

    strict: Annotated[bool, Setting(Boolean())] = False
    """Raise an error for an invalid event, and internal errors, instead of reporting them."""


class Delivery(Group):
    """Where events are sent, and how.

    >>> Delivery(endpoint="https://collector:4318", timeout=5).timeout
    5
    """

    protocol: Annotated[OtlpProtocol, _exporter("PROTOCOL", _PROTOCOL)] = "http/protobuf"
    """How requests are sent: OTLP/HTTP or OTLP/gRPC, the same bytes in either, or OTLP/HTTP as JSON."""

    insecure: Annotated[bool, _exporter("INSECURE", Boolean(), TrueOrFalse())] = False
    """Over gRPC, whether an `endpoint` without a scheme is reached without TLS."""

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

    headers: Annotated[Mapping[str, str], _exporter("HEADERS", HeaderList())] = Headers()
    """Headers sent with each request, such as a token; never shown."""

    timeout: Annotated[float, _exporter("TIMEOUT", _TIMEOUT)] = 10.0
    """How long one request may take."""

    compression: Annotated[Literal["none", "gzip", "zstd"], _exporter("COMPRESSION", _COMPRESSION)] = "none"
    """How request bodies are compressed."""

    certificate: Annotated[str | None, _exporter("CERTIFICATE", _PEM)] = None
    """Who may sign the collector's certificate."""

    client_certificate: Annotated[str | None, _exporter("CLIENT_CERTIFICATE", _PEM)] = None
    """The certificate shown to the collector."""

    client_key: Annotated[str | None, _exporter("CLIENT_KEY", _PEM)] = None
    """The private key of that certificate."""

    logs_protocol: Annotated[OtlpProtocol, _of_logs("PROTOCOL", _PROTOCOL)] = "http/protobuf"
    """The same for log records; this and the next ones are as for spans where they are left out."""

    logs_insecure: Annotated[bool, _of_logs("INSECURE", Boolean(), TrueOrFalse())] = False
    """Over gRPC, whether a `logs_endpoint` without a scheme is reached without TLS."""

    logs_endpoint: Annotated[
        str,
        Setting(
            Endpoint("unless there", LOGS_PATH),
            {
                "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": Endpoint("never", LOGS_PATH),
                "OTEL_EXPORTER_OTLP_ENDPOINT": Endpoint("always", LOGS_PATH),
            },
            ("endpoint", Endpoint("beside", LOGS_PATH)),
        ),
    ] = "http://localhost:4318/v1/logs"
    """Where events are sent as log records; /v1/logs is appended to a base address; beside `endpoint` if left out."""

    logs_headers: Annotated[Mapping[str, str], _of_logs("HEADERS", HeaderList())] = Headers()
    """Headers sent with log records, in place of `headers`."""

    logs_timeout: Annotated[float, _of_logs("TIMEOUT", _TIMEOUT)] = 10.0
    """How long one request of log records may take."""

    logs_compression: Annotated[Literal["none", "gzip", "zstd"], _of_logs("COMPRESSION", _COMPRESSION)] = "none"
    """How bodies of log records are compressed."""

    logs_certificate: Annotated[str | None, _of_logs("CERTIFICATE", _PEM)] = None
    """Who may sign the certificate of the collector of log records."""

    logs_client_certificate: Annotated[str | None, _of_logs("CLIENT_CERTIFICATE", _PEM)] = None
    """The certificate shown to that collector."""

    logs_client_key: Annotated[str | None, _of_logs("CLIENT_KEY", _PEM)] = None
    """The private key of that certificate."""

    flush_interval: Annotated[
        float, Setting(Seconds(0.01, 3600), {"OTEL_BSP_SCHEDULE_DELAY": Milliseconds(0.01, 3600)})
    ] = 1.0
    """How long an event waits for others to be sent with."""

    max_batch_size: Annotated[int, Setting(_BATCH, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": _BATCH})] = 512
    """How much is sent in one request."""

    max_queue_size: Annotated[int, Setting(Count(1, 10_000_000, "items"))] = 200_000
    """How much is kept while the collector is away."""

    max_queue_bytes: Annotated[int, Setting(Count(1 << 16, 1 << 40, "bytes"))] = 128 << 20
    """How much memory that may take."""

    audit_events: Annotated[tuple[str, ...], Setting(EventTypes("event types"))] = (
        "auth.*",
        "data.change",
        "data.access",
    )
    """Which events are the last to be given up when not all can be kept."""

    audit_wait: Annotated[float, Setting(Seconds(0, 60))] = 0.0
    """How long such an event may make the application wait for room; never on an event loop."""

    durability: Annotated[Literal["memory", "process"], Setting(Choice(("memory", "process")))] = "process"
    """What events outlive: nothing, or the end of their process, in a journal on disk - where an endpoint is named."""

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

    summary: Annotated[bool, Setting(Boolean())] = False
    """Whether each event says in a sentence what happened, as ezlogs.summary, for back ends that only list events."""


class Sampling(Group):
    """Which stories are kept.

    >>> Sampling(sample_rate=0.1, always_events=("auth.*", "payment.*")).sample_rate
    0.1
    """

    sample_rate: Annotated[float, Setting(Ratio())] = 1.0
    """The share of stories whose events are kept; a story is kept or left out as a whole, in every service."""

    sample_types: Annotated[Mapping[str, float], Setting(Table("type", Ratio()))] = NO_NUMBERS
    """Further shares by type of event; the most specific counts, over `sample_rate`."""

    sample_routes: Annotated[Mapping[str, float], Setting(Table("route", Ratio()))] = NO_NUMBERS
    """Further shares by route of the request that began the story here; of type and route the lower one counts."""

    always_events: Annotated[tuple[str, ...], Setting(EventTypes("event types"))] = ()
    """Types of events that are kept in every story, as is whatever did not succeed."""

    never_events: Annotated[tuple[str, ...], Setting(EventTypes("event types"))] = ()
    """Types of events that are left out in every story, whatever their outcome."""

    keep_errors: Annotated[bool, Setting(Boolean())] = True
    """Whether a request, job or command in which something failed is kept as a whole, whatever its story's id says."""

    keep_slow: Annotated[float | None, Setting(Seconds(0, 86_400))] = None
    """From how long on a request, job or command is kept as a whole; none is for its length if left out."""

    keep_slow_routes: Annotated[Mapping[str, float], Setting(Table("route", Seconds(0, 86_400)))] = NO_NUMBERS
    """The same by route, where it differs."""

    held_events: Annotated[int, Setting(Count(1, 10_000_000, "events"))] = 10_000
    """How many events may wait for the end of their request, job or command."""

    held_bytes: Annotated[int, Setting(Count(1 << 10, 1 << 40, "bytes"))] = 8 << 20
    """How large these may be together, roughly."""

    held_seconds: Annotated[float, Setting(Seconds(0.1, 86_400))] = 60.0
    """How long an event may wait; it is then left out as its story's id says."""

    rate_limits: Annotated[Mapping[str, Limit], Setting(Table("type", PerSecond()))] = NO_LIMITS
    """How many events of a type pass a second, by type; more are lost, and counted as lost."""

    sampling_events: Annotated[Literal["all", "follow_trace"], Setting(Choice(("all", "follow_trace")))] = "all"
    """Whether events are kept whatever becomes of their trace, or only with the span that they happen in."""

    sampling_agreement: Annotated[
        Literal["consistent", "ratio"],
        Setting(Choice(("consistent", "ratio")), {"OTEL_TRACES_SAMPLER": OldSampler()}),
    ] = "consistent"
    """With which samplers of spans stories agree: OpenTelemetry's consistent ones, or the older traceidratio."""

    def sampling_given(self) -> bool:
        """Return whether any event might be left out.

        >>> Sampling().sampling_given(), Sampling(never_events=("debug.*",)).sampling_given()
        (False, True)
        """
        return (
            self.sample_rate < 1
            or self.sampling_events != "all"
            or bool(self.sample_types or self.sample_routes or self.never_events or self.rate_limits)
        )


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

    flow_store: Annotated[str, Setting(StoreName())] = "memory"
    """Where the story is kept that a flow began in, for `resume_flow` to find it in other processes."""

    flow_days: Annotated[int, Setting(Count(1, 3650, "days"))] = 30
    """How long that is kept."""

    flow_wait: Annotated[float, Setting(Seconds(0, 10))] = 0.2
    """How long `resume_flow` may wait for the store; then it goes on without."""


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

    login_names: Annotated[Literal["masked", "none"], Setting(Choice(("masked", "none")))] = "masked"
    """What is told of the name that somebody typed in who could not log in: its first letter and domain, or nothing."""


class Web(Group):
    """Which requests are told, and what of them.

    >>> Web(request_parameters=("page", "filter*")).send_request_id
    False
    """

    excluded_paths: Annotated[tuple[str, ...], Setting(Words("globs of paths"))] = (
        "/health",
        "/healthz",
        "/health/live",
        "/health/ready",
        "/livez",
        "/readyz",
        "/startupz",
        "/ping",
        "/-/healthy",
        "/-/ready",
        "/__heartbeat__",
        "/__lbheartbeat__",
        "/metrics",
        "/static/*",
        "/assets/*",
        "/favicon.ico",
        "/robots.txt",
        "/apple-touch-icon*",
    )
    """Requests that give no event where they only read: health checks and static files."""

    excluded_agents: Annotated[tuple[str, ...], Setting(Words("globs of user agents"))] = (
        "*bot/*",
        "*bot;*",
        "*crawler*",
        "*spider*",
        "*slurp*",
        "kube-probe/*",
        "elb-healthchecker/*",
        "googlehc/*",
        "amazon-route53-health-check*",
        "*uptimerobot*",
        "*pingdom*",
        "*statuscake*",
        "prometheus/*",
        "consul health check*",
    )
    """The same by who asks, whatever the case of its letters: robots and probes."""

    excluded_urls: Annotated[
        tuple[str, ...],
        Setting(UrlPatterns("regular expressions"), {"OTEL_PYTHON_EXCLUDED_URLS": UrlPatterns("regular expressions")}),
    ] = ()
    """Further requests that give no event, whatever they do: expressions that are found anywhere in the whole URL."""

    trusted_proxies: Annotated[tuple[str, ...], Setting(Networks("networks"))] = ()
    """Proxies whose word is taken for where a request came from; the address that a connection has if left out."""

    request_parameters: Annotated[tuple[str, ...], Setting(Words("globs of names"))] = ()
    """Parameters of routes and queries that are told, after privacy; none if left out."""

    request_fields: Annotated[tuple[str, ...], Setting(Words("globs of names"))] = ()
    """Fields of bodies that are told where the application has read them, after privacy; none if left out."""

    graphql_variables: Annotated[tuple[str, ...], Setting(Words("globs of names"))] = ()
    """Variables of GraphQL operations that are told, after privacy; none if left out."""

    send_request_id: Annotated[bool, Setting(Boolean())] = False
    """Whether responses say in X-Request-ID what their request is called: as the client called it, or a new id."""


class Data(Group):
    """What events of changed rows tell, and of which models.

    >>> Data(changes="names").changes
    'names'
    """

    changes: Annotated[Changes, Setting(_CHANGES)] = "safe"
    """What a data event tells of changed fields: harmless values, all values, names only, or nothing."""

    data_changes: Annotated[Mapping[str, Changes], Setting(Table("model", _CHANGES))] = NO_WORDS
    """The same by model, where it differs: globs of models and tables, of which the most specific counts."""

    data_include: Annotated[tuple[str, ...], Setting(Words("globs of models and tables"))] = ()
    """Models and tables whose rows are told; all if left out."""

    data_exclude: Annotated[tuple[str, ...], Setting(Words("globs of models and tables"))] = (
        *("sessions.session", "contenttypes.contenttype", "admin.logentry", "migrations.migration"),
        *("django_session", "django_content_type", "django_admin_log", "django_migrations"),
        *("alembic_version", "ezlogs_*"),
    )
    """Models and tables whose rows are not told: sessions, migrations, logs. What a model's class says counts first."""

    max_rows_in_detail: Annotated[int, Setting(Count(0, 10_000, "rows"))] = 1000
    """How many rows of one transaction are told one by one; those after them are counted, by model and verb."""

    raw_statements: Annotated[bool, Setting(Boolean())] = False
    """Whether writes by SQL that is text in the application are told: verb, table and rows, never the statement."""

    soft_deletes: Annotated[tuple[str, ...], Setting(Words("names of fields"))] = ()
    """Fields that mark a row as deleted, such as deleted_at: setting one is told as a deletion."""

    fixtures: Annotated[bool, Setting(Boolean())] = False
    """Whether rows that Django loads from fixtures are told."""


class Jobs(Group):
    """What jobs know.

    >>> Jobs(propagate_actor=False).propagate_actor
    False
    """

    propagate_actor: Annotated[bool, Setting(Boolean())] = True
    """Whether a job knows, as type:id, who enqueued it."""

    job_arguments: Annotated[Changes, Setting(_CHANGES)] = "safe"
    """What is told of a job's arguments, after privacy: harmless values, all that are not large, names, or nothing."""

    job_results: Annotated[Changes, Setting(_CHANGES)] = "none"
    """The same of what a job returns; names stands for its type."""

    job_join_links: Annotated[bool, Setting(Boolean())] = False
    """Whether a Celery chord's body links to all spans of its header, stored with its results and asked for."""


class Exceptions(Group):
    """What is told of exceptions.

    >>> Exceptions(errors="logged").error_locals
    False
    """

    errors: Annotated[Literal["unhandled", "logged", "none"], Setting(Choice(("unhandled", "logged", "none")))] = (
        "unhandled"
    )
    """Which exceptions give an event: those that nobody handled; also those logged as errors; or none."""

    error_locals: Annotated[bool, Setting(Boolean())] = False
    """Whether these events tell the local variables of the application's innermost calls, after privacy."""


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

    excluded_commands: Annotated[tuple[str, ...], Setting(Words("names of commands, such as 'flask run'"))] = (
        *(f"manage.py {name}" for name in ("runserver*", "shell*", "dbshell", "test", "testserver")),
        *(f"manage.py {name}" for name in ("celery*", "qcluster", "rqworker*", "run_huey", "rundramatiq")),
        *("flask run", "flask shell", "fastapi dev", "fastapi run", "litestar run", "uvicorn", "granian"),
        *("celery worker", "celery beat", "celery events", "celery multi", "celery shell", "celery flower"),
        *("rq worker", "rq worker-pool", "arq", "streamlit run", "mkdocs serve"),
        *("* runserver", "* serve", "* shell", "* repl", "* worker", "* watch"),
    )
    """Commands that are not told and begin no story, word for word, `*` and `?` in words: servers, workers, shells."""
    http_client_events: Annotated[bool, Setting(Boolean())] = False
    """Whether requests to other services give events, one each."""

    http_client_routes: Annotated[tuple[str, ...], Setting(Routes("routes"))] = ()
    """Templates of addresses, by which these events tell what was asked for; the first that fits counts."""

    command_options: Annotated[tuple[str, ...], Setting(Words("names of options, such as 'dry-run'"))] = ()
    """Options of commands whose values are told; of all others only the name is."""


class Settings(Core, Delivery, Emission, Sampling, Correlation, Privacy, Web, Data, Jobs, Exceptions, Instrumentation):
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

OtlpSignal = Literal["traces", "logs"]

CONFIG_FILE: Final = "EZLOGS_CONFIG_FILE"
"""The variable that names the file of settings."""

TESTS_SEND: Final = "EZLOGS_TESTS_SEND"
"""The variable by which a run of unittest, or of Django's tests, asks for its events to be sent."""

# Kubernetes puts the address of a service called `ezlogs` or `ezlogs-collector` into the environment of pods.
_SERVICE_LINK = expression(
    r"EZLOGS_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)?)"
)


def setting_of(signal: OtlpSignal, name: str) -> str:
    """Return what a setting of exporters is called for a signal.

    >>> setting_of("traces", "timeout"), setting_of("logs", "timeout")
    ('timeout', 'logs_timeout')
    """
    return f"logs_{name}" if signal == "logs" else name


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
    return name.startswith(PREFIX) and name not in {CONFIG_FILE, TESTS_SEND} and not _SERVICE_LINK.fullmatch(name)
