"""What holds for every client: near hosts are told the story, others nothing of it, redirect by redirect."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_http_instrumentation, suppress_instrumentation
from opentelemetry.propagate import get_global_textmap, set_global_textmap

from ezlogs.actor import actor
from ezlogs.correlation import Correlation, placed
from ezlogs.scope import Scope
from ezlogs.testing import Captured, capture
from ezlogs.trackers.http import HttpTracker, PlainArrival

from .conftest import FAR, MEMBER, NEAR, STORY, Client, Server, story

TOLD = f"{MEMBER},tenant=7"


def test_a_near_host_is_told_the_story(captured: Captured, instrumented: Client, server: Server) -> None:
    """Once, whoever injects it; and no event tells of the request."""
    with story():
        instrumented.get(server.url(NEAR), {"X-Mine": "1"})

    assert server.sent("baggage") == [TOLD]
    assert [value.split("-")[1] for value in server.sent("traceparent") if value] == [STORY]
    assert server.sent("x-mine") == ["1"]
    assert captured.events == []


def test_another_host_is_told_nothing(captured: Captured, instrumented: Client, server: Server) -> None:
    """Only what the application, or OpenTelemetry's instrumentor, sends of its own accord."""
    given = {"baggage": f"mine=1,{MEMBER}", "X-Mine": "1"}
    with story():
        instrumented.get(server.url(FAR), given)

    assert given == {"baggage": f"mine=1,{MEMBER}", "X-Mine": "1"}
    assert server.sent("x-mine") == ["1"]
    assert server.sent("baggage") in (["mine=1"], ["tenant=7"])  # OpenTelemetry's instrumentors replace it


def test_each_redirect_is_judged_by_itself(captured: Captured, instrumented: Client, server: Server) -> None:
    """On the way from a near host to another one and back nothing is lost and nothing told."""
    with story():
        instrumented.get(server.redirect(NEAR, FAR, "localhost"), None)

    near, far, back = server.sent("baggage")
    assert (near, back) == (TOLD, TOLD)
    assert far in (None, "tenant=7")


def test_named_hosts_are_told_as_much_as_the_settings_say(instrumented: Client, server: Server) -> None:
    """The story, or the story and who acts."""
    with capture(propagate_to=FAR, propagate_actor_to="b.example.com"), story(), actor("user", 7, "Ada"):
        instrumented.get(server.redirect(FAR, "b.example.com", "c.example.com"), None)

    named, told, other = server.sent("baggage")
    assert named == TOLD
    assert told == f"ezlogs.actor=user%3A7,{TOLD}"
    assert other in (None, "tenant=7")


def test_a_trace_context_and_baggage_of_the_applications_own_are_kept(
    captured: Captured, client: Client, server: Server
) -> None:
    """Whoever sets them knows why."""
    given = {"Traceparent": f"00-{'1' * 32}-{'2' * 16}-00", "Baggage": "mine=1"}
    with client.instrumented("alone"), story():
        client.get(server.url(NEAR), given)

    assert server.sent("traceparent") == [given["Traceparent"]]
    assert server.sent("baggage") == ["mine=1"]


def test_nothing_is_done_while_instrumentation_is_suppressed(
    captured: Captured, instrumented: Client, server: Server
) -> None:
    """ezlogs' own exporter and OpenTelemetry's send by these clients."""
    with story(), suppress_instrumentation():
        instrumented.get(server.url(NEAR), None)
        instrumented.get(server.url(FAR), {"Baggage": MEMBER})

    assert server.sent("baggage") == [None, MEMBER]


def test_nothing_is_put_in_while_instrumentation_of_http_is_suppressed(
    captured: Captured, client: Client, server: Server
) -> None:
    """But the story stays away from other hosts."""
    with client.instrumented("alone"), story(), suppress_http_instrumentation():
        client.get(server.url(NEAR), None)
        client.get(server.url(FAR), {"Baggage": f"{MEMBER},a=1"})

    assert server.sent("baggage") == [None, "a=1"]


def test_while_ezlogs_does_not_run_nothing_is_put_in_and_nothing_gets_out(client: Client, server: Server) -> None:
    """What arrived from elsewhere stays between near hosts."""
    with client.instrumented("alone"), story():
        client.get(server.url(NEAR), None)
        client.get(server.redirect(NEAR, FAR), {"Baggage": f"{MEMBER},a=1"})

    assert server.sent("baggage") == [None, f"a=1,{MEMBER}", "a=1"]


def test_signatures_stay_and_a_hook_below_another_one_falls_silent(
    captured: Captured, client: Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another tool's hook on top of ours is not taken away with it."""
    path = client.hooked[0]
    module, _, name = path.partition(":")
    owner = getattr(import_module(module), name.split(".")[0])
    attribute = name.split(".")[1]
    original = vars(owner)[attribute]
    instrumentor = client.instrumentor()
    instrumentor.instrument()
    ours = vars(owner)[attribute]
    assert inspect.signature(ours) == inspect.signature(original)
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(original)

    def other(*args: object, **kwargs: object) -> object:
        return ours(*args, **kwargs)

    monkeypatch.setattr(owner, attribute, other)
    instrumentor.uninstrument()
    assert vars(owner)[attribute] is other
    with story():
        client.get(server.url(NEAR), None)
    assert server.sent("baggage") == [None]
    monkeypatch.undo()
    setattr(owner, attribute, original)


def test_a_missing_library_is_passed_over(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``opentelemetry-instrument`` expects it; the standard library is always there."""
    instrumentor = client.instrumentor()
    needed = [requirement.split()[0] for requirement in instrumentor.instrumentation_dependencies()]
    assert needed == ([] if client.name == "urllib" else [client.name.partition("-")[0]])
    if needed:
        for module in ("hooks", "urllib3"):
            monkeypatch.setattr(f"ezlogs_instrumentors.{module}.find_spec", lambda name: None)
        with pytest.raises(ModuleNotFoundError, match=needed[0]):
            instrumentor.instrument()


def test_the_clients_own_errors_are_unchanged(captured: Captured, client: Client) -> None:
    """A host that refuses the connection is told of as ever."""
    with client.instrumented("alone"), story(), pytest.raises(Exception) as instrumented:  # noqa: PT011  # each has its own
        client.get("http://127.0.0.1:1/", None)
    with pytest.raises(type(instrumented.value)) as plain:
        client.get("http://127.0.0.1:1/", None)
    assert type(instrumented.value) is type(plain.value)


def test_behind_a_proxy_the_requests_own_host_counts(captured: Captured, instrumented: Client, server: Server) -> None:
    """A proxy on this machine does not make a far host near."""
    with story():
        instrumented.get(f"http://{FAR}/", None, proxy=server.url())
        instrumented.get(f"http://{NEAR}/", None, proxy=server.url())

    assert [path for path, _ in server.received] == [f"http://{FAR}/", f"http://{NEAR}/"]
    far, near = server.sent("baggage")
    assert far in (None, "tenant=7")
    assert near == TOLD


def test_a_proxy_that_makes_a_tunnel_is_told_nothing(captured: Captured, instrumented: Client, server: Server) -> None:
    """It only has to know where to."""
    with story(), pytest.raises(Exception):  # noqa: B017, PT011  # each client has its own
        instrumented.get(f"https://{NEAR}/", None, proxy=server.url())

    assert {path for path, _ in server.received} == {f"{NEAR}:443"}
    assert set(server.sent("baggage")) == set(server.sent("traceparent")) == {None}


def test_the_story_goes_on_in_the_service_that_is_asked(
    captured: Captured, instrumented: Client, server: Server
) -> None:
    """Its request belongs to the story of whoever asked, and is caused by the same event."""
    with Scope(placed(Correlation(correlation_id=STORY, parent_event_id="evt_1", flow_id="checkout:42"), Context())):
        instrumented.get(server.url(), None)

    ((_, headers),) = server.received
    received = {name.lower(): value for name, value in headers.items()}
    HttpTracker("example").begin(PlainArrival("GET", "/", received)).finish(200)
    there = captured.events[0].correlation
    assert (there.correlation_id, there.parent_event_id, there.flow_id) == (STORY, "evt_1", "checkout:42")


def test_a_propagator_that_fails_costs_the_story_and_not_the_request(
    client: Client, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once."""

    class Failing(W3CBaggagePropagator):
        def inject(self, *args: object, **kwargs: object) -> None:
            raise RuntimeError("bug")

    before = get_global_textmap()
    set_global_textmap(Failing())
    try:
        with client.instrumented("alone"), capture(strict=False), story():
            client.get(server.url(NEAR), {"X-Mine": "1"})
            client.get(server.url(NEAR), {"X-Mine": "2"})
    finally:
        set_global_textmap(before)

    assert server.sent("x-mine") == ["1", "2"]
    assert [entry.getMessage() for entry in caplog.records if entry.name == "ezlogs"] == [
        "ezlogs: ezlogs_instrumentors.clients.leaving failed: RuntimeError"
    ]
