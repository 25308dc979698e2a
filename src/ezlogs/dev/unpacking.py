"""Unpacking the bodies of requests, within bounds: a few bytes of gzip or zstd can stand for gigabytes."""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import Final

from ezlogs.dev.decode import Malformed
from ezlogs.otlp.compression import zstd_module

LONGEST_REQUEST = 16 * 1024 * 1024
"""Bytes of a request, packed and unpacked."""

WITHOUT_ZSTD: Final = "zstd is read with Python 3.14 or the package backports.zstd, and neither is here: send gzip"
"""What a sender reads who packed with zstd in vain."""


class TooLong(Exception):  # noqa: N818  # not an error here: it is answered
    """A request is longer than `LONGEST_REQUEST`."""


class UnknownEncoding(Exception):  # noqa: N818  # so is this
    """A request is packed in a way that is not read here; the text says what is."""


def unpack(body: bytes, encoding: str) -> bytes:
    """Return the body of a request as it was before it was packed.

    Args:
        body: As it came.
        encoding: ``identity``, ``gzip`` or ``zstd``, from the header ``Content-Encoding``.

    Raises:
        UnknownEncoding: It is another, or zstd where nothing reads that.
        Malformed: It is not what it says, or is cut off.
        TooLong: It is longer than `LONGEST_REQUEST`.

    Example:
        >>> import gzip
        >>> unpack(gzip.compress(b"the bytes"), "gzip")
        b'the bytes'
    """
    if encoding == "identity":
        return body
    if encoding == "gzip":
        return _bounded(zlib.decompressobj(wbits=31), body, encoding, zlib.error)
    if encoding != "zstd":
        raise UnknownEncoding("send it plain, or packed with gzip or zstd")
    module = zstd_module()
    if module is None or module == "zstandard":  # that one does not unpack within bounds
        raise UnknownEncoding(WITHOUT_ZSTD)
    zstd = import_module(module)
    return _bounded(zstd.ZstdDecompressor(), body, encoding, zstd.ZstdError)


def _bounded(unpacker: zlib._Decompress, body: bytes, encoding: str, error: type[Exception]) -> bytes:
    try:
        unpacked = unpacker.decompress(body, LONGEST_REQUEST + 1)
    except error as problem:
        raise Malformed(f"the body is not {encoding}") from problem
    if len(unpacked) > LONGEST_REQUEST:
        raise TooLong
    if not unpacker.eof:
        raise Malformed(f"the {encoding} body is cut off")
    return unpacked
