"""Export requests in files."""

from __future__ import annotations

from ezlogs.dev.decode import JSON, PROTOBUF, Malformed, ReceivedLog, ReceivedSpan, decode_either


def read(content: bytes) -> list[ReceivedSpan | ReceivedLog]:
    """Return what is in an export request of spans or log records, protobuf or JSON, or in one JSON request a line.

    Raises:
        Malformed: It is none of these.
    """
    if not content.lstrip().startswith(b"{"):
        return decode_either(content, PROTOBUF)
    try:
        return decode_either(content, JSON)
    except Malformed:
        lines = [line for line in content.splitlines() if line.strip()]
        return [item for line in lines for item in decode_either(line, JSON)]
