"""click and typer: an event for each run of a program, under the name of the command that it came to.

A newer typer brings a click of its own, an older one uses the one that is installed; both are hooked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks


class ClickInstrumentor(HookingInstrumentor):
    """Instruments click 8.1 and later and typer, beside OpenTelemetry's own instrumentor or without it.

    Example:
        >>> instrumentor = ClickInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the versions that this works with, of the one that is there."""
        return ("click >= 8.1",) if find_spec("click") is not None else ("typer >= 0.9",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {"click.core": _attach, "typer._click.core": _attach, "typer.core": _attach_to_typer}

    def _instrument(self, **kwargs: Any) -> None:
        if find_spec("click") is None and find_spec("typer") is None:
            raise ModuleNotFoundError("No module named 'click'", name="click")
        super()._instrument(**kwargs)


def _attach(hooks: Hooks, module: ModuleType) -> None:
    from ezlogs_instrumentors.click_runs import attach  # here, so that other programs do not pay for it

    attach(hooks, module)


def _attach_to_typer(hooks: Hooks, module: ModuleType) -> None:
    from ezlogs_instrumentors.click_runs import attach_to_typer

    attach_to_typer(hooks, module)
