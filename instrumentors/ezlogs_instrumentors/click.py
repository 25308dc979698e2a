"""click and typer: an event for each run of a program, under the name of the command that it came to.

A newer typer brings a click of its own, an older one uses the one that is installed; both are hooked.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib.util import find_spec
from types import MappingProxyType

from ezlogs_instrumentors.hooks import HookingInstrumentor


class ClickInstrumentor(HookingInstrumentor):
    """Instruments click 8.1 and later and typer, beside OpenTelemetry's own instrumentor or without it.

    Example:
        >>> instrumentor = ClickInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "click"
    parts = MappingProxyType(
        {
            "click.core": "click_runs.attach",
            "typer._click.core": "click_runs.attach",
            "typer.core": "click_runs.attach_to_typer",
        }
    )

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the versions that this works with, of the one that is there."""
        return ("click >= 8.1",) if find_spec("click") is not None else ("typer >= 0.9",)

    def is_installed(self) -> bool:
        """Return whether either is there."""
        return super().is_installed() or find_spec("typer") is not None
