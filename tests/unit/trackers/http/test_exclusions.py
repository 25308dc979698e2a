"""Requests that give no event: by path, by agent, by the URL."""

from __future__ import annotations

import pytest

from ezlogs.settings import Settings
from ezlogs.trackers.http import PlainArrival
from ezlogs.trackers.http.exclusions import Exclusions

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def excluded(
    method: str = "GET", path: str = "/orders", agent: str = CHROME, query: str = "", **settings: object
) -> bool:
    """Tell whether a request is excluded."""
    arrival = PlainArrival(method, path, {"user-agent": agent, "host": "shop.example.com"}, query=query)
    return Exclusions(Settings(**settings), "flask").exclude(arrival)  # type: ignore[arg-type]  # some of them


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/healthz", True),
        ("/healthz/", True),
        ("/health/ready", True),
        ("/metrics", True),
        ("/static/app.css", True),
        ("/favicon.ico", True),
        ("/", False),
        ("/orders", False),
        ("/healthcare/orders", False),
        ("/health/records", False),
        ("/api/healthz", False),
        ("/statically", False),
    ],
)
def test_health_checks_and_static_files_are_nobodys_question(path: str, expected: bool) -> None:
    """By default, and only these."""
    assert excluded(path=path) is expected


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (GOOGLE, True),
        ("kube-probe/1.29", True),
        ("ELB-HealthChecker/2.0", True),
        ("Prometheus/2.48.0", True),
        (CHROME, False),
        ("curl/8.5.0", False),
        ("python-requests/2.31", False),
        ("", False),
        ("CUBOT NOTE 20", False),
    ],
)
def test_robots_and_probes_are_too(agent: str, expected: bool) -> None:
    """Whatever the case of their letters; programs that people write are none."""
    assert excluded(agent=agent) is expected


def test_nobody_hides_what_he_does_behind_a_name() -> None:
    """Only what reads is excluded by path or agent."""
    assert excluded("GET", agent=GOOGLE)
    assert not excluded("POST", agent=GOOGLE)
    assert not excluded("DELETE", "/static/app.css")


def test_the_lists_are_settings() -> None:
    """They replace the default ones; empty ones exclude nothing."""
    assert excluded(path="/internal/x", excluded_paths=("/internal/*",))
    assert not excluded(path="/healthz", excluded_paths=("/internal/*",))
    assert not excluded(path="/healthz", excluded_paths=())
    assert excluded(agent="Nagios", excluded_agents=("NAGIOS",))
    assert not excluded(agent=GOOGLE, excluded_agents=())


def test_expressions_are_searched_for_in_the_whole_url() -> None:
    """As OpenTelemetry's instrumentations do, for whatever method."""
    assert excluded("POST", "/orders", query="probe=1", excluded_urls=(r"probe=\d", "nothing"))
    assert excluded("POST", excluded_urls=("shop.example.com/orders$",))
    assert not excluded("POST", excluded_urls=("^/orders",))


def test_the_frameworks_own_variable_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no expression in it is left to the framework's instrumentation to complain about."""
    monkeypatch.setenv("OTEL_PYTHON_FLASK_EXCLUDED_URLS", " /inter.al , ( ,,^http://shop")
    monkeypatch.setenv("OTEL_PYTHON_DJANGO_EXCLUDED_URLS", "/orders")
    assert excluded("POST", "/internal")
    assert excluded("POST", "/orders")  # by its host
    monkeypatch.setenv("OTEL_PYTHON_FLASK_EXCLUDED_URLS", "/internal")
    assert not excluded("POST", "/orders")
