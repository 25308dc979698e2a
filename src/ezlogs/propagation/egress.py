"""Egress: what of a story leaves with an HTTP request. Near and named hosts learn the story, others nothing of it.

Only ``ezlogs.*`` members of W3C Baggage and ezlogs' own header are ever removed. The trace context and the
application's own baggage are its own business, or that of whoever instruments its client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import quote, quote_plus, unquote_plus

from opentelemetry import context, propagate
from opentelemetry.context import Context

from ezlogs.actor import current_actor
from ezlogs.correlation import BAGGAGE_MEMBERS, carrying, current
from ezlogs.emit import is_suppressed, listening
from ezlogs.propagation.clean import clean_actor
from ezlogs.propagation.header import HEADER
from ezlogs.propagation.hosts import is_named, is_near
from ezlogs.propagation.inbound import ACTOR
from ezlogs.runtime import current_runtime
from ezlogs.sampling.root import travelling

Header = tuple[str | bytes, str | bytes]
"""A name and a value, as clients hold them."""
Change = Callable[[str, str], str | None]
"""Takes a header's name, in lower case, and its value; returns the value to send, or None to leave it out."""

BAGGAGE = "baggage"
_STORY = BAGGAGE_MEMBERS["correlation_id"]
_SAMPLING = BAGGAGE_MEMBERS["sampling"]
_CARRIERS = frozenset({BAGGAGE, HEADER})


def departing(headers: Iterable[Header], host: str, *, injecting: bool = True) -> list[Header] | None:
    """Return the headers with which a request may leave.

    To a host that may know the story, it is injected by the global propagator, unless the request has been given a
    trace context or baggage already: these are kept. From a request to any other host the story is taken out, also
    while ezlogs is not running: what arrived from elsewhere must not travel on through this process.

    Args:
        headers: Names and values, as they would leave.
        host: What the client connects to, with or without a port; for a request by a proxy, what lies behind it.
            Where a ``Host`` header names another one, both must be allowed.
        injecting: Whether a story may be put in, rather than only taken out.

    Returns:
        A new list, or None where the headers may leave as they are.

    Example:
        >>> departing([("baggage", "tenant=7,ezlogs.correlation_id=4bf92f")], "api.example.com")
        [('baggage', 'tenant=7')]
        >>> departing([("baggage", "tenant=7,ezlogs.correlation_id=4bf92f")], "orders.internal")
    """
    ctx = context.get_current()
    if is_suppressed(ctx):
        return None
    sent = list(headers)
    names = [_text(name).lower() for name, _ in sent]
    running = listening()
    if not running and _CARRIERS.isdisjoint(names):
        return None
    hosts = {host, *(_text(value) for name, (_, value) in zip(names, sent, strict=True) if name == "host")}
    runtime = current_runtime()
    known, told = (runtime.settings.propagate_to, runtime.settings.propagate_actor_to) if runtime else ((), ())
    may_know_actor = all(is_named(one, told) for one in hosts)
    if not may_know_actor and not all(is_near(one) or is_named(one, known) for one in hosts):
        return _changed(sent, _without_story)
    whole = carrying(ctx) if running else ctx
    added = _missing(names, whole) if running and injecting else []
    actor = _actor(ctx) if running and may_know_actor else None
    sampling = _sampling(ctx) if running and runtime and runtime.sampler else None

    def as_it_is_now(name: str, value: str) -> str | None:
        if name == BAGGAGE and whole is not ctx and injecting:
            value = _with_story(value, whole)
        with_actor = _with_actor(name, value, actor)
        return with_actor if with_actor is None or name == HEADER else _with_sampling(with_actor, sampling)

    changed = _changed([*sent, *added], as_it_is_now)
    if changed is not None:
        return changed
    return [*sent, *added] if added else None


def _missing(present: list[str], ctx: Context) -> list[Header]:
    """Return what the global propagator adds; nothing of a trace where the request has a trace context already."""
    fields = {field.lower() for field in propagate.get_global_textmap().fields}
    given = fields.intersection(present)
    wanted = (fields & _CARRIERS if given - _CARRIERS else fields) - given
    if not wanted:
        return []
    injected: dict[str, str] = {}
    propagate.inject(injected, ctx)
    return [(name, value) for name, value in injected.items() if name.lower() in wanted]


def _changed(headers: list[Header], change: Change) -> list[Header] | None:
    """Return the headers with those of stories changed, or None where nothing changes."""
    kept: list[Header] = []
    differs = False
    for name, value in headers:
        key = _text(name).lower()
        if key not in _CARRIERS:
            kept.append((name, value))
            continue
        before = _text(value)
        after = change(key, before)
        differs |= after != before
        if after == before:
            kept.append((name, value))
        elif after is not None:
            kept.append((name, after.encode("latin-1") if isinstance(value, bytes) else after))
    return kept if differs else None


def _without_story(name: str, value: str) -> str | None:
    return None if name == HEADER else _without_members(value, lambda key: key.startswith("ezlogs."))


def _with_story(value: str, whole: Context) -> str:
    """Say beside the application's own members which story it is, where its ids were kept out of the baggage."""
    if _without_members(value, lambda key: key == _STORY) != value:
        return value
    carried: dict[str, str] = {}
    propagate.inject(carried, whole)
    ours = [member for member in carried.get(BAGGAGE, "").split(",") if _key(member).startswith("ezlogs.")]
    return ",".join([value, *ours])


def _with_actor(name: str, value: str, actor: str | None) -> str | None:
    """Say who acts beside a story, and only who acts here: an actor that arrived from elsewhere goes no further."""
    if name == HEADER:
        return value
    rest = _without_members(value, lambda key: key == ACTOR)
    if actor is None or rest is None or _without_members(rest, lambda key: key == _STORY) == rest:
        return rest
    return f"{rest},{ACTOR}={quote(actor, safe='')}"


def _with_sampling(value: str, sampling: str | None) -> str:
    """Say beside a story how it is sampled by now, which may be more than its scope was told at the beginning."""
    told = f"{_SAMPLING}={quote_plus(sampling or '')}"
    if sampling is None or told in value.split(",") or _without_members(value, lambda key: key == _STORY) == value:
        return value
    rest = _without_members(value, lambda key: key == _SAMPLING)
    return f"{rest},{told}"


def _without_members(baggage: str, is_ours: Callable[[str], bool]) -> str | None:
    """Return a baggage header without some members, each other one with all its characters; None if none is left."""
    members = baggage.split(",")
    others = [member for member in members if not is_ours(_key(member))]
    if len(others) == len(members):
        return baggage
    return ",".join(others).strip(" \t") if any(member.strip() for member in others) else None


def _key(member: str) -> str:
    """Return the key of a baggage member as the most lenient of its readers would understand it."""
    return unquote_plus(member.partition(";")[0].partition("=")[0]).strip().lower()


def _sampling(ctx: Context) -> str | None:
    story = current(ctx)
    return travelling(story, ctx).sampling if story else None


def _actor(ctx: Context) -> str | None:
    who = current_actor(ctx)
    return None if who.id is None else clean_actor(who)


def _text(value: object) -> str:
    """Return a name or value as text; what is neither text nor bytes is for the client to complain about."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else ""
