"""From all the places where settings are given to settings, each with its source.

Layers, the weaker first: the defaults, ``pyproject.toml``, ``ezlogs.toml``, OpenTelemetry's variables, ezlogs'
variables, ``configure()``. Each setting takes its value from the strongest layer that has a usable one, so a
bad value costs only itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from ezlogs.settings.checks import Situation, contradictions, doubts
from ezlogs.settings.configfile import NO_FILES, Files
from ezlogs.settings.group import PREFIX, Setting
from ezlogs.settings.kinds import NothingSaidError, UnacceptableError
from ezlogs.settings.layers import IN_CODE, Given, Layer, layer
from ezlogs.settings.problem import Problem, in_environment, nearest, unknown
from ezlogs.settings.table import CONFIG_FILE, TABLE, Settings, is_ours

DEFAULT: Final = "default"

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


class Loaded(msgspec.Struct, frozen=True):
    """Settings, where each came from, and what could not be used."""

    settings: Settings
    """Always complete: what could not be used was passed over."""

    sources: Mapping[str, str]
    """By setting: ``"default"``, ``"ezlogs.toml:3"``, ``"OTEL_SERVICE_NAME in the environment"``, ``"configure()"``."""

    problems: tuple[Problem, ...]
    """What could not be used: files, names, and values as in the table; last, values that contradict each other."""

    warnings: tuple[Problem, ...]
    """What can be used, but hardly does what was meant."""

    asked: Mapping[str, object]
    """What ``configure()`` was asked for so far, by setting."""

    files: tuple[str, ...]
    """The files that were read, the weaker first."""

    def explicit(self, name: str) -> bool:
        """Tell whether anyone set this setting, be it to the value of its default.

        >>> load({"EZLOGS_TIMEOUT": "10"}).explicit("timeout")
        True
        """
        return self.sources[name] != DEFAULT

    def document(self) -> dict[str, dict[str, object]]:
        """Return every setting with its value, its source and what it does, fit for JSON; secrets are masked.

        >>> load({"EZLOGS_HEADERS": "x-key=hunter2"}).document()["headers"]["value"]
        {'x-key': '****'}
        """
        return {
            name: {"value": value, "source": self.sources[name], "doc": TABLE[name].doc}
            for name, value in self.settings.shown().items()
        }


def load(
    environ: Mapping[str, str],
    overrides: Mapping[str, object] = _NOTHING,
    *,
    earlier: Mapping[str, object] = _NOTHING,
    files: Files = NO_FILES,
) -> Loaded:
    """Load the settings.

    Args:
        environ: the environment, such as ``os.environ``. Variables that are empty count as not set.
        overrides: the arguments of ``configure()`` by name, settings and groups of them. ``None`` leaves a
            setting to the environment.
        earlier: what ``configure()`` was asked for before, by setting: `Loaded.asked` of that time.
        files: the files of settings, from `ezlogs.settings.files`.

    Returns:
        The settings, with their sources and problems. A value that cannot be used is a problem, and the next
        weaker layer is asked, unless what it was meant to keep back would leave then. Layers below the one that
        is used are not looked at: ``EZLOGS_COMPRESSION`` settles an ``OTEL_EXPORTER_OTLP_COMPRESSION`` that only
        other exporters understand.

    Example:
        >>> loaded = load({"OTEL_SERVICE_NAME": "shop", "EZLOGS_TIMEOUT": "soon"})
        >>> loaded.settings.service_name, loaded.sources["service_name"]
        ('shop', 'OTEL_SERVICE_NAME in the environment')
        >>> print(*loaded.problems)
        EZLOGS_TIMEOUT in the environment: timeout 'soon': not a number; use 0.001 to 600 seconds

    Source: OpenTelemetry specification, "Environment Variable Specification".
    """
    now = layer(overrides, IN_CODE)
    in_code = {**layer(earlier, IN_CODE).given, **now.given}
    in_files = [file.layer() for file in files.found]
    unknown = [problem for one in (*in_files, now) for problem in one.problems]
    problems = [*files.problems, *_unknown_variables(environ), *unknown]
    of_followers: list[Problem] = []
    values: dict[str, Any] = {}
    counted: dict[str, Given] = {}
    for row in TABLE.values():
        for given in _strongest_first(row, in_code, environ, in_files):
            try:
                values[row.name] = given.kind.under(values).parse(given.value)
            except NothingSaidError:
                continue
            except UnacceptableError as refusal:
                quoted = f"{given.label} {given.kind.quoted(given.value)}"
                told = problems if given.name == row.name else of_followers
                told.append(Problem(given.source, quoted, str(refusal)))
                closed = given.kind.closed(given.value)
                if closed is None:
                    continue
                values[row.name] = closed
            counted[row.name] = given
            break
    from_files = {name for name, one in counted.items() if any(one is file.given.get(name) for file in in_files)}
    situation = Situation(Settings(**values), counted, from_files, environ)
    if situation.settings.carrier != "span":
        problems += (problem for problem in of_followers if problem not in problems)
    return Loaded(
        situation.settings,
        MappingProxyType({name: counted[name].source if name in counted else DEFAULT for name in TABLE}),
        (*problems, *contradictions(situation)),
        doubts(situation),
        MappingProxyType({name: given.value for name, given in in_code.items()}),
        tuple(file.name for file in files.found),
    )


def _strongest_first(
    row: Setting, in_code: Mapping[str, Given], environ: Mapping[str, str], in_files: Sequence[Layer]
) -> Sequence[Given]:
    """Where a value of a setting was given, the strongest place first.

    One that follows another takes what the application itself says of that one over what OpenTelemetry's variables
    say of it: those speak to every exporter.
    """
    ours = [*_ours(row, in_code, environ)]
    from_files = [*_from_files(row, in_files)]
    if row.follows is None:
        return [*ours, *_of_opentelemetry(row, row, environ), *from_files]
    name, kind = row.follows
    leader = TABLE[name]
    said = [given._replace(kind=kind) for given in _ours(leader, in_code, environ)]
    in_its_files = [given._replace(kind=kind) for given in _from_files(leader, in_files)]
    own = [*ours, *from_files] if said else ours
    return [*own, *said, *_of_opentelemetry(row, leader, environ), *from_files, *in_its_files]


def _ours(row: Setting, in_code: Mapping[str, Given], environ: Mapping[str, str]) -> Iterator[Given]:
    """What the application itself says of a setting, in code and by ezlogs' own variable."""
    if (given := in_code.get(row.name)) and given.value is not None:
        yield given
    if text := environ.get(row.variable, "").strip():
        yield Given(row.name, in_environment(row.variable), row.name, row.kind, text)


def _from_files(row: Setting, in_files: Sequence[Layer]) -> Iterator[Given]:
    """What files say of a setting, the strongest first."""
    return (file.given[row.name] for file in reversed(in_files) if row.name in file.given)


def _of_opentelemetry(row: Setting, leader: Setting, environ: Mapping[str, str]) -> Iterator[Given]:
    """What OpenTelemetry's variables say of a setting; those that speak of its leader, too, are the leader's."""
    for key, kind in row.otel.items():
        if text := environ.get(key, "").strip():
            name = leader.name if key in leader.otel else row.name
            yield Given(name, in_environment(key), name, kind, text)


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[Problem]:
    known = {row.variable for row in TABLE.values()}
    for key in sorted(key for key in environ if is_ours(key) and key not in known):
        # Compared without the prefix, which would make all names look alike.
        near = nearest(key.removeprefix(PREFIX), [*TABLE, CONFIG_FILE.removeprefix(PREFIX)])
        yield Problem(in_environment(key), "", unknown(near and PREFIX + near.upper()))
