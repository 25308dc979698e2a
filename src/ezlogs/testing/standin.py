"""Stand-ins: carriers that take the place of the pipeline in a test run, so that nothing is sent anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from opentelemetry.context import Context

from ezlogs.event import UniversalEvent

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from ezlogs.runtime import Runtime


class StandIn:
    """A carrier that takes every event and does nothing with it: what is made in a test run that captures nothing."""

    processor = None
    """No tracer provider takes part."""

    opens_spans = True
    """As in production, where no other pipeline is."""

    notes_openings = False
    """Nothing here outlives the process."""

    def meet(self, provider: TracerProvider) -> None:
        """Leave the provider alone."""

    def every_turn(self, turn: Callable[[], object]) -> None:
        """Do nothing: there is no worker, and so no turn."""

    def serve(self, runtime: Runtime) -> None:
        """Take events for a runtime from now on."""

    def carry(self, event: UniversalEvent, ctx: Context) -> None:
        """Take an event."""

    def opened(self, note: UniversalEvent, ctx: Context, *, with_span: bool = False) -> None:
        """Do nothing."""

    def awaited(self, event_id: str, note: Callable[[bool], object]) -> None:
        """Do nothing."""

    def closed(self, event_id: str) -> None:
        """Do nothing."""

    def failed(self, problem: str, error: BaseException) -> None:
        """Take note of an error of ezlogs' own."""

    def preparing(self) -> None:
        """Return None: what is committed is all that is seen."""

    def flush(self, timeout: float) -> bool:
        """Return True: nothing is ever under way."""
        return True

    def shutdown(self, timeout: float) -> None:
        """Do nothing."""

    def forget(self) -> None:
        """Do nothing."""

    def health(self) -> dict[str, object]:
        """Say why nothing is delivered."""
        return {"sending": "off in this test run"}
