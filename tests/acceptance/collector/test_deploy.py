"""The files in ``deploy`` say what they need, and what they set is what ezlogs understands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ezlogs.journal.directory import journal_directory
from ezlogs.settings import load

from .processes import DEPLOY

SHOP = DEPLOY.parent / "kubernetes" / "shop.yaml"
DOCS = DEPLOY.parents[1] / "docs"


@pytest.fixture
def pod() -> dict[str, Any]:
    """What the pods of the service in Kubernetes are made from, with the volumes that each gets for itself."""
    manifest = yaml.safe_load(SHOP.read_text())
    spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return {**spec, "own volumes": [claim["metadata"]["name"] for claim in manifest["spec"]["volumeClaimTemplates"]]}


@pytest.fixture
def environ(pod: dict[str, Any]) -> dict[str, str]:
    """The variables of the service."""
    return {variable["name"]: variable["value"] for variable in pod["containers"][0]["env"]}


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("*.yaml")), ids=lambda file: file.name)
def test_each_variable_of_a_configuration_is_explained_at_its_top(file: Path) -> None:
    """And no other; each file is in the documentation, too."""
    text = file.read_text()
    top = re.match(r"(#.*\n)+", text)
    assert top is not None
    asked_for = set(re.findall(r"\$\{env:(\w+)", text))
    assert set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", top[0])) - {"OTEL_EXPORTER_OTLP_HEADERS"} == asked_for
    assert f"deploy/collector/{file.name}" in (DOCS / "collector.md").read_text()


def test_the_version_is_that_of_the_modules(binary: Path) -> None:
    """What the collector says of itself is what ``go.mod`` asks for."""
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    (asked_for,) = re.findall(r"go\.opentelemetry\.io/collector/otelcol v(\S+)", (DEPLOY / "go.mod").read_text())
    assert said.split()[-1] == asked_for


def test_in_kubernetes_the_journal_is_on_a_volume_that_outlives_the_pod(
    pod: dict[str, Any], environ: dict[str, str]
) -> None:
    """The state directory is where a volume of the pod's own is mounted, to be written to."""
    loaded = load(environ)
    assert not loaded.problems
    assert loaded.settings.durability == "process"
    (mount,) = (
        mount
        for mount in pod["containers"][0]["volumeMounts"]
        if Path(loaded.settings.state_dir or "").is_relative_to(mount["mountPath"])
    )
    assert mount["name"] in pod["own volumes"]
    assert not mount.get("readOnly")


def test_in_kubernetes_a_pod_has_time_to_deliver(pod: dict[str, Any], environ: dict[str, str]) -> None:
    """It is not killed while the end of the process waits for delivery."""
    assert pod["terminationGracePeriodSeconds"] > load(environ).settings.shutdown_timeout


def test_in_kubernetes_the_volume_is_one_that_ezlogs_takes(
    pod: dict[str, Any], environ: dict[str, str], tmp_path: Path
) -> None:
    """As Kubernetes makes it for a group, once: what ezlogs puts into it must stay its own."""
    assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    tmp_path.chmod(0o2775)
    made = Path(
        journal_directory("shop", "http://otel-agent:4318", {**environ, "EZLOGS_STATE_DIR": str(tmp_path)}).path
    )
    assert made.stat().st_mode & 0o077 == 0
