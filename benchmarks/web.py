"""The rows of a small application of each framework, and of what is beside OpenTelemetry's instrumentor there."""

from __future__ import annotations

from benchmarks.row import Row, Side

_FRAMEWORKS = ("flask", "django", "fastapi")


def _program(framework: str, what: str) -> Side:
    return Side(f"small_app.{framework}_{what}", what)


WEB = (
    *(
        Row(
            f"small_app_{framework}",
            f"a request of a small application of {framework}, with its two events / with OpenTelemetry's instrumentor",
            _program(framework, "ezlogs"),
            _program(framework, "contrib"),
            1.1,
            1.03,
        )
        for framework in _FRAMEWORKS
    ),
    *(
        Row(
            f"small_app_{framework}_both",
            f"the same with both, inside the instrumentor's span / with the instrumentor alone ({framework})",
            _program(framework, "both"),
            _program(framework, "contrib"),
        )
        for framework in _FRAMEWORKS
    ),
)

NEIGHBOURS = frozenset(side.program for row in WEB for side in (row.ours, row.theirs))
"""The programs that need OpenTelemetry's instrumentors, which are in a virtual environment of their own."""
