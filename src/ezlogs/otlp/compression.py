"""Compression of requests: what a body is packed with, and whether this Python has what it takes."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import Literal

from ezlogs.otlp.loading import load_modules

Compression = Literal["none", "gzip", "zstd"]

_LEVEL = 1
"""Of both: the higher ones cost more of the application's processor than encoding does, and save a tenth."""

_PACKAGES = ("backports.zstd", "zstandard")


def zstd_module() -> str | None:
    """Return the module that compresses with zstd, or None where there is none. It is looked for, not loaded.

    Python has one from 3.14 on, unless it was built without; before that the packages ``backports.zstd`` and
    ``zstandard`` have it.
    """
    if sys.version_info >= (3, 14) and find_spec("_zstd") is not None:
        return "compression.zstd"
    return next((name for name in _PACKAGES if _is_installed(name)), None)


def compressor(compression: Compression) -> Callable[[bytes], bytes]:
    """Return what packs the body of a request; the same bytes are packed to the same bytes each time.

    What zstd needs is loaded when the first body is packed, not here.

    Args:
        compression: ``none``, ``gzip`` or ``zstd``, both at level 1.

    Raises:
        ValueError: There is nothing that compresses with zstd; the text says what to install.

    Example:
        >>> len(compressor("gzip")(b"event " * 1000)) < 100
        True
    """
    if compression == "none":
        return bytes
    if compression == "gzip":
        return _gzip
    if compression != "zstd":
        raise ValueError(f"no such compression: {compression}")
    module = zstd_module()
    if module is None:
        raise ValueError(WITHOUT_ZSTD)
    return _Zstd(module)


WITHOUT_ZSTD = "zstd needs Python 3.14 or the package backports.zstd, and neither is here; use gzip"
"""What a user reads who asked for zstd in vain."""


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):  # the package around it is not there, or something stands in its place
        return False


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(level=_LEVEL, wbits=31)
    return packer.compress(body) + packer.flush()


class _Zstd:
    """Packs with whichever module there is; all three have one function for it, called alike."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._compress: Callable[[bytes, int], bytes] | None = None

    def __call__(self, body: bytes) -> bytes:
        compress = self._compress
        if compress is None:
            load_modules(self._module)
            compress = self._compress = sys.modules[self._module].compress
        return compress(body, _LEVEL)
