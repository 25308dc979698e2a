"""Nothing is lost while parts of the way to the file are killed, restarted, or refuse to take more."""

from __future__ import annotations

import pytest

from ezlogs import UniversalEvent

from .conftest import StartCollector, StartEmitter
from .processes import Collector, by_id, wait_until

pytestmark = pytest.mark.timeout(120, func_only=True)  # before the first, the collector may have to be built

COUNT = 20

protocols = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])


def all_written(gateway: Collector, emitted: list[UniversalEvent]) -> None:
    """Wait until all events are in the file, and assert that none is there that was never emitted."""
    ids = {event.event_id for event in emitted}
    wait_until(lambda: {event.event_id for event in gateway.written()} >= ids, "all was written")
    written = {event.event_id: event for event in gateway.written()}
    assert list(written.values()) == by_id(emitted)


@pytest.mark.parametrize("ended", ["kill", "stop"])
@protocols
def test_the_collector_restarts(collector: StartCollector, emitter: StartEmitter, protocol: str, ended: str) -> None:
    """Twice in the middle, be it killed or ended in order, while the service goes on to emit."""
    gateway = collector("gateway", "gateway.yaml")
    service = emitter(gateway.endpoint(protocol), protocol=protocol, flush_interval=0.05)
    service.start()
    for _ in range(2):
        wait_until(gateway.written, "something was written")
        service.emit_more()
        getattr(gateway, ended)()
        service.emit_more()
        gateway.start()
    service.emit_more()
    emitted = service.stop()
    assert service.flush(), service.health()
    all_written(gateway, emitted)
    assert service.health()["lost"] == {}


def test_the_gateway_behind_an_agent_is_killed(collector: StartCollector, emitter: StartEmitter) -> None:
    """The agent has what the gateway has not written, and the service does not notice."""
    gateway = collector("gateway", "gateway.yaml")
    agent = collector("agent", "agent.yaml", GATEWAY_ENDPOINT=gateway.address("grpc"))
    service = emitter(agent.endpoint("http/protobuf"), flush_interval=0.05)
    service.start()
    wait_until(gateway.written, "something was written")
    gateway.kill()
    service.emit_more(200)
    gateway.start()
    service.emit_more()
    emitted = service.stop()
    assert service.flush(), service.health()
    assert service.health()["last_problem"] is None
    all_written(gateway, emitted)


@protocols
def test_the_agent_is_killed(collector: StartCollector, emitter: StartEmitter, protocol: str) -> None:
    """While the gateway is away, too: what the agent took is on its disk, what it did not is with the service."""
    gateway = collector("gateway", "gateway.yaml")
    agent = collector("agent", "agent.yaml", GATEWAY_ENDPOINT=gateway.address("grpc"))
    service = emitter(agent.endpoint(protocol), protocol=protocol, flush_interval=0.05)
    service.start()
    wait_until(gateway.written, "something was written")
    gateway.kill()
    service.emit_more(200)
    agent.kill()
    service.emit_more()
    gateway.start()
    agent.start()
    service.emit_more()
    emitted = service.stop()
    assert service.flush(), service.health()
    all_written(gateway, emitted)


@protocols
def test_a_collector_that_has_no_memory_left(collector: StartCollector, emitter: StartEmitter, protocol: str) -> None:
    """It refuses what it is sent; the service keeps it, says why, and delivers it when there is memory again."""
    gateway = collector("gateway", "gateway.yaml", MEMORY_LIMIT_MIB="1")
    wait_until(lambda: gateway.said("Refusing data."), "the limiter has found out")
    service = emitter(gateway.endpoint(protocol), protocol=protocol)
    emitted = service.emit(COUNT)
    assert not service.flush(2)
    health = service.health()
    assert (health["pending"], health["lost"]) == (COUNT, {})
    assert "data refused due to high memory usage" in health["last_problem"]
    assert "data refused due to high memory usage" in service.said()
    assert not gateway.written()
    gateway.stop()
    gateway.start(MEMORY_LIMIT_MIB="400")
    emitted += service.emit(COUNT)
    assert service.flush(), service.health()
    assert gateway.written() == by_id(emitted)


def test_a_gateway_behind_an_agent_that_has_no_memory_left(collector: StartCollector, emitter: StartEmitter) -> None:
    """The agent keeps what it refuses."""
    gateway = collector("gateway", "gateway.yaml", MEMORY_LIMIT_MIB="1")
    agent = collector("agent", "agent.yaml", GATEWAY_ENDPOINT=gateway.address("grpc"))
    wait_until(lambda: gateway.said("Refusing data."), "the limiter has found out")
    service = emitter(agent.endpoint("grpc"), protocol="grpc")
    emitted = service.emit(COUNT)
    assert service.flush(), service.health()
    wait_until(lambda: agent.said("data refused due to high memory usage"), "the gateway has refused")
    assert not gateway.written()
    gateway.stop()
    gateway.start(MEMORY_LIMIT_MIB="400")
    wait_until(gateway.written, "the agent has tried again")
    assert gateway.written() == by_id(emitted)


@protocols
def test_the_service_is_killed_while_the_collector_is_away(
    collector: StartCollector, emitter: StartEmitter, protocol: str
) -> None:
    """The next process of the service delivers what each of those before it emitted, once."""
    gateway = collector("gateway", "gateway.yaml", running=False)
    emitted: list[UniversalEvent] = []
    for _ in range(3):
        killed = emitter(gateway.endpoint(protocol), protocol=protocol)
        emitted += killed.emit(COUNT)
        killed.kill()
    gateway.start()
    service = emitter(gateway.endpoint(protocol), protocol=protocol)
    emitted += service.emit(1)
    assert service.flush(), service.health()
    wait_until(lambda: len(gateway.written()) >= len(emitted), "what was left came, too")
    assert gateway.written() == by_id(emitted)
    wait_until(lambda: service.health().get("adopted") == 3 * COUNT, "it counts what it delivered for others")


@protocols
def test_an_agent_whose_queue_is_full(collector: StartCollector, emitter: StartEmitter, protocol: str) -> None:
    """It refuses more while the gateway is away; the service keeps that, and delivers it when there is room again."""
    gateway = collector("gateway", "gateway.yaml", running=False)
    queue = "exporters.otlp_grpc.sending_queue"
    smaller = ["--set", f"{queue}.queue_size={COUNT}", "--set", f"{queue}.batch.min_size=1"]
    smaller += ["--set", f"{queue}.batch.max_size={COUNT}", "--set", f"{queue}.num_consumers=1"]
    agent = collector("agent", "agent.yaml", options=smaller, GATEWAY_ENDPOINT=gateway.address("grpc"))
    service = emitter(agent.endpoint(protocol), protocol=protocol, carrier="log")  # one record an event
    emitted: list[UniversalEvent] = []
    while not service.health()["pending"]:
        emitted += service.emit(COUNT)
        service.flush(1)
    assert "sending queue is full" in service.health()["logs"]["last_problem"]
    gateway.start()
    assert service.flush(), service.health()
    all_written(gateway, emitted)
    assert service.health()["lost"] == {}
