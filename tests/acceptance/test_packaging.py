"""What a stranger installs: the wheel's contents and metadata, the locks, and a clean repository."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, PathDistribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[2]
LOCKS = ["dev.txt", "neighbours.txt", "peers.txt", "contrib.txt", "older.txt"]

ENTRY_POINTS = {
    ("console_scripts", "ezlogs", "ezlogs.cli:main"),
    ("pytest11", "ezlogs", "ezlogs_pytest"),
    ("opentelemetry_distro", "ezlogs", "ezlogs.launch.distro:EzlogsDistro"),
    ("opentelemetry_configurator", "ezlogs", "ezlogs.launch.configurator:EzlogsConfigurator"),
    ("opentelemetry_post_instrument", "ezlogs", "ezlogs.launch.post:post_instrument"),
    ("opentelemetry_propagator", "ezlogs", "ezlogs.propagation.propagator:EzlogsPropagator"),
    ("opentelemetry_sampler", "ezlogs", "ezlogs.sampling.spans:sampler"),
    ("opentelemetry_sampler", "parentbased_ezlogs", "ezlogs.sampling.spans:parent_based"),
    ("opentelemetry_traces_sampler", "ezlogs", "ezlogs.sampling.spans:sampler"),
    ("opentelemetry_traces_sampler", "parentbased_ezlogs", "ezlogs.sampling.spans:parent_based"),
    ("opentelemetry_instrumentor", "ezlogs_django", "ezlogs_instrumentors.django:DjangoInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_flask_login", "ezlogs_instrumentors.flask_login:FlaskLoginInstrumentor"),
    (
        "opentelemetry_instrumentor",
        "ezlogs_starlette_auth",
        "ezlogs_instrumentors.starlette_auth:StarletteAuthInstrumentor",
    ),
    ("opentelemetry_instrumentor", "ezlogs_flask", "ezlogs_instrumentors.flask:FlaskInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_celery", "ezlogs_instrumentors.celery:CeleryInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_smtplib", "ezlogs_instrumentors.smtplib:SmtplibInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_aiosmtplib", "ezlogs_instrumentors.aiosmtplib:AiosmtplibInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_flask_mail", "ezlogs_instrumentors.flask_mail:FlaskMailInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_fastapi_mail", "ezlogs_instrumentors.fastapi_mail:FastapiMailInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_threading", "ezlogs_instrumentors.threading:ThreadingInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_exceptions", "ezlogs_instrumentors.exceptions:ExceptionsInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_logging", "ezlogs_instrumentors.logging:LoggingInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_futures", "ezlogs_instrumentors.futures:FuturesInstrumentor"),
    (
        "opentelemetry_instrumentor",
        "ezlogs_multiprocessing",
        "ezlogs_instrumentors.multiprocessing:MultiprocessingInstrumentor",
    ),
    ("opentelemetry_instrumentor", "ezlogs_subprocess", "ezlogs_instrumentors.subprocess:SubprocessInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_gevent", "ezlogs_instrumentors.gevent:GeventInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_graphql", "ezlogs_instrumentors.graphql:GraphqlInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_uvicorn", "ezlogs_instrumentors.uvicorn:UvicornInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_starlette", "ezlogs_instrumentors.starlette:StarletteInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_requests", "ezlogs_instrumentors.requests:RequestsInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_urllib3", "ezlogs_instrumentors.urllib3:Urllib3Instrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_click", "ezlogs_instrumentors.click:ClickInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_httpx", "ezlogs_instrumentors.httpx:HttpxInstrumentor"),
    (
        "opentelemetry_instrumentor",
        "ezlogs_aiohttp_client",
        "ezlogs_instrumentors.aiohttp_client:AiohttpClientInstrumentor",
    ),
    ("opentelemetry_instrumentor", "ezlogs_urllib", "ezlogs_instrumentors.urllib:UrllibInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_rq", "ezlogs_instrumentors.rq:RqInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_huey", "ezlogs_instrumentors.huey:HueyInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_dramatiq", "ezlogs_instrumentors.dramatiq:DramatiqInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_arq", "ezlogs_instrumentors.arq:ArqInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_apscheduler", "ezlogs_instrumentors.apscheduler:ApschedulerInstrumentor"),
    ("opentelemetry_instrumentor", "ezlogs_sqlalchemy", "ezlogs_instrumentors.sqlalchemy:SqlalchemyInstrumentor"),
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel, built offline from this checkout by the build back-end that the constraints pin."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=50)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def distribution(wheel: zipfile.ZipFile) -> Distribution:
    """The wheel's metadata, as an installer reads it."""
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return PathDistribution(zipfile.Path(wheel, str(Path(metadata).parent) + "/"))


def repository_files() -> list[Path]:
    """The files of the checkout that git does not ignore, relative to its root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=30).stdout
    names = listed.decode().rstrip("\0").split("\0")
    return [Path(name) for name in names if (REPOSITORY / name).is_file()]


def requirements(distribution: Distribution) -> list[Requirement]:
    """All requirements in the metadata, those of extras included."""
    return [Requirement(line) for line in distribution.requires or []]


def applies(requirement: Requirement, extras: list[str]) -> bool:
    """Whether a requirement counts on this Python, with these extras or none."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ["", *extras])


def fits(requirement: Requirement, pin: Requirement | None) -> bool:
    """Whether a pin is there and its version is one that the requirement allows."""
    versions = [specifier.version for specifier in pin.specifier] if pin else []
    return any(requirement.specifier.contains(version, prereleases=True) for version in versions)


def pins(lock: str) -> dict[str, str]:
    """Each pinned requirement of a lock file (with its marker) and all that belongs to it."""
    text = (REPOSITORY / "constraints" / lock).read_text()
    blocks = re.split(r"\n(?=\S)", re.sub(r"(?m)^ *#.*\n", "", text).rstrip("\n"))
    return {block.split("\\")[0].strip(): block for block in blocks}


def test_wheel_holds_its_packages_and_says_that_they_are_typed(wheel: zipfile.ZipFile) -> None:
    """The one wheel installs ezlogs, its instrumentors and pytest plugin, each marked as typed, and nothing else."""
    names = wheel.namelist()

    packages = {"ezlogs", "ezlogs_instrumentors", "ezlogs_pytest"}
    assert {"ezlogs/version.py", *(f"{package}/py.typed" for package in packages)} <= set(names)
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == packages


def test_wheel_holds_every_source_file(wheel: zipfile.ZipFile) -> None:
    """What git tracks under the packages is in the wheel: templates and pages as well as modules."""
    tracked = {path for path in repository_files() if path.parts[0] in ("src", "instrumentors")}

    assert {path.relative_to(path.parts[0]).as_posix() for path in tracked} <= set(wheel.namelist())


def test_wheel_holds_the_page_with_the_licences_of_its_libraries(wheel: zipfile.ZipFile) -> None:
    """The page of `ezlogs dev` needs nothing from elsewhere, and names whose work is in it."""
    page = "ezlogs/dev/page/"
    assert {f"{page}index.html", f"{page}vendor/libraries.js", f"{page}vendor/uplot.css"} <= set(wheel.namelist())
    licences = wheel.read(f"{page}vendor/LICENSES.txt").decode()
    asked: dict[str, str] = json.loads((REPOSITORY / "tools/page/package.json").read_text())["dependencies"]
    for name, version in asked.items():
        assert f"{name} {version}\n" in licences


def test_the_lock_of_the_page_says_what_and_not_where_from() -> None:
    """Each package of it has one version and a hash; where it comes from is the business of the machine."""
    packages = json.loads((REPOSITORY / "tools/page/package-lock.json").read_text())["packages"]
    locked = [package for name, package in packages.items() if name]
    assert all({"version", "integrity"} <= set(package) for package in locked)
    assert [package for package in locked if "resolved" in package] == []


def test_sdist_holds_the_page(tmp_path: Path) -> None:
    """Whoever builds from source has it, too, and none of what it is bundled with."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=50)
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = archive.getnames()
    for part in ("app.js", "vendor/libraries.js", "vendor/LICENSES.txt"):
        assert any(name.endswith(f"src/ezlogs/dev/page/{part}") for name in names)
    assert [name for name in names if "node_modules" in name] == []


def test_wheel_carries_the_licence(wheel: zipfile.ZipFile, distribution: Distribution) -> None:
    """The wheel names Apache-2.0 and holds its whole text."""
    (licence,) = (name for name in wheel.namelist() if name.endswith("/licenses/LICENSE"))

    assert wheel.read(licence).decode() == (REPOSITORY / "LICENSE").read_text()
    assert distribution.metadata["License-Expression"] == "Apache-2.0"


def test_wheel_has_the_version_of_the_package(distribution: Distribution) -> None:
    """The version in the metadata is the one that the package reports."""
    from ezlogs.version import __version__

    assert distribution.metadata["Name"] == "ezlogs-opentelemetry"
    assert distribution.version == __version__


def test_wheel_registers_its_entry_points(distribution: Distribution) -> None:
    """OpenTelemetry and the shell find ezlogs under the names that the documentation gives."""
    found = {(point.group, point.name, point.value) for point in distribution.entry_points}

    assert found == ENTRY_POINTS


@pytest.mark.parametrize(("group", "name", "value"), sorted(ENTRY_POINTS), ids=lambda part: part)
def test_entry_point_names_something_that_can_be_called(group: str, name: str, value: str) -> None:
    """Every entry point leads to a real object: OpenTelemetry gives up on all vendors where one does not."""
    found = EntryPoint(name, value, group).load()
    assert callable(found.ezlogs_events if group == "pytest11" else found)  # a plugin of pytest's is a module


def test_no_extra_is_read_as_a_list_of_instrumented_libraries(distribution: Distribution) -> None:
    """No extra's name contains "instruments": OpenTelemetry would apply it to all instrumentors at once."""
    extras = distribution.metadata.get_all("Provides-Extra") or []

    assert {"dev", "django", "celery", "all", "demo"} <= set(extras)
    assert [extra for extra in extras if "instruments" in extra] == []


def test_requirements_are_ranges(distribution: Distribution) -> None:
    """Nothing is pinned exactly, so that ezlogs can be installed beside any other distribution."""
    exact = [
        str(requirement)
        for requirement in requirements(distribution)
        if any(specifier.operator in ("==", "===") for specifier in requirement.specifier)
    ]

    assert exact == []


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_hashes_every_pin(lock: str) -> None:
    """Each pin is one exact version with at least one hash, so that an install can be repeated."""
    exact = re.compile(r"[a-z0-9._-]+==[^\s*]+( ;|$)")
    hashed = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")
    loose = [pin for pin, block in pins(lock).items() if not (exact.match(pin) and hashed.search(block))]

    assert len(pins(lock)) > 20
    assert loose == []


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_holds_no_address(lock: str) -> None:
    """A lock says what to install, never where from: each machine has its own package index."""
    text = (REPOSITORY / "constraints" / lock).read_text()

    assert re.findall(r"://|--(?:extra-)?index-url|--find-links|--trusted-host| @ ", text) == []


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("dev.txt", ["dev", "demo", "test", "lint"]),
        ("neighbours.txt", ["dev", "demo", "test", "django", "celery"]),
        ("peers.txt", []),
        ("contrib.txt", []),
        ("older.txt", []),
    ],
    ids=LOCKS,
)
def test_lock_answers_every_requirement(distribution: Distribution, lock: str, extras: list[str]) -> None:
    """A lock holds, for this Python, a fitting version of all that the project asks for."""
    pinned = {pin.name: pin for pin in map(Requirement, pins(lock)) if applies(pin, [])}

    unanswered = [
        str(requirement)
        for requirement in requirements(distribution)
        if requirement.name != distribution.metadata["Name"] and applies(requirement, extras)
        if not fits(requirement, pinned.get(requirement.name))
    ]

    assert unanswered == []


def test_repository_names_no_package_index() -> None:
    """No file says where packages come from: that is the business of the machine that installs them."""
    hosts = [name.encode() for name in ("pypi" + ".org", "pythonhosted" + ".org")]
    naming = [
        path.as_posix()
        for path in repository_files()
        if any(host in (REPOSITORY / path).read_bytes() for host in hosts)
    ]

    assert naming == []
