"""The distro that ``opentelemetry-instrument`` elects: starts ezlogs, or stands back for another vendor's."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]  # the package is untyped

from ezlogs.runtime import log


def foreign(group: str, chosen_by: str) -> EntryPoint | None:
    """Return another distribution's entry point of a group, unless the user chose ezlogs' by name.

    Args:
        group: ``opentelemetry_distro`` or ``opentelemetry_configurator``.
        chosen_by: The environment variable that names one.
    """
    if os.environ.get(chosen_by) == "ezlogs":
        return None
    return next((point for point in entry_points(group=group) if not point.value.startswith("ezlogs.")), None)


class EzlogsDistro(BaseDistro):  # type: ignore[misc]  # as above
    """ezlogs as a distribution. With another distribution installed it runs that one, and attaches to it later."""

    _other: BaseDistro | None = None

    def _configure(self, **kwargs: Any) -> None:
        point = foreign("opentelemetry_distro", "OTEL_PYTHON_DISTRO")
        if point is None:
            return
        try:
            self._other = point.load()()
            self._other.configure(**kwargs)
        except Exception:
            log.exception("ezlogs: the distribution %s failed to start", point.value)

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """Instrument as the other distribution would, if there is one."""
        if self._other is not None:
            self._other.load_instrumentor(entry_point, **kwargs)
        else:
            super().load_instrumentor(entry_point, **kwargs)
