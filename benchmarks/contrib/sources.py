"""The suites' source distributions: of the version that is installed, downloaded once, checked each time, unpacked."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "constraints" / "contrib.txt"
CACHE = ROOT / ".contrib"


class NotLockedError(Exception):
    """A distribution is installed in a version that the lock does not hold."""


def hashes(lock: str, distribution: str, installed: str) -> list[str]:
    """Return the SHA-256 sums, in hex, that a lock holds for all files of a distribution.

    Raises:
        NotLockedError: If the lock holds another version, or none.

    Example:
        >>> hashes("flask==3.1 \\\\\\n    --hash=sha256:" + "a" * 64, "flask", "3.1") == ["a" * 64]
        True
    """
    block = re.search(rf"(?m)^{re.escape(distribution)}==(\S+)(?:[^\S\n].*)?\n(?:    --hash=.*(?:\n|$))*", lock)
    if block is None or block[1] != installed:
        held = block[1] if block else "none"
        raise NotLockedError(
            f"{distribution} {installed} is installed, and {LOCK.name} holds {held}: run `make contrib` anew"
        )
    return re.findall(r"--hash=sha256:([0-9a-f]{64})", block[0])


def unpacked(distributions: Iterable[str], cache: Path = CACHE) -> dict[str, Path]:
    """Return the folders of distributions' sources, each just unpacked from a file whose hash is in the lock.

    Nothing of them is built or installed: the tests run against what is installed.
    """
    lock = LOCK.read_text(encoding="utf-8")
    allowed = {name: hashes(lock, name, version(name)) for name in distributions}
    cache.mkdir(exist_ok=True)
    missing = [name for name in allowed if _archive(cache, name, allowed[name]) is None]
    if missing:
        _download(missing, allowed, cache)
    return {name: _unpacked(cache, _archive(cache, name, allowed[name])) for name in allowed}


def _stem(name: str) -> str:
    return f"{name.replace('-', '_')}-{version(name)}"


def _archive(cache: Path, name: str, allowed: list[str]) -> Path | None:
    """Return a distribution's archive if it is there and is what the lock says."""
    archive = cache / f"{_stem(name)}.tar.gz"
    if archive.exists() and hashlib.sha256(archive.read_bytes()).hexdigest() in allowed:
        return archive
    return None


def _download(names: list[str], allowed: dict[str, list[str]], cache: Path) -> None:
    print(f"Downloading the sources of {len(names)} distributions; this is done once.", file=sys.stderr)
    for name in names:
        (cache / f"{_stem(name)}.tar.gz").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        sums = {name: "".join(f" --hash=sha256:{sum_}" for sum_ in allowed[name]) for name in names}
        requirements.write_text("".join(f"{name}=={version(name)}{sums[name]}\n" for name in names), encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps"]
        pip += ["--no-binary", ":all:", "--no-build-isolation", "--require-hashes", "--dest", str(cache)]
        subprocess.run([*pip, "--requirement", str(requirements)], check=True, stdout=sys.stderr)


def _unpacked(cache: Path, archive: Path | None) -> Path:
    assert archive is not None, "pip checked its hash"
    folder = cache / archive.name.removesuffix(".tar.gz")
    shutil.rmtree(folder, ignore_errors=True)  # what an earlier run left there is not the suite unchanged
    with tarfile.open(archive) as tar:
        tar.extractall(cache, filter="data")
    return folder
