"""Fixtures for every instrumentor: a tracer provider of the test's own, the spans that it made, databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.instrumentors.working import Working
from tests.servers import Address, Redis, Server, mariadb, postgresql, rabbitmq_server, redis_server

_SLOW = {"rabbitmq", "start_worker", "work"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests with workers more time, which a busy machine needs: RabbitMQ's also wait until it has started."""
    for item in items:
        if "rabbitmq" in item.nodeid or _SLOW.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
    """A tracer provider of this test's own, unless whoever wants a tracer names another."""
    provider = TracerProvider()

    def get_tracer(
        name: str,
        version: str | None = None,
        tracer_provider: trace.TracerProvider | None = None,
        schema_url: str | None = None,
    ) -> trace.Tracer:
        return (tracer_provider or provider).get_tracer(name, version, schema_url)

    monkeypatch.setattr(trace, "get_tracer", get_tracer)
    yield provider
    provider.shutdown()


@pytest.fixture
def spans(provider: TracerProvider) -> Callable[[], tuple[ReadableSpan, ...]]:
    """The spans that are finished."""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter.get_finished_spans


@pytest.fixture(autouse=True)
def _nothing_stays_switched_off() -> Iterator[None]:
    """Forget OpenTelemetry's instrumentors that a test took back: ezlogs opens no spans in their place from then on."""
    yield
    instrumentors = [BaseInstrumentor]
    for kind in instrumentors:  # which grows meanwhile
        instrumentors += kind.__subclasses__()
        made = kind.__dict__.get("_instance")
        if (
            made is not None
            and kind.__module__.startswith("opentelemetry.")
            and not made.is_instrumented_by_opentelemetry
        ):
            kind._instance = None


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """A PostgreSQL; the test is skipped where there is none."""
    with postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[Server]:
    """A MariaDB; the test is skipped where there is none."""
    with mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """A Redis; the test is skipped where there is none."""
    with redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[str]:
    """The URL of a RabbitMQ; the test is skipped where there is none."""
    with rabbitmq_server() as url:
        yield url


@pytest.fixture(params=["postgresql", "mariadb"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database server."""
    return str(request.param)


@pytest.fixture
def server(kind: str, request: pytest.FixtureRequest) -> Server:
    """The server of that kind."""
    found: Server = request.getfixturevalue(f"{kind}_server")
    return found


@pytest.fixture
def address(kind: str, request: pytest.FixtureRequest) -> Address:
    """A database in that server, as the tests of each ORM name it."""
    found: Address = request.getfixturevalue(f"{kind}_address")
    return found


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Callable[[list[str], Mapping[str, str]], Working]]:
    """Start worker processes of job systems, which end with the test."""
    workers: list[Working] = []

    def start(command: list[str], environ: Mapping[str, str]) -> Working:
        workers.append(Working(tmp_path, command, environ))
        return workers[-1]

    yield start
    for worker in workers:
        worker.stop()
