"""Bodies of Starlette's requests: what the application parsed, which is never read for us."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs import runtime as process
from ezlogs.emit import guarded
from ezlogs.trackers.http import tracked_in
from ezlogs_instrumentors.asgi import AsgiScope
from ezlogs_instrumentors.hooks import Hooks


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See JSON and forms once they are parsed."""

    def make(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(original)
        async def parse(request: Any, /, *args: Any, **kwargs: Any) -> Any:
            body = await original(request, *args, **kwargs)
            if hooks.active:
                _parsed(request.scope, body)
            return body

        return parse

    for name in ("json", "_get_form"):
        if name in vars(module.Request):  # one of them is private
            hooks.replace(module.Request, name, make)


@guarded
def _parsed(scope: AsgiScope, body: Any) -> None:
    request, runtime = tracked_in(scope), process.current
    if request is None or runtime is None or not runtime.settings.request_fields:
        return
    if hasattr(body, "multi_items"):  # a form, in which a field may come more than once
        found: dict[str, list[object]] = {}
        for name, value in body.multi_items():
            found.setdefault(name, []).append(value)
        body = {name: values[0] if len(values) == 1 else values for name, values in found.items()}
    request.parsed(body)
