"""The report: all that the doctor looks at, here and now, counted and fit for JSON."""

from __future__ import annotations

import json
import os
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ezlogs.doctor import examine, report
from ezlogs.settings import TABLE


def test_everything_is_looked_at() -> None:
    """Each subject has its findings, in the order in which they are told; without problems it counts none."""
    found = examine({"EZLOGS_ENDPOINT": "http://127.0.0.1:9", "EZLOGS_DURABILITY": "memory"}, connect=False)
    assert list(found.findings) == ["settings", "journal", "pipeline", "launch", "instrumentation", "HTTP clients"]
    assert (found.problems, found.warnings) == (0, 0)
    assert str(found.findings["launch"][0]) == "distro: ezlogs"
    assert any(finding.about == "ezlogs_smtplib" for finding in found.findings["instrumentation"])


def test_problems_and_warnings_are_counted() -> None:
    """Wherever they are found: in settings, and at the endpoint."""
    found = examine({"EZLOGS_ENDPOINT": "http://127.0.0.1:9", "EZLOGS_TIMOUT": "5", "EZLOGS_SAMPLE_RATE": "0.5"})
    assert (found.problems, found.warnings) == (2, 2)
    assert str(found.findings["journal"][0]).startswith("what waits is in memory: neither")
    assert "Connection refused" in str(found.findings["delivery"][0])


def test_switched_off_there_is_nothing_to_connect_to() -> None:
    """That is said where the pipeline is told of."""
    found = examine({"EZLOGS_ENABLED": "false"})
    assert "delivery" not in found.findings
    assert "switched off" in str(found.findings["pipeline"][0])


def test_the_document_is_json_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting with its source, every finding with its verdict, and the files that were read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ezlogs.toml").write_text("headers = 'authorization=hunter2'")
    document = json.loads(json.dumps(examine({}, connect=False).document()))
    assert document["directory"] == str(tmp_path)
    assert document["files"] == ["ezlogs.toml"]
    assert list(document["settings"]) == list(TABLE)
    assert document["settings"]["headers"]["source"] == "ezlogs.toml:1"
    assert document["findings"]["settings"][-1] == {
        "verdict": "fine",
        "about": "files",
        "text": "ezlogs.toml",
        "advice": "",
    }
    assert document["warnings"] == 1
    assert document["versions"]["ezlogs"]
    assert "hunter2" not in json.dumps(document)


@pytest.mark.skipif(os.name != "posix", reason="a working directory cannot be removed elsewhere")
def test_a_directory_that_was_removed_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor says where it is: nowhere."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert examine({}, connect=False).directory == "a directory that was removed"


def test_another_distribution_decides_the_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever builds the SDK exports the spans."""
    vendor = EntryPoint("configurator", "vendor.sdk:Configurator", "opentelemetry_configurator")
    monkeypatch.setattr(report, "entry_points", lambda group: [vendor] if group == vendor.group else [])
    assert "vendor.sdk:Configurator exports the spans" in str(examine({}, connect=False).findings["pipeline"][0])
