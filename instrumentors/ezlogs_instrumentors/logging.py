"""logging: each log record names the story that it was written in; errors that only a log would know are told.

These are the exceptions of tasks that nobody awaited, which asyncio logs; with ``errors=logged`` all that the
application logs as errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ezlogs.emit import guarded
from ezlogs.logs import FIELDS, record_fields
from ezlogs.trackers.error import logged, unhandled
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks

if TYPE_CHECKING:
    from logging import LogRecord

_ERROR = 40
_EXTRA = 8
"""Where ``Logger.makeRecord`` has its ``extra``."""
_OWN = ("ezlogs", "opentelemetry")


class LoggingInstrumentor(HookingInstrumentor):
    """Puts ``ezlogs.correlation_id``, ``ezlogs.flow_id`` and ``ezlogs.parent_event_id`` into log records.

    Example:
        >>> import logging
        >>> instrumentor = LoggingInstrumentor()
        >>> instrumentor.instrument()
        >>> vars(logging.makeLogRecord({}))["ezlogs.correlation_id"]
        ''
        >>> instrumentor.uninstrument()
    """

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {"logging": _attach}


def _attach(hooks: Hooks, module: ModuleType) -> None:
    if not hooks.active:
        return
    before: Callable[..., LogRecord] = module.getLogRecordFactory()

    @wraps(before)
    def factory(*args: Any, **kwargs: Any) -> LogRecord:
        record = before(*args, **kwargs)
        if hooks.active:
            _see(record)
        return record

    def put_back() -> None:
        if module.getLogRecordFactory() is factory:
            module.setLogRecordFactory(before)

    module.setLogRecordFactory(factory)
    hooks.on_undo(put_back)
    hooks.replace(module.Logger, "makeRecord", _with_own_fields)


def _with_own_fields(make: Callable[..., LogRecord]) -> Callable[..., LogRecord]:
    """Let an application give the fields itself, as ``extra``: logging refuses what a record has already."""

    @wraps(make)
    def made(logger: Any, /, *args: Any, **kwargs: Any) -> LogRecord:
        given = kwargs.get("extra") if "extra" in kwargs else args[_EXTRA] if len(args) > _EXTRA else None
        if type(given) is not dict or FIELDS.isdisjoint(given):
            return make(logger, *args, **kwargs)
        others = {name: value for name, value in given.items() if name not in FIELDS}
        if "extra" in kwargs:
            kwargs["extra"] = others
        else:
            args = (*args[:_EXTRA], others, *args[_EXTRA + 1 :])
        record = make(logger, *args, **kwargs)
        vars(record).update({name: given[name] for name in given if name in FIELDS})
        return record

    return made


@guarded
def _see(record: LogRecord) -> None:
    vars(record).update(record_fields())
    if record.exc_info and record.levelno >= _ERROR and record.name.partition(".")[0] not in _OWN:
        error = record.exc_info[1]
        if record.name == "asyncio":
            unhandled(error, "task")
        else:
            logged(error, record.name)
