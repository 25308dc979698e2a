"""What the doctor says of instrumentors and HTTP clients, from what is installed and what is set."""

from __future__ import annotations

from importlib.metadata import EntryPoint, version

import pytest

from ezlogs.doctor.instrumentation import clients, foreign, own
from ezlogs.settings import load

from .conftest import Install

GROUP = "opentelemetry_instrumentor"
DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"


class Django:
    """Instruments what the tests have installed."""

    needs: tuple[str, ...] = ("django >= 1",)

    def instrumentation_dependencies(self) -> tuple[str, ...]:
        """Say what it needs."""
        return self.needs


class Smtplib(Django):
    """Needs nothing."""

    needs = ()


class Old(Django):
    """Needs a version that nobody has."""

    needs = ("django >= 1000",)


class Absent(Django):
    """Needs what is not installed."""

    needs = ("no-such-library >= 1",)


class Broken:
    """Has a bug."""

    def __init__(self) -> None:
        raise RuntimeError("bug")


def point(name: str, kind: str) -> EntryPoint:
    """An entry point of one of the classes above."""
    return EntryPoint(name, f"{__name__}:{kind}", GROUP)


ALL = [
    point("ezlogs_absent", "Absent"),
    EntryPoint("ezlogs_missing", "no_such_module:Instrumentor", GROUP),
    point("ezlogs_broken", "Broken"),
    point("ezlogs_old", "Old"),
    point("ezlogs_smtplib", "Smtplib"),
    point("ezlogs_django", "Django"),
    point("django", "Django"),
]


def told(environ: dict[str, str], points: list[EntryPoint] = ALL, overrides: dict[str, object] | None = None) -> list:
    """(verdict, text) of ezlogs' own instrumentors."""
    return [(finding.verdict, str(finding)) for finding in own(points, load(environ, overrides or {}), environ)]


def test_each_of_ours_is_active_or_says_why_not() -> None:
    """With the version that it found, or what it needs; what asks for attention comes before what does not."""
    django = version("django")
    assert told({}) == [
        ("problem", "ezlogs_broken: cannot be loaded: RuntimeError; the application runs without it"),
        ("fine", f"ezlogs_django: django {django}; rides on the spans of OpenTelemetry's own"),
        ("warning", f"ezlogs_old: needs django >= 1000, and found django {django}; it may not work"),
        ("fine", "ezlogs_smtplib: standard library"),
        ("note", "ezlogs_absent: no-such-library is not installed"),
        ("note", "ezlogs_missing: no_such_module is not installed"),
    ]


def test_without_opentelemetrys_own_there_is_no_word_of_it() -> None:
    """Neither where it is not installed nor where it is disabled."""
    expected = [("fine", f"ezlogs_django: django {version('django')}")]
    assert told({}, [point("ezlogs_django", "Django")]) == expected
    assert told({DISABLED: "django"}, ALL[-2:]) == expected


@pytest.mark.parametrize("disabled", ["ezlogs_django", "*"])
def test_what_the_environment_disables_is_said_to_be_disabled(disabled: str) -> None:
    """By name, or with everything."""
    assert told({DISABLED: disabled}, [point("ezlogs_django", "Django")]) == [
        ("note", f"ezlogs_django: disabled by {DISABLED}")
    ]


def test_what_the_setting_leaves_out_is_said_to_be_left_out() -> None:
    """With the place where the setting was given."""
    assert told({"EZLOGS_INSTRUMENT": "celery"}, [point("ezlogs_django", "Django")]) == [
        ("note", "ezlogs_django: left out by the setting instrument (EZLOGS_INSTRUMENT in the environment)")
    ]


def test_everybody_elses_are_told_together(install: Install) -> None:
    """But a conflict of versions is told by itself: OpenTelemetry passes such an instrumentor over."""
    marker = "extra == 'instruments'"
    points = [
        *ALL,
        *install("contrib-b", {"b": "m:B"}, requires=[f"django>=1; {marker}"]),
        *install("contrib-absent", {"absent": "m:A"}, requires=[f"no-such-library>=1; {marker}"]),
        *install("contrib-old", {"old": "m:O"}, requires=[f"django>=1000; {marker}"]),
        *install("contrib-any", {"any": "m:O"}, requires=["django>=1000; extra == 'instruments-any'"]),
        *install("contrib-off", {"off": "m:F"}),
    ]

    def others(environ: dict[str, str]) -> list[tuple[str, str]]:
        return [(finding.verdict, str(finding)) for finding in foreign(points, load(environ), environ)]

    django = version("django")
    conflict = f"and found django {django}; OpenTelemetry passes it over"
    told = others({DISABLED: "off"})
    assert [(verdict, text.replace("Django", "django")) for verdict, text in told] == [
        ("warning", f"any: needs django>=1000, {conflict}"),
        ("warning", f"old: needs django>=1000, {conflict}"),
        ("fine", "others: b, django under opentelemetry-instrument"),
        ("note", "others: library not installed: absent"),
        ("note", f"others: disabled by {DISABLED}: off"),
    ]
    assert ("fine", "others: b, django, off") in others({"EZLOGS_INSTRUMENT": "all"})
    assert [text for _, text in others({DISABLED: "*"})] == [
        f"others: disabled by {DISABLED}: absent, any, b, django, off, old"
    ]


def test_nobody_else_is_nothing_to_tell() -> None:
    """With only ezlogs installed the section says so by its absence."""
    assert list(foreign(ALL[:-1], load({}), {})) == []


def test_clients_are_hooked_by_an_instrumentor_that_is_active() -> None:
    """Known clients that are installed, by whether an entry point of ezlogs' names them."""
    points = [EntryPoint(f"ezlogs_{name}", "m:X", GROUP) for name in ("requests", "aiohttp_client", "urllib")]

    def sides(environ: dict[str, str]) -> dict[str, str]:
        return {finding.about: finding.text for finding in clients(points, load(environ), environ)}

    assert sides({})["hooked"] == "aiohttp, http.client, requests, urllib.request"
    assert sides({})["not hooked"].startswith("httpcore, httpx, urllib3: ")
    assert sides({DISABLED: "ezlogs_requests"})["hooked"] == "aiohttp, http.client, urllib.request"
    assert list(sides({"EZLOGS_INSTRUMENT": "none"})) == ["not hooked"]


def test_clients_that_are_all_hooked_leave_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then no list of others is shown."""
    monkeypatch.setattr("ezlogs.doctor.instrumentation.CLIENTS", {"requests": "requests", "no_such_client": "x"})
    points = [EntryPoint("ezlogs_requests", "m:X", GROUP)]
    assert [finding.about for finding in clients(points, load({}), {})] == ["hooked"]
