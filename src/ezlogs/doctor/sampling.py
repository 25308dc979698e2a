"""Which events would be kept, in the order in which it is decided, and whether their traces would be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ezlogs.doctor.finding import Finding
from ezlogs.settings import TABLE, Loaded, Settings

_SHARES: Final = ("ezlogs", "parentbased_ezlogs", "parentbased_traceidratio", "traceidratio")
_NONE: Final = ("always_off", "parentbased_always_off")


def sampling(loaded: Loaded, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Tell what is kept and left out; nothing where everything is kept, and every trace is sampled.

    Args:
        loaded: The settings.
        environ: The environment.

    Example:
        >>> from ezlogs.settings import load
        >>> environ = {"EZLOGS_SAMPLE_RATE": "0.1", "EZLOGS_ALWAYS_EVENTS": "auth.*", "EZLOGS_SAMPLE_TYPES": "data.*=0"}
        >>> for finding in sampling(load(environ), environ):
        ...     print(finding)
        auth.*: kept in every story (EZLOGS_ALWAYS_EVENTS in the environment)
        not a success: kept in every story
        data.*: in no story (EZLOGS_SAMPLE_TYPES in the environment)
        all others: in 0.1 of the stories (EZLOGS_SAMPLE_RATE in the environment)
        left out: kept after all if something fails in its request, job or command
    """
    settings = loaded.settings
    if not settings.enabled:
        return
    if settings.sampling_given():
        yield from _table(loaded)
    sampler = environ.get("OTEL_TRACES_SAMPLER", "").strip()
    share = _share(sampler, environ, settings)
    if share is None or share == 1:
        return
    told = f"OTEL_TRACES_SAMPLER={sampler}"
    if settings.sampling_events == "all" and settings.sample_rate > share:
        yield Finding(
            "warning",
            "traces",
            f"{_in(share)[3:]} traces are sampled ({told}), and events are kept of {_in(settings.sample_rate)[3:]} "
            "stories: those without a sampled span come on spans of ezlogs' own, and their volume does not shrink with "
            "that of the traces",
            f"set EZLOGS_SAMPLE_RATE={share:g} or EZLOGS_SAMPLING_EVENTS=follow_trace, or leave it so for an audit",
        )
    ratio = sampler.endswith("traceidratio")
    if settings.sampling_events == "all" and settings.sample_rate < 1 and share > 0:
        agrees = ratio is (settings.sampling_agreement == "ratio")
        text = f"sampled by the same bits of their ids as stories are kept ({told})"
        if agrees:
            yield Finding("fine", "traces", text)
        else:
            wanted = "ratio" if ratio else "consistent"
            text = f"not sampled by the same bits of their ids as stories are kept ({told})"
            yield Finding("warning", "traces", text, f"set EZLOGS_SAMPLING_AGREEMENT={wanted}")


def _table(loaded: Loaded) -> Iterator[Finding]:
    settings, sources = loaded.settings, loaded.sources
    for name, text in (("always_events", "kept in every story"), ("never_events", "left out, whatever their outcome")):
        for pattern in getattr(settings, name):
            yield Finding("note", pattern, f"{text} ({sources[name]})")
    yield Finding("note", "not a success", "kept in every story")
    if settings.sampling_events == "follow_trace":
        yield Finding("note", "in no sampled span", f"left out ({sources['sampling_events']})")
    for name in ("sample_types", "sample_routes"):
        for where, share in getattr(settings, name).items():
            yield Finding(
                "note", where, f"{_in(share)} stories ({sources[name]})" if share else f"in no story ({sources[name]})"
            )
    yield Finding("note", "all others", f"{_in(settings.sample_rate)} stories ({sources['sample_rate']})")
    whys = ["if something fails in"] if settings.keep_errors else []
    if settings.keep_slow is not None:
        whys.append(f"from {settings.keep_slow:g} s on of")
    whys += [f"from {seconds:g} s on of {route} as" for route, seconds in settings.keep_slow_routes.items()]
    kept = f"kept after all {', or '.join(whys)} its request, job or command" if whys else "for good"
    yield Finding("note", "left out", kept)
    shown = TABLE["rate_limits"].kind.shown(settings.rate_limits)
    for pattern, limit in shown.items():  # type: ignore[attr-defined]  # a mapping
        yield Finding("note", pattern, f"{limit} a second, more are lost ({sources['rate_limits']})")


def _share(sampler: str, environ: Mapping[str, str], settings: Settings) -> float | None:
    """Return the share of traces that a sampler of OpenTelemetry's variable keeps, if it is known."""
    if sampler in _NONE:
        return 0.0
    if sampler not in _SHARES:
        return None
    try:
        share = float(environ.get("OTEL_TRACES_SAMPLER_ARG", ""))
    except ValueError:
        share = -1.0
    if 0 <= share <= 1:
        return share
    return settings.sample_rate if sampler.endswith("ezlogs") else 1.0


def _in(share: float) -> str:
    """Return a share as words."""
    return "in all" if share == 1 else "in no" if share == 0 else f"in {share:g} of the"
