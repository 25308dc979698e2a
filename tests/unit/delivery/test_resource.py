"""The resource of an application without a tracer provider: there is one, whatever the SDK meets on its way to it."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.resources import Resource

from ezlogs.delivery.resource import resource_of


@pytest.mark.parametrize(("name", "expected"), [("shop", "shop"), (None, "unknown_service")])
def test_where_no_detector_can_be_asked_the_service_has_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str | None, expected: str
) -> None:
    """As where no thread can be started."""

    def create(*_: object) -> Resource:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Resource, "create", create)
    assert resource_of(name).attributes["service.name"] == expected
