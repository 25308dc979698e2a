"""The REST framework's requests: what it makes of exceptions and bodies before Django sees either."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ezlogs_instrumentors.hooks import Hooks


def attach_to_views(hooks: Hooks, module: ModuleType) -> None:
    """Remember what a view raised, which the framework turns into a response by itself."""
    hooks.after(module.APIView, "handle_exception", _handled, even_if_raised=True)


def attach_to_requests(hooks: Hooks, module: ModuleType) -> None:
    """See a body once the view has had it parsed."""
    hooks.after(module.Request, "_load_data_and_files", _parsed)


def _handled(view: Any, response: object, exception: Exception) -> None:
    handling = getattr(view.request._request, "_ezlogs", None)
    if handling is not None:
        handling.error = exception


def _parsed(request: Any, result: object) -> None:
    handling = getattr(request._request, "_ezlogs", None)
    if handling is not None:
        handling.parsed(request._full_data)
