"""Where a sample of the corpus is: in attributes of a span, in the body of a log record, in an exception."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.corpus import Sample

_BODY = "log.body"
_EXCEPTION = "exception."


class Placed(NamedTuple):
    """A sample in the places that telemetry has for it."""

    attributes: Mapping[str, Any]
    """Attributes of a span."""

    body: str | None
    """The body of a log record."""

    exception: Mapping[str, str]
    """Attributes of the event ``exception`` of a span."""


def placed(sample: Sample) -> Placed:
    """Return a sample in its places.

    >>> placed(Sample("otp", "message", {"exception.message": "otp=1234", "app.id": 7}, "1234"))
    Placed(attributes={'app.id': 7}, body=None, exception={'exception.message': 'otp=1234'})
    """
    rest = {key: value for key, value in sample.value.items() if key != _BODY and not key.startswith(_EXCEPTION)}
    exception = {key: value for key, value in sample.value.items() if key.startswith(_EXCEPTION)}
    return Placed(rest, sample.value.get(_BODY), exception)


def read(value: Any) -> Any:
    """Return what a reader sees: tuples are lists, and JSON in text is what is in it, beside the text itself.

    >>> read({"a": '{"b": "c\\\\nd"}'})
    {'a': ['{"b": "c\\\\nd"}', {'b': 'c\\nd'}]}
    """
    if isinstance(value, Mapping):
        return {str(key): read(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [read(item) for item in value]
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return [value, read(json.loads(value))]
        except ValueError:
            return value
    return value
