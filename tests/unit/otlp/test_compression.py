"""Compression: what is packed is unpacked by anybody, and what this Python cannot do is said before it is needed."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import types
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezlogs.otlp import Delivered, HttpTransport, compression
from ezlogs.otlp.compression import WITHOUT_ZSTD, compressor, zstd_module
from ezlogs.settings import load

from .collectors import Collector

ZSTD = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec(name.partition(".")[0]) is None, reason=f"needs {name}"))
    for name in ("compression.zstd", "backports.zstd", "zstandard")
]


@pytest.fixture
def without_zstd(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that compresses with gzip only."""
    monkeypatch.setattr(compression, "find_spec", lambda name: None)


@given(st.binary())
def test_gzip_is_undone_by_gzip(body: bytes) -> None:
    """And the same bytes are packed to the same, so that a request that is sent again is the one before."""
    pack = compressor("gzip")
    assert gzip.decompress(pack(body)) == body
    assert pack(body) == pack(body)


def test_none_leaves_the_body_alone() -> None:
    """Not even a copy is made."""
    body = b"the bytes"
    assert compressor("none")(body) is body


@pytest.mark.parametrize("name", ZSTD)
@given(body=st.binary())
def test_zstd_is_undone_by_the_module_that_packs(name: str, body: bytes) -> None:
    """Whichever of the modules there is, it is called alike."""
    pack = compression._Zstd(name)
    assert import_module(name).decompress(pack(body)) == body
    assert pack(body) == pack(body)


@pytest.mark.parametrize("name", ZSTD)
def test_a_request_says_that_it_is_packed_with_zstd(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """And one that is sent again is byte for byte the one before."""
    monkeypatch.setattr(compression, "zstd_module", lambda: name)
    transport = HttpTransport(collector.url, headers={}, timeout=5.0, compression="zstd")
    assert [transport.send(b"bytes " * 100) for _ in range(2)] == [Delivered(), Delivered()]
    transport.close()
    first, second = collector.requests
    assert first.headers["content-encoding"] == "zstd"
    assert first.body == second.body
    assert import_module(name).decompress(first.body) == b"bytes " * 100


def test_what_compresses_is_loaded_with_the_first_body(tmp_path: Path) -> None:
    """Who asks for zstd pays for it in the worker, not at start-up."""
    (tmp_path / "stand_in.py").write_text("def compress(body, level):\n    return bytes([level]) + body[::-1]\n")
    code = (
        "import sys, ezlogs.otlp.compression as compression\n"
        "compression.zstd_module = lambda: 'stand_in'\n"
        "pack = compression.compressor('zstd')\n"
        "print('stand_in' in sys.modules, pack(b'abc') == b'\\1cba', 'stand_in' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30, env=environment
    )
    assert done.stdout.split() == ["False", "True", "True"]


@pytest.mark.parametrize(
    ("version", "there", "expected"),
    [
        ((3, 14), {"_zstd", "zstandard"}, "compression.zstd"),
        ((3, 14), {"zstandard"}, "zstandard"),
        ((3, 13), {"_zstd", "backports.zstd", "zstandard"}, "backports.zstd"),
        ((3, 10), {"zstandard"}, "zstandard"),
        ((3, 10), set(), None),
    ],
)
def test_the_nearest_module_is_taken(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], there: set[str], expected: str | None
) -> None:
    """Python's own where it has one, then what is nearest to it."""
    monkeypatch.setattr(compression, "sys", types.SimpleNamespace(version_info=version))
    monkeypatch.setattr(compression, "find_spec", lambda name: name if name in there else None)
    assert zstd_module() == expected


def test_a_package_that_is_half_there_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for ``backports.zstd`` loads ``backports``, which may be missing or broken."""

    def fail(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(compression, "sys", types.SimpleNamespace(version_info=(3, 12)))
    monkeypatch.setattr(compression, "find_spec", fail)
    assert zstd_module() is None


@pytest.mark.usefixtures("without_zstd")
def test_without_zstd_nothing_is_promised() -> None:
    """It is refused when the transport is made, never when the first event leaves."""
    with pytest.raises(ValueError, match=WITHOUT_ZSTD):
        compressor("zstd")


def test_an_unknown_compression_is_refused() -> None:
    """The settings let none through; a caller that makes a transport by hand is told."""
    with pytest.raises(ValueError, match="no such compression: lz4"):
        compressor("lz4")  # type: ignore[arg-type]  # the point of the test


@pytest.mark.usefixtures("without_zstd")
@pytest.mark.parametrize("variable", ["EZLOGS_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"])
def test_a_setting_that_this_python_cannot_meet_says_what_to_install(variable: str) -> None:
    """And the next weaker source is asked, so that events leave all the same."""
    loaded = load({variable: "zstd"})
    (problem,) = loaded.problems
    assert str(problem) == f"{variable} in the environment: compression 'zstd': {WITHOUT_ZSTD}"
    assert loaded.settings.compression == "none"


@pytest.mark.parametrize(
    "variable",
    ["EZLOGS_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"],
)
def test_the_variables_name_each_compression(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """OpenTelemetry's variables mean what they mean to other exporters."""
    monkeypatch.setattr(compression, "find_spec", lambda name: name)
    for word in ("none", "gzip", "zstd"):
        loaded = load({variable: word.upper()})
        assert (loaded.settings.compression, loaded.problems) == (word, ())
