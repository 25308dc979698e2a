"""The distro and the configurator stand back for another vendor's, and survive its failures."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
from opentelemetry.instrumentation.distro import BaseDistro

from ezlogs import otel_compat
from ezlogs.launch import configurator, distro, post, start
from ezlogs.launch.configurator import EzlogsConfigurator
from ezlogs.launch.distro import EzlogsDistro

calls: list[str] = []


class OtherDistro(BaseDistro):
    """Another vendor's."""

    def _configure(self, **kwargs: object) -> None:
        calls.append("distro")

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: object) -> None:
        """Note it."""
        calls.append(f"instrumentor {entry_point.name}")


class OtherConfigurator:
    """Another vendor's."""

    def configure(self, **kwargs: object) -> None:
        """Note it."""
        calls.append("configurator")


class Failing:
    """Another vendor's, with a bug."""

    def configure(self, **kwargs: object) -> None:
        """Raise."""
        raise RuntimeError("bug")


class Instrumentor:
    """Notes that it ran."""

    def instrument(self, **kwargs: object) -> None:
        """Note it."""
        calls.append("instrumented by ezlogs")


@pytest.fixture(autouse=True)
def install(monkeypatch: pytest.MonkeyPatch) -> object:
    """Install another vendor's entry points, by name of the class; none at first."""
    calls.clear()
    monkeypatch.delenv("OTEL_PYTHON_DISTRO", raising=False)
    monkeypatch.delenv("OTEL_PYTHON_CONFIGURATOR", raising=False)
    points: list[EntryPoint] = [EntryPoint("ezlogs", "ezlogs.launch.distro:EzlogsDistro", "any")]
    monkeypatch.setattr(distro, "entry_points", lambda group: points)
    monkeypatch.setattr(EzlogsDistro, "_instance", None)
    return lambda kind: points.append(EntryPoint("other", f"{__name__}:{kind}", "any"))


INSTRUMENTOR = EntryPoint("shop", f"{__name__}:Instrumentor", "opentelemetry_instrumentor")


def test_another_distribution_runs_instead(install) -> None:
    """It configures, and it loads the instrumentors."""
    install("OtherDistro")
    elected = EzlogsDistro()
    elected.configure()
    elected.load_instrumentor(INSTRUMENTOR)
    assert calls == ["distro", "instrumentor shop"]


def test_alone_or_chosen_by_name_ezlogs_runs(install, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instrumentors are loaded as OpenTelemetry does."""
    EzlogsDistro().configure()
    install("OtherDistro")
    monkeypatch.setenv("OTEL_PYTHON_DISTRO", "ezlogs")
    elected = EzlogsDistro()
    elected.configure()
    elected.load_instrumentor(INSTRUMENTOR)
    assert calls == ["instrumented by ezlogs"]


@pytest.mark.parametrize("kind", ["Failing", "Missing"])
def test_another_distribution_that_fails_stops_nothing(install, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is said, and the application runs."""
    install(kind)
    EzlogsDistro().configure()
    EzlogsConfigurator().configure()
    assert len(caplog.records) == 2
    assert kind in caplog.text


def test_another_configurator_runs_instead(install) -> None:
    """It builds the SDK."""
    install("OtherConfigurator")
    EzlogsConfigurator().configure()
    assert calls == ["configurator"]


def test_with_a_configuration_file_the_sdk_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a processor of ezlogs', which the file could not name."""
    monkeypatch.setenv("OTEL_CONFIG_FILE", "otel.yaml")
    given: list[object] = []
    monkeypatch.setattr(otel_compat, "configure_sdk", lambda processor, **kwargs: given.append((processor, kwargs)))
    EzlogsConfigurator().configure(auto_instrumentation_version="1")
    assert given == [(None, {"auto_instrumentation_version": "1"})]


def test_switched_off_it_builds_the_sdk_without_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The application's own exporters still work."""
    given: list[object] = []
    monkeypatch.setattr(otel_compat, "configure_sdk", lambda processor, **kwargs: given.append(processor))
    monkeypatch.setattr(configurator, "launch", lambda: None)
    EzlogsConfigurator().configure()
    assert given == [None]


def test_a_defect_of_ours_costs_nobody_the_sdk(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong in reading settings, the SDK is built as OpenTelemetry's variables say."""
    given: list[object] = []

    def broken() -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(otel_compat, "configure_sdk", lambda processor, **kwargs: given.append(processor))
    monkeypatch.setattr(configurator, "launch", broken)
    EzlogsConfigurator().configure()
    assert given == [None]
    assert "could not start" in caplog.text


def test_the_last_hook_never_raises(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """It is not guarded by the loader: raising would abort the application's start."""

    def broken() -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(start, "launch", broken)
    post.post_instrument()
    assert "could not start" in caplog.text
