"""Bottle: requests become events. A complete instrumentor, as an example of how any framework gets one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial, wraps
from types import ModuleType
from typing import Any

from ezlogs.trackers.http import tracked_in
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks
from ezlogs_instrumentors.wsgi import WsgiMiddleware

_WILDCARD = re.compile(r"<(\w+)[^<>]*>")


class BottleInstrumentor(HookingInstrumentor):
    """Tells the requests of Bottle's applications, whether they are made before or after it is switched on."""

    package = "bottle"
    versions = ("bottle >= 0.13",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module: it is called once that is imported, and imports nothing itself."""
        return {"bottle": attach}


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See each request from its arrival to its end, its route before the view runs, and what the view raised."""

    def tracked(wsgi: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        @wraps(wsgi)
        def respond(app: Any, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            answer = partial(wsgi, app)
            if hooks.active:
                answer = WsgiMiddleware(answer, framework="bottle")
            return answer(environ, start_response)

        return respond

    hooks.replace(module.Bottle, "wsgi", tracked)
    hooks.after(module.Router, "match", _matched)
    hooks.after(module.Bottle, "_handle", _handled)


def _matched(router: object, found: tuple[Any, Mapping[str, object]] | None, environ: Mapping[str, Any]) -> None:
    """Tell the route before its view runs; what is sampled by routes is decided by then."""
    if found is not None and (request := tracked_in(environ)) is not None:
        route, parameters = found
        request.matched(template(route.rule), parameters)


def _handled(app: Any, answer: object, environ: Mapping[str, Any]) -> None:
    """Remember an exception that Bottle has turned into a page."""
    raised, request = environ.get("bottle.exc_info"), tracked_in(environ)
    if raised is not None and request is not None:
        request.failed(raised[1])


@lru_cache(maxsize=4096)
def template(rule: str) -> str:
    """Return a rule of Bottle's as a template: ``/orders/<number:int>`` is ``/orders/{number}``."""
    return _WILDCARD.sub(r"{\1}", rule)
