"""Which distribution and which configurator ``opentelemetry-instrument`` would elect, and what ezlogs makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Final

import msgspec

from ezlogs.doctor.finding import Finding

GROUPS: Final[Mapping[str, str]] = {
    "opentelemetry_distro": "OTEL_PYTHON_DISTRO",
    "opentelemetry_configurator": "OTEL_PYTHON_CONFIGURATOR",
}
"""The groups of entry points, each with the variable that chooses one by name."""


class Election(msgspec.Struct, frozen=True):
    """What the loader elects from one group, and who then does the work."""

    elected: EntryPoint | None
    """The first by that name, or the first at all. None runs where there is none."""

    runs: EntryPoint | None
    """Who does the work: another vendor's where ezlogs stands back for it."""

    @property
    def is_ours(self) -> bool:
        """Whether ezlogs does the work."""
        return self.runs is not None and is_ours(self.runs)


def elect(points: Sequence[EntryPoint], chosen: str | None) -> Election:
    """Elect as the loader does, and stand back as ezlogs does.

    Args:
        points: The entry points of one group, in the order in which the loader sees them.
        chosen: The value of the variable that chooses one by name, if it is set.

    Source: ``opentelemetry.instrumentation.auto_instrumentation._load``, ``_load_distro`` and ``_load_configurators``.
    """
    elected = next((point for point in points if chosen is None or point.name == chosen), None)
    if elected is None or not is_ours(elected) or chosen == "ezlogs":
        return Election(elected, elected)
    return Election(elected, next((point for point in points if not is_ours(point)), elected))


def told(kind: str, points: Sequence[EntryPoint], chosen: str | None) -> Iterator[Finding]:
    """Tell who is elected from one group, and why.

    Args:
        kind: ``distro`` or ``configurator``.
        points: Its entry points.
        chosen: The value of the variable that chooses one.
    """
    variable = GROUPS[f"opentelemetry_{kind}"]
    election = elect(points, chosen)
    names = [point.name for point in points]
    if election.elected is None or election.runs is None:
        yield Finding(
            "warning",
            kind,
            f"{variable} names '{chosen}', which is not installed: none runs",
            f"use one of {', '.join(names)}",
        )
        return
    if election.is_ours:
        others = ", ".join(_spelled(point) for point in points if not is_ours(point))
        yield Finding("fine", kind, f"ezlogs, not {others}, as {variable} says" if others else "ezlogs")
    else:
        why = " stands back for it" if is_ours(election.elected) else " adds itself to what it builds"
        yield Finding("fine", kind, f"{_spelled(election.runs)}; ezlogs{why}")
    double = sorted({name for name in names if names.count(name) > 1})
    if double and (chosen is None or chosen in double):
        same = ", ".join(_package(point) for point in points if point.name in double)
        yield Finding(
            "warning",
            kind,
            f"{same} call theirs '{double[0]}': chance decides which of them runs",
            "uninstall all but one",
        )


def is_ours(point: EntryPoint) -> bool:
    """Return whether an entry point is ezlogs' own."""
    return point.value.startswith("ezlogs.")


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value.partition(":")[0]


def _spelled(point: EntryPoint) -> str:
    release = f" {point.dist.version}" if point.dist else ""
    return f"{_package(point)}{release} ('{point.name}')"
