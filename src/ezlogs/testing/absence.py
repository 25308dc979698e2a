"""Assertions that something did not leave: a text in any of its usual disguises, or anything that privacy finds."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from ezlogs.privacy import Scrubber, scrub_span
from ezlogs.privacy.span import REDACTIONS

__unittest = True  # unittest shows none of this file in a failure


def assert_no_pii(sent: Any, *, scrubber: Scrubber | None = None) -> None:
    """Fail if privacy finds anything in what is sent: captured events, attributes, spans, text or bytes.

    Args:
        sent: What `ezlogs.testing.capture` gave, spans of the SDK, mappings, sequences, text, bytes.
        scrubber: Whose rules count; the default ones when left out.

    Raises:
        AssertionError: Something was found; the text says where and by which rule, never what.

    Example:
        >>> assert_no_pii({"note": "to ada@example.com"})
        Traceback (most recent call last):
        ...
        AssertionError: sensitive data in what is sent: sent.note: email
    """
    __tracebackhide__ = True
    found: list[str] = []
    _look_at(sent, "sent", scrubber or Scrubber(), found)
    if found:
        raise AssertionError(f"sensitive data in what is sent: {', '.join(found)}")


def assert_absent(secret: str, sent: bytes) -> None:
    """Fail if a text is in some bytes: as it is, in JSON, percent-encoded, in base64, or as digits grouped otherwise.

    Capitals make no difference where an encoding may be written with either, nor which alphabet base64 has.

    Args:
        secret: What must not be there.
        sent: What leaves, such as the body of a request.

    Raises:
        AssertionError: It is there; the text says in which form.

    Example:
        >>> assert_absent("hunter2", b"password=[redacted]")
    """
    __tracebackhide__ = True
    if not secret:
        raise ValueError("an empty text is everywhere")
    either_case = sent.lower()
    for form, disguised in _disguises(secret):
        if disguised in sent or (form == "percent-encoded" and disguised.lower() in either_case):
            raise AssertionError(f"a text that must be absent is in what is sent, {form}")
    digits = "".join(filter(str.isdigit, secret))
    if len(digits) >= 8 and not secret.strip("0123456789 -./"):
        kept = sent.translate(None, b" -./")
        if digits.encode() in kept:
            raise AssertionError("a number that must be absent is in what is sent, grouped otherwise")


def _disguises(secret: str) -> Iterator[tuple[str, bytes]]:
    data = secret.encode()
    yield "as it is", data
    yield "in JSON", json.dumps(secret)[1:-1].encode()
    yield "percent-encoded", quote(secret, safe="").encode()
    yield "form-encoded", quote_plus(secret).encode()
    yield "in \\u escapes", "".join(f"\\u{ord(character):04x}" for character in secret).encode()
    for offset in range(3):  # base64 of a longer text that it is in the middle of
        encoded = b64encode(b"\0" * offset + data).decode()
        inside = encoded[(0, 2, 3)[offset] : len(encoded.rstrip("=")) - (1 if (len(data) + offset) % 3 else 0)]
        if len(inside) >= 8:
            yield "in base64", inside.encode()
            yield "in base64 for URLs", inside.replace("+", "-").replace("/", "_").encode()


def _look_at(sent: Any, path: str, scrubber: Scrubber, found: list[str]) -> None:
    if (exported := getattr(sent, "exported", None)) is not None:
        for position, attributes in enumerate(exported):
            scrubber.attributes(attributes, found, f"{path}[{position}].")
    elif hasattr(sent, "attributes") and hasattr(sent, "status"):
        clean = scrub_span(sent, scrubber)
        if clean is not sent:
            earlier = (sent.attributes or {}).get(REDACTIONS, ())
            told = (clean.attributes or {})[REDACTIONS]
            found += [f"{path}.{finding}" for finding in told if finding not in earlier]
        scrubber.attributes(sent.resource.attributes, found, f"{path}.resource.")
    elif isinstance(sent, (list, tuple)):
        for position, one in enumerate(sent):
            _look_at(one, f"{path}[{position}]", scrubber, found)
    else:
        scrubber.value("", sent, path, found)
