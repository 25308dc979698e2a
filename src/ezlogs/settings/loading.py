"""From the environment and the arguments of ``configure()`` to settings, each with its source.

Layers, the weaker first: the defaults, OpenTelemetry's variables, ezlogs' variables, ``configure()``. Each
setting takes its value from the strongest layer that has a usable one, so a bad value costs only itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from ezlogs.settings.kinds import Kind, UnacceptableError
from ezlogs.settings.problem import Problem, nearest
from ezlogs.settings.table import PREFIX, TABLE, Setting, Settings, is_ours, variable

DEFAULT: Final = "default"
CONFIGURE: Final = "configure()"

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


class Loaded(msgspec.Struct, frozen=True):
    """Settings, where each came from, and what could not be used."""

    settings: Settings
    """Always complete: what could not be used was passed over."""

    sources: Mapping[str, str]
    """By setting: ``"default"``, ``"OTEL_SERVICE_NAME in the environment"`` or ``"configure()"``."""

    problems: tuple[Problem, ...]
    """Unknown names first, then values that could not be used, in the order of the table."""

    def explicit(self, name: str) -> bool:
        """Tell whether anyone set this setting, be it to the value of its default.

        >>> load({"EZLOGS_TIMEOUT": "10"}).explicit("timeout")
        True
        """
        return self.sources[name] != DEFAULT


def load(environ: Mapping[str, str], overrides: Mapping[str, object] = _NOTHING) -> Loaded:
    """Load the settings.

    Args:
        environ: the environment, such as ``os.environ``. Variables that are empty count as not set.
        overrides: the arguments of ``configure()`` by name. ``None`` leaves a setting to the environment.

    Returns:
        The settings, with their sources and problems. A value that cannot be used is a problem, and the next
        weaker layer is asked. Layers below the one that is used are not looked at: ``EZLOGS_COMPRESSION``
        settles an ``OTEL_EXPORTER_OTLP_COMPRESSION`` that only other exporters understand.

    Example:
        >>> loaded = load({"OTEL_SERVICE_NAME": "shop", "EZLOGS_TIMEOUT": "soon"})
        >>> loaded.settings.service_name, loaded.sources["service_name"]
        ('shop', 'OTEL_SERVICE_NAME in the environment')
        >>> print(*loaded.problems)
        EZLOGS_TIMEOUT in the environment: timeout 'soon': not a number; use 0.001 to 600 seconds

    Source: OpenTelemetry specification, "Environment Variable Specification".
    """
    problems = [*_unknown_variables(environ), *_unknown_arguments(overrides)]
    values: dict[str, Any] = {}
    sources = dict.fromkeys(TABLE, DEFAULT)
    for name, setting in TABLE.items():
        for source, kind, given in _layers(name, setting, environ, overrides):
            try:
                values[name] = kind.parse(given)
            except UnacceptableError as refusal:
                problems.append(Problem(source, f"{name} {kind.quoted(given)}", str(refusal)))
            else:
                sources[name] = source
                break
    return Loaded(Settings(**values), MappingProxyType(sources), tuple(problems))


def _layers(
    name: str, setting: Setting, environ: Mapping[str, str], overrides: Mapping[str, object]
) -> Iterator[tuple[str, Kind, object]]:
    """Where a value of this setting was given, the strongest layer first."""
    if (argument := overrides.get(name)) is not None:
        yield CONFIGURE, setting.kind, argument
    for key, kind in {variable(name): setting.kind, **setting.otel}.items():
        if text := environ.get(key, "").strip():
            yield _in_environment(key), kind, text


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[Problem]:
    known = {variable(name) for name in TABLE}
    for key in sorted(key for key in environ if is_ours(key) and key not in known):
        # Compared without the prefix, which would make all names look alike.
        suggestion = nearest(key[len(PREFIX) :], TABLE)
        yield _unknown(_in_environment(key), "", suggestion and variable(suggestion))


def _unknown_arguments(overrides: Mapping[str, object]) -> Iterator[Problem]:
    for name in sorted(name for name in overrides if name not in TABLE):
        yield _unknown(CONFIGURE, name, nearest(name, TABLE))


def _unknown(source: str, given: str, suggestion: str | None) -> Problem:
    return Problem(source, given, "unknown setting" + (f"; did you mean {suggestion}?" if suggestion else ""))


def _in_environment(key: str) -> str:
    return f"{key} in the environment"
