"""Requests to other services: what is told of each, and what never is."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context

from ezlogs.correlation import Correlation, placed
from ezlogs.event import UniversalEvent
from ezlogs.scope import Scope
from ezlogs.settings import load
from ezlogs.testing import Captured, capture
from ezlogs.trackers.http_client import (
    MAX_KNOWN,
    MAX_PATH,
    UNKNOWN_HOST,
    Call,
    Sending,
    current_call,
    host_name,
    is_excluded,
    reason_of,
    route_of,
    sending,
)


def ask(
    url: str = "/", host: str = "api.example.com", *, method: str = "GET", scheme: str = "https", **known: Any
) -> Sending:
    """Begin a request that is to be told."""
    begun = sending("requests", method, scheme, host, known.pop("port", None), target=url, **known)
    assert begun is not None
    return begun


def told(captured: Captured, answer: Callable[[Sending], object], *args: Any, **known: Any) -> UniversalEvent:
    """Return the event of a request that was answered so."""
    answer(ask(*args, **known))
    return captured.events[-1]


class TestTheEvent:
    """What is told of a request."""

    def test_it_names_method_and_host_and_never_a_path(self, captured: Captured) -> None:
        """Nor a query, nor who signs in."""
        event = told(
            captured, lambda sent: sent.answered(201), "/v1/charges/ch_9?key=hunter2#x", "u:pw@api.example.com"
        )
        assert event.action == "GET api.example.com"
        assert (event.subject.type, event.subject.id) == ("service", "api.example.com")
        assert dict(event.metadata) == {
            "method": "GET",
            "host": "api.example.com",
            "port": 443,
            "attempt": 1,
            "status": 201,
        }
        for secret in ("charges", "ch_9", "hunter2", "u:pw"):
            captured.assert_absent(secret)

    @pytest.mark.parametrize(
        ("scheme", "port", "where"),
        [
            ("http", 80, "api.example.com"),
            ("HTTPS", 443, "api.example.com"),
            ("http", None, "api.example.com"),
            ("http", 443, "api.example.com:443"),
            ("https", 8443, "api.example.com:8443"),
            ("gopher", None, "api.example.com"),
        ],
    )
    def test_a_port_is_named_unless_it_is_the_usual_one(
        self, captured: Captured, scheme: str, port: int | None, where: str
    ) -> None:
        """Of the scheme."""
        assert told(captured, lambda sent: sent.answered(200), scheme=scheme, port=port).action == f"GET {where}"

    def test_an_address_keeps_its_brackets_in_the_action(self, captured: Captured) -> None:
        """And only there."""
        event = told(captured, lambda sent: sent.answered(200), host="::1", port=8080)
        assert (event.action, event.metadata["host"], event.subject.id) == ("GET [::1]:8080", "::1", "::1")

    def test_a_method_that_nobody_knows_is_not_told(self, captured: Captured) -> None:
        """It may hold anything."""
        assert told(captured, lambda sent: sent.answered(200), method="hunter2").action == "_OTHER api.example.com"
        assert told(captured, lambda sent: sent.answered(200), method="post").action == "POST api.example.com"

    @pytest.mark.parametrize(
        ("status", "outcome"),
        [(100, "success"), (204, "success"), (304, "success"), (399, "success")]
        + [(status, "failure") for status in (400, 404, 499, 500, 599)],
    )
    def test_its_outcome_is_that_of_the_status(self, captured: Captured, status: int, outcome: str) -> None:
        """From 400 on it failed."""
        assert told(captured, lambda sent: sent.answered(status)).outcome == outcome

    def test_sizes_are_told_where_they_are_known(self, captured: Captured) -> None:
        """By whole numbers alone."""
        event = told(captured, lambda sent: sent.answered(200, length=b" 17 "), length=5)
        assert (event.metadata["request_bytes"], event.metadata["response_bytes"]) == (5, 17)
        for wrong in (None, "", "-1", "1.5", "9" * 16, "\u0661", object(), b"\xff"):
            event = told(captured, lambda sent, length=wrong: sent.answered(200, length=length), length=wrong)
            assert not {"request_bytes", "response_bytes"} & set(event.metadata)

    def test_it_is_told_once(self, captured: Captured) -> None:
        """By whoever comes first."""
        request = ask()
        assert request.answered(200) is not None
        assert request.failed(ValueError()) is None
        assert len(captured.events) == 1

    def test_it_is_caused_by_what_it_is_sent_in(self, captured: Captured) -> None:
        """Not by another request."""
        with Scope(placed(Correlation(correlation_id="story-1", parent_event_id="evt_1"), Context())), Call("httpx"):
            ask().answered(302, location="/b")
            ask("/b").answered(200)
        assert [event.correlation.parent_event_id for event in captured.events] == ["evt_1", "evt_1"]


class TestErrors:
    """Requests to which no answer came."""

    def test_an_error_is_told_by_its_type(self, captured: Captured) -> None:
        """Its words may hold the address."""
        event = told(captured, lambda sent: sent.failed(ConnectionResetError("https://u:hunter2@h/p")))
        assert (event.outcome, event.error.type, event.error.message) == ("failure", "ConnectionResetError", None)
        assert event.metadata["reason"] == "connection"
        captured.assert_absent("hunter2")

    @pytest.mark.parametrize(
        "error", [asyncio.CancelledError(), GeneratorExit(), KeyboardInterrupt(), SystemExit(None)]
    )
    def test_what_comes_from_outside_is_no_failure(self, captured: Captured, error: BaseException) -> None:
        """Nobody knows how far the other side came."""
        event = told(captured, lambda sent: sent.failed(error))
        cancelled = isinstance(error, (asyncio.CancelledError, GeneratorExit))
        assert event.metadata["reason"] == ("cancelled" if cancelled else "interrupted")
        assert event.outcome == ("success" if isinstance(error, SystemExit) else "unknown")

    def test_reasons_are_those_of_the_closest_class(self) -> None:
        """However a client derives them from one another."""
        for base, name, reason in (
            (Exception, "ConnectTimeout", "timeout"),
            (type("ConnectTimeoutError", (Exception,), {}), "NewConnectionError", "connection"),
            (type("NewConnectionError", (Exception,), {}), "NameResolutionError", "dns"),
            (ConnectionError, "ClientConnectorDNSError", "dns"),
            (OSError, "ClientConnectorCertificateError", "tls"),
            (Exception, "RemoteProtocolError", "connection"),
            (OSError, "Odd", "connection"),
            (Exception, "Odd", None),
        ):
            assert reason_of(type(name, (base,), {})()) == reason
        assert reason_of(ssl.SSLCertVerificationError()) == "tls"


class TestHosts:
    """Which host is told."""

    @pytest.mark.parametrize(
        ("host", "name"),
        [
            ("\u00fcber.example", "xn--ber-goa.example"),
            ("192.0.2.7", "192.0.2.7"),
            ("[2001:DB8::0:1]", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("my_service", "my_service"),
            ("a..b", UNKNOWN_HOST),
            ("\u00fc" * 64, UNKNOWN_HOST),
            ("x\r\nInjected: 1", UNKNOWN_HOST),
            ("a" * 10_000_000, UNKNOWN_HOST),
            (".".join(["a" * 63] * 4), UNKNOWN_HOST),
        ],
        ids=lambda value: value[:20].encode("unicode_escape").decode(),
    )
    def test_it_is_told_in_one_form(self, host: str, name: str) -> None:
        """And what is no host not at all."""
        assert host_name(host) == name

    @given(st.text(max_size=1100))
    def test_it_is_bounded_and_plain_whatever_is_given(self, host: str) -> None:
        """Nothing raises."""
        name = host_name(host)
        assert 0 < len(name) <= 253
        assert name.isascii()
        assert name.isprintable()
        assert not set(name) & set(" /?#@\\")


class TestRoutes:
    """Templates that the settings hold."""

    @pytest.mark.parametrize(
        ("target", "route"),
        [
            ("/v1/charges/ch_1", "/v1/charges/{id}"),
            ("/v1/charges/ch_1?expand=a/b", "/v1/charges/{id}"),
            ("/v1/charges/ch_1#x", "/v1/charges/{id}"),
            ("/v1/charges/", None),
            ("/v1/charges/a/b", None),
            ("/v1/chargesXch_1", None),
            ("/", "/"),
            ("", "/"),
            ("/v2.0/all", "/v2.0/all"),
            ("/v2x0/all", None),
            ("/v1/charges/" + "a" * MAX_PATH, None),
        ],
    )
    def test_one_fits_a_whole_path(self, target: str, route: str | None) -> None:
        """A parameter is one segment, which is not empty; all else is as it is written."""
        routes = ("a.example/v1/charges/{id}", "a.example/", "a.example/v2.0/all")
        assert route_of(routes, "a.example", 443, target) == route

    def test_hosts_and_ports_count(self) -> None:
        """As in the settings of hosts; the first that fits wins."""
        routes = ("a.example:8443/x", "*.example/{first}", "*.example/{second}", "[::1]:80/x", "::1/y")
        assert route_of(routes, "a.example", 8443, "/x") == "/x"
        assert route_of(routes, "a.example", 443, "/x") == "/{first}"
        assert route_of(routes, "b.example.com", 443, "/x") is None
        assert route_of(routes, "::1", 80, "/x") == "/x"
        assert route_of(routes, "::1", 81, "/x") is None

    def test_it_is_told_in_place_of_the_path(self) -> None:
        """In the action, by which events are counted."""
        with capture(http_client_routes=("api.example.com/orders/{id}",)) as captured:
            event = told(captured, lambda sent: sent.answered(200), "/orders/hunter2", method="PUT", port=8443)
        assert (event.action, event.metadata["route"]) == ("PUT api.example.com:8443/orders/{id}", "/orders/{id}")
        captured.assert_absent("hunter2")

    @pytest.mark.parametrize(
        "route",
        [
            "api.example.com",
            "https://api.example.com/x",
            "/x",
            "api.example.com/x?y=1",
            "api.example.com/{a}{b}",
            "api.example.com/x{a}",
            "a b/x",
            "api.example.com:x/y",
            "[::1/x",
        ],
    )
    def test_what_is_none_is_refused(self, route: str) -> None:
        """With an example of one."""
        loaded = load({"EZLOGS_HTTP_CLIENT_ROUTES": route})
        assert loaded.settings.http_client_routes == ()
        assert "api.example.com" in str(loaded.problems[0])

    def test_what_is_one_is_taken(self) -> None:
        """Hosts in lower case, addresses in brackets."""
        given = "API.example.com/Orders/{id}, [FD12::7]:8443/x, *.shop.example/, .shop.example:80/a/"
        loaded = load({"EZLOGS_HTTP_CLIENT_ROUTES": given})
        assert not loaded.problems
        assert loaded.settings.http_client_routes == (
            "api.example.com/Orders/{id}",
            "[fd12::7]:8443/x",
            "*.shop.example/",
            ".shop.example:80/a/",
        )


class TestCalls:
    """What a client makes of one call."""

    def test_the_same_request_again_is_another_attempt(self, captured: Captured) -> None:
        """Another one is not, and a call after that begins anew."""
        with Call("httpx"):
            for path in ("/a", "/b", "/a", "/a"):
                ask(path).answered(503)
        with Call("httpx"):
            ask("/a").answered(200)
        assert [event.metadata["attempt"] for event in captured.events] == [1, 1, 2, 3, 1]

    def test_what_the_client_says_counts(self, captured: Captured) -> None:
        """More than what is counted."""
        with Call("requests", redirects=2):
            event = told(captured, lambda sent: sent.answered(200), attempt=4, redirects=1)
        assert (event.metadata["attempt"], event.metadata["redirects"]) == (4, 3)

    @pytest.mark.parametrize("location", ["/b", "//api.example.com/b", "https://API.example.com:8443/b", "b"])
    def test_a_redirect_is_followed(self, captured: Captured, location: str) -> None:
        """By a request to the host that it names."""
        with Call("httpx"):
            ask("/a").answered(307, location=location)
            ask("/b").answered(200)
        assert captured.events[1].metadata["redirects"] == 1

    @pytest.mark.parametrize(
        ("status", "location"), [(200, "/b"), (304, "/b"), (302, None), (302, "https://other.example/"), (302, "//[")]
    )
    def test_what_does_not_follow_a_redirect_is_none(
        self, captured: Captured, status: int, location: str | None
    ) -> None:
        """Such as what a client asks elsewhere meanwhile."""
        with Call("httpx"):
            ask("/a").answered(status, location=location)
            ask("/b").answered(200)
        assert "redirects" not in captured.events[1].metadata

    def test_the_outermost_call_counts(self) -> None:
        """What is built on what."""
        with Call("requests") as outer, Call("urllib3") as inner:
            assert inner is outer is current_call()
        assert current_call() is None

    def test_it_may_end_in_another_context_than_it_began_in(self) -> None:
        """As a coroutine does that is closed by garbage collection."""
        call = Call("httpx")
        copy_context().run(call.__enter__)
        call.__exit__(None, None, None)
        assert current_call() is None

    def test_a_thread_is_in_no_call_of_another_one(self) -> None:
        """Unless its context is handed on."""
        found: list[Call | None] = []
        with Call("requests"):
            thread = threading.Thread(target=lambda: found.append(current_call()))
            thread.start()
            thread.join()
        assert found == [None]

    def test_endless_calls_hold_no_endless_memory(self, captured: Captured) -> None:
        """A call of many requests counts the attempts of the first ones."""
        with Call("httpx") as call:
            for number in range(10 * MAX_KNOWN):
                ask(f"/{number}")
            assert len(call._attempts) == MAX_KNOWN
            ask("/0").answered(200)
            ask(f"/{5 * MAX_KNOWN}").answered(200)
        assert [event.metadata["attempt"] for event in captured.events] == [2, 1]


class TestExclusions:
    """Addresses that OpenTelemetry's variables exclude."""

    def test_a_clients_own_come_before_those_of_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also where they exclude nothing."""
        url = "https://api.example.com/health?x=1"
        assert not is_excluded("httpx", url)
        monkeypatch.setenv("OTEL_PYTHON_EXCLUDED_URLS", "nothing, x=1$")
        assert is_excluded("httpx", url)
        monkeypatch.setenv("OTEL_PYTHON_HTTPX_EXCLUDED_URLS", "")
        assert not is_excluded("httpx", url)
        assert is_excluded("aiohttp_client", url)
        monkeypatch.setenv("OTEL_PYTHON_AIOHTTP_CLIENT_EXCLUDED_URLS", "https://api.example.com/login")
        assert not is_excluded("aiohttp_client", url)

    def test_the_client_that_was_called_counts(self, captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not the one that it is built on."""
        monkeypatch.setenv("OTEL_PYTHON_REQUESTS_EXCLUDED_URLS", "api.example.com/a")
        with Call("requests"):
            assert sending("urllib3", "GET", "https", "u:p@api.example.com", 443, target="/a") is None
        assert sending("urllib3", "GET", "https", "api.example.com", 443, target="/a") is not None

    def test_a_wrong_expression_is_ignored_and_said_once(
        self, captured: Captured, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The others hold."""
        monkeypatch.setenv("OTEL_PYTHON_EXCLUDED_URLS", "(oops, /health")
        assert is_excluded("httpx", "https://a/health")
        assert not is_excluded("httpx", "https://a/b")
        assert [record.getMessage() for record in caplog.records] == [
            "ezlogs: an expression among the excluded URLs is no regular expression, and is ignored"
        ]


def test_while_ezlogs_does_not_run_a_wrong_expression_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nobody to say it."""
    monkeypatch.setenv("OTEL_PYTHON_EXCLUDED_URLS", "(again, /health")
    assert is_excluded("httpx", "https://a/health")


def test_without_anybody_listening_nothing_is_begun() -> None:
    """Nor with the type disabled."""
    assert sending("requests", "GET", "https", "api.example.com", None, target="/") is None
    with capture(disabled_events="http.client"):
        assert sending("requests", "GET", "https", "api.example.com", None, target="/") is None
