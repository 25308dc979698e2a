"""ezlogs tells you who did what to what, and what happened next, on plain OpenTelemetry."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ezlogs.actor import actor
from ezlogs.correlation import Correlation
from ezlogs.emit import record as event
from ezlogs.event import Actor, Change, InvalidEvent, Subject, UniversalEvent
from ezlogs.identity import Identity, register_identity
from ezlogs.launch.health import health, readiness
from ezlogs.launch.start import configure, flush, shutdown
from ezlogs.scope import CorrelationManager
from ezlogs.settings import InvalidSettings
from ezlogs.trackers.command import command
from ezlogs.trackers.flow import flow, forget_flow, resume_flow, tracked
from ezlogs.trackers.schedule import schedule
from ezlogs.version import __version__

if TYPE_CHECKING:
    debug_mode: bool
    """Whether each story is shown in the terminal as it happens; may be set at any time."""

    from ezlogs.phrases import phrase
    from ezlogs.scrubbing import ScrubbingLogRecordExporter, ScrubbingSpanExporter
    from ezlogs.testing import captured_events, expect_correlation_chain, expect_event_flow, test_mode
    from ezlogs.trackers.auth import auth
    from ezlogs.trackers.data.audit import audit

__all__ = [
    "Actor",
    "Change",
    "Correlation",
    "CorrelationManager",
    "Identity",
    "InvalidEvent",
    "InvalidSettings",
    "ScrubbingLogRecordExporter",
    "ScrubbingSpanExporter",
    "Subject",
    "UniversalEvent",
    "__version__",
    "actor",
    "audit",
    "auth",
    "captured_events",
    "command",
    "configure",
    "debug_mode",
    "event",
    "expect_correlation_chain",
    "expect_event_flow",
    "flow",
    "flush",
    "forget_flow",
    "health",
    "phrase",
    "readiness",
    "register_identity",
    "resume_flow",
    "schedule",
    "shutdown",
    "test_mode",
    "tracked",
]


_LATER = {
    "ScrubbingLogRecordExporter": "ezlogs.scrubbing",  # it needs the SDK
    "ScrubbingSpanExporter": "ezlogs.scrubbing",
    "phrase": "ezlogs.phrases",
    "audit": "ezlogs.trackers.data.audit",
    "auth": "ezlogs.trackers.auth",
    "captured_events": "ezlogs.testing",
    "expect_correlation_chain": "ezlogs.testing",
    "expect_event_flow": "ezlogs.testing",
    "test_mode": "ezlogs.testing",
}
"""Where names are that most programs do without: `import ezlogs` does not import them."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        from importlib import import_module

        return globals().setdefault(name, getattr(import_module(_LATER[name]), name))
    raise AttributeError(f"module 'ezlogs' has no attribute {name!r}")


class _FrontDoor(ModuleType):
    """This module, with what can be switched by an assignment."""

    @property
    def debug_mode(self) -> bool:
        """Whether each story is shown in the terminal as it happens, as the setting ``debug`` has it.

        Example:
            >>> import ezlogs
            >>> ezlogs.debug_mode = True
            >>> ezlogs.debug_mode
            True
            >>> ezlogs.debug_mode = False
        """
        from ezlogs.debug import is_on

        return is_on()

    @debug_mode.setter
    def debug_mode(self, on: bool) -> None:
        from ezlogs.debug import switch

        switch(on)


sys.modules[__name__].__class__ = _FrontDoor
