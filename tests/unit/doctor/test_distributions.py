"""Who is elected to build the SDK, and what the doctor says of it."""

from __future__ import annotations

from importlib.metadata import EntryPoint

from ezlogs.doctor.distributions import elect, told

from .conftest import Install

GROUP = "opentelemetry_distro"
OURS = EntryPoint("ezlogs", "ezlogs.launch.distro:EzlogsDistro", GROUP)


def said(points: list[EntryPoint], chosen: str | None = None) -> list[tuple[str, str]]:
    """(verdict, text) of what is told."""
    return [(finding.verdict, str(finding)) for finding in told("distro", points, chosen)]


def test_alone_ezlogs_is_elected() -> None:
    """By itself, or by name."""
    assert said([OURS]) == said([OURS], "ezlogs") == [("fine", "distro: ezlogs")]
    assert elect([OURS], None).is_ours


def test_it_stands_back_for_another(install: Install) -> None:
    """Whichever comes first: elected it runs the other one, and otherwise adds itself at the end."""
    vendor = install("vendor", {"distro": "vendor:Distro"}, GROUP)
    assert said([OURS, *vendor]) == [("fine", "distro: vendor 1.0 ('distro'); ezlogs stands back for it")]
    assert said([*vendor, OURS]) == [("fine", "distro: vendor 1.0 ('distro'); ezlogs adds itself to what it builds")]
    assert not elect([OURS, *vendor], None).is_ours


def test_chosen_by_name_it_runs_itself(install: Install) -> None:
    """The variable decides, for either."""
    vendor = install("vendor", {"distro": "vendor:Distro"}, GROUP)
    assert said([*vendor, OURS], "ezlogs") == [
        ("fine", "distro: ezlogs, not vendor 1.0 ('distro'), as OTEL_PYTHON_DISTRO says")
    ]
    assert said([OURS, *vendor], "distro") == [
        ("fine", "distro: vendor 1.0 ('distro'); ezlogs adds itself to what it builds")
    ]


def test_a_name_that_nobody_has_elects_nobody() -> None:
    """The loader then runs none, without a word."""
    assert said([OURS], "ezlog") == [
        ("warning", "distro: OTEL_PYTHON_DISTRO names 'ezlog', which is not installed: none runs; use one of ezlogs")
    ]


def test_two_of_one_name_are_left_to_chance(install: Install) -> None:
    """Vendors all call theirs `distro`; it matters unless another name is chosen."""
    vendors = [*install("vendor-a", {"distro": "a:D"}, GROUP), *install("vendor-b", {"distro": "b:D"}, GROUP)]
    warning = (
        "warning",
        "distro: vendor-a, vendor-b call theirs 'distro': chance decides which of them runs; uninstall all but one",
    )
    assert warning in said([OURS, *vendors])
    assert warning in said([OURS, *vendors], "distro")
    assert warning not in said([OURS, *vendors], "ezlogs")


def test_an_entry_point_of_no_package_is_called_by_its_module() -> None:
    """As in a program that brings its own."""
    assert said([EntryPoint("x", "vendor.distro:Distro", GROUP)]) == [
        ("fine", "distro: vendor.distro ('x'); ezlogs adds itself to what it builds")
    ]
