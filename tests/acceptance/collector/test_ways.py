"""Events arrive at a real collector by every way that there is to one: once each, and whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ezlogs import UniversalEvent
from ezlogs.cli.story import story
from ezlogs.story import told

from .certificates import Authority
from .conftest import StartCollector, StartEmitter
from .processes import Collector, Emitter, by_id, wait_until

pytestmark = pytest.mark.timeout(60, func_only=True)  # before the first, the collector may have to be built

COUNT = 20
TOKEN = "let-me-in-4711"

protocols = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])


def delivers(service: Emitter, gateway: Collector) -> None:
    """Assert that all a gateway writes is what the service emits: each event once, and whole."""
    emitted = service.emit(COUNT)
    assert service.flush(), service.health()
    wait_until(lambda: len(gateway.written()) >= COUNT, "all was written")
    assert gateway.written() == by_id(emitted)
    assert service.health()["lost"] == {}


def keeps(service: Emitter, gateway: Collector, reason: str) -> list[UniversalEvent]:
    """Assert that what a service emits does not arrive, that it says why, and has it still; return it."""
    emitted = service.emit(COUNT)
    assert not service.flush(2)
    health = service.health()
    assert (health["pending"], health["lost"]) == (COUNT, {})
    wait_until(lambda: reason in service.health()["last_problem"], f"the reason is {reason}")
    assert "events are kept and sent again" in service.said()
    assert not gateway.written()
    return emitted


def delivers_for_others(service: Emitter, gateway: Collector, left: list[UniversalEvent]) -> None:
    """Assert that a service delivers what it emits, and before long what another one left on disk: each event once."""
    emitted = service.emit(COUNT)
    assert service.flush(), service.health()
    wait_until(lambda: len(gateway.written()) >= 2 * COUNT, "what was left came, too")
    assert gateway.written() == by_id([*left, *emitted])


@pytest.mark.parametrize("carrier", ["span", "log"])
@protocols
def test_events_arrive(collector: StartCollector, emitter: StartEmitter, protocol: str, carrier: str) -> None:
    """As span events and as log records, under the resource of their service."""
    gateway = collector("gateway", "gateway.yaml")
    delivers(emitter(gateway.endpoint(protocol), protocol=protocol, carrier=carrier), gateway)
    assert {one.service for one in told(gateway.received())} == {"shop"}


@protocols
def test_tls(
    collector: StartCollector, emitter: StartEmitter, authority: Authority, protocol: str, tmp_path: Path
) -> None:
    """Who believes the authority that signed for the gateway delivers; who believes another one keeps everything."""
    server = authority.sign("gateway")
    files = {"TLS_CERT_FILE": server.certificate, "TLS_KEY_FILE": server.key}
    gateway = collector("gateway", "gateway.yaml", "gateway-tls.yaml", **files)
    endpoint = gateway.endpoint(protocol, "https")
    (tmp_path / "another").mkdir()
    another = Authority(tmp_path / "another").file
    doubtful = emitter(endpoint, protocol=protocol, certificate=another)
    left = keeps(doubtful, gateway, "UNAVAILABLE" if protocol == "grpc" else "certificate verify failed")
    doubtful.end()
    delivers_for_others(emitter(endpoint, protocol=protocol, certificate=authority.file), gateway, left)


@protocols
def test_mutual_tls(collector: StartCollector, emitter: StartEmitter, authority: Authority, protocol: str) -> None:
    """Without a certificate of its own a service delivers nothing, and keeps it for the one that has got one."""
    server, client = authority.sign("gateway"), authority.sign("shop")
    gateway = collector(
        "gateway",
        *("gateway.yaml", "gateway-tls.yaml", "gateway-mtls.yaml"),
        TLS_CERT_FILE=server.certificate,
        TLS_KEY_FILE=server.key,
        TLS_CLIENT_CA_FILE=authority.file,
    )
    endpoint = gateway.endpoint(protocol, "https")
    unknown = emitter(endpoint, protocol=protocol, certificate=authority.file)
    left = keeps(unknown, gateway, "UNAVAILABLE" if protocol == "grpc" else "certificate required")
    unknown.end()
    known = {"client_certificate": client.certificate, "client_key": client.key}
    delivers_for_others(emitter(endpoint, protocol=protocol, certificate=authority.file, **known), gateway, left)


@protocols
def test_a_token(collector: StartCollector, emitter: StartEmitter, protocol: str) -> None:
    """With the right one all is delivered; what comes with a wrong one is refused, which is told and counted."""
    gateway = collector("gateway", "gateway.yaml", "gateway-token.yaml", BEARER_TOKEN=TOKEN)
    endpoint = gateway.endpoint(protocol)
    delivers(emitter(endpoint, protocol=protocol, headers={"authorization": f"Bearer {TOKEN}"}), gateway)
    written = gateway.written()
    stranger = emitter(endpoint, protocol=protocol, headers={"authorization": "Bearer of bad news"})
    stranger.emit(COUNT)
    stranger.flush()
    health = stranger.health()
    assert health["lost"] == {"rejected": COUNT}
    reason = "UNAUTHENTICATED" if protocol == "grpc" else "401 Unauthorized"
    assert reason in health["last_problem"]
    assert reason in stranger.said()
    assert "bad news" not in stranger.said()
    assert gateway.written() == written


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_compressed_over_http(collector: StartCollector, emitter: StartEmitter, compression: str) -> None:
    """By a gateway that takes nothing else, as what is sent without compression shows."""
    only = f"receivers.otlp.protocols.http.compression_algorithms=[{compression}]"
    gateway = collector("gateway", "gateway.yaml", options=["--set", only])
    delivers(emitter(gateway.endpoint("http/protobuf"), compression=compression), gateway)
    plain = emitter(gateway.endpoint("http/protobuf"), compression="none")
    plain.emit(1)
    plain.flush()
    assert plain.health()["lost"] == {"rejected": 1}


def test_compressed_over_grpc(collector: StartCollector, emitter: StartEmitter) -> None:
    """With gzip, which is all that there is."""
    gateway = collector("gateway", "gateway.yaml")
    delivers(emitter(gateway.endpoint("grpc"), protocol="grpc", compression="gzip"), gateway)


@pytest.mark.parametrize("carrier", ["span", "log"])
@protocols
def test_by_an_agent(collector: StartCollector, emitter: StartEmitter, protocol: str, carrier: str) -> None:
    """From the service to an agent, from there to a gateway, and into the file."""
    gateway = collector("gateway", "gateway.yaml")
    agent = collector("agent", "agent.yaml", GATEWAY_ENDPOINT=gateway.address("grpc"))
    delivers(emitter(agent.endpoint(protocol), protocol=protocol, carrier=carrier), gateway)


def test_by_an_agent_over_a_network(collector: StartCollector, emitter: StartEmitter, authority: Authority) -> None:
    """The gateway asks the agent for a certificate and a token, and the service beside the agent for neither."""
    server, client = authority.sign("gateway"), authority.sign("agent")
    gateway = collector(
        "gateway",
        *("gateway.yaml", "gateway-tls.yaml", "gateway-mtls.yaml", "gateway-token.yaml"),
        TLS_CERT_FILE=server.certificate,
        TLS_KEY_FILE=server.key,
        TLS_CLIENT_CA_FILE=authority.file,
        BEARER_TOKEN=TOKEN,
    )
    agent = collector(
        "agent",
        *("agent.yaml", "agent-secure.yaml"),
        GATEWAY_ENDPOINT=gateway.address("grpc"),
        TLS_CA_FILE=authority.file,
        TLS_CERT_FILE=client.certificate,
        TLS_KEY_FILE=client.key,
        BEARER_TOKEN=TOKEN,
    )
    delivers(emitter(agent.endpoint("http/protobuf")), gateway)


def test_ezlogs_tells_what_the_collector_wrote(collector: StartCollector, emitter: StartEmitter) -> None:
    """`ezlogs story` reads the gateway's file as it is."""
    gateway = collector("gateway", "gateway.yaml")
    delivers(emitter(gateway.endpoint("http/protobuf")), gateway)
    found = CliRunner().invoke(story, ["--json", str(gateway.output)])
    assert found.exit_code == 0, found.output
    assert sum(len(one["events"]) for one in json.loads(found.stdout)) == COUNT
