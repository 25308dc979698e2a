"""As much of HTTP/2 as a server needs that misbehaves: frames written by hand.

Source: RFC 9113, section 4.1 for frames; RFC 7541, section 6.2.2 for headers that are spelled out.
"""

from __future__ import annotations

import struct

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY = 0, 1, 3, 4, 7
_END_STREAM, _END_HEADERS = 1, 4
_STREAM = 1
"""Of the first request on a connection."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


SETTINGS = frame(_SETTINGS, 0, 0)


def headers(fields: dict[str, str], *, end: bool) -> bytes:
    """Return the headers of an answer, or with ``end`` its trailers."""
    block = b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields.items()
    )
    return frame(_HEADERS, _END_HEADERS | (_END_STREAM if end else 0), _STREAM, block)


def data(payload: bytes) -> bytes:
    """Return a part of the answer's body."""
    return frame(_DATA, 0, _STREAM, payload)


def reset(code: int) -> bytes:
    """Return the refusal of the request."""
    return frame(_RST_STREAM, 0, _STREAM, struct.pack(">I", code))


def go_away(code: int) -> bytes:
    """Return the refusal of the whole connection."""
    return frame(_GOAWAY, 0, 0, struct.pack(">II", 0, code))
