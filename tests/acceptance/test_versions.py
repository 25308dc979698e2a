"""The versions that the documentation says are tested are those of the locks, and the oldest are what is asked for."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.version import Version

REPOSITORY = Path(__file__).parents[2]

# Packages as they are called in the table, in its order.
NAMES = {
    "django": "Django",
    "djangorestframework": "Django REST framework",
    "django-ninja": "django-ninja",
    "django-hijack": "django-hijack",
    "flask": "Flask",
    "werkzeug": "Werkzeug",
    "flask-login": "Flask-Login",
    "flask-sqlalchemy": "Flask-SQLAlchemy",
    "starlette": "Starlette",
    "fastapi": "FastAPI",
    "litestar": "Litestar",
    "bottle": "Bottle",
    "uvicorn": "uvicorn",
    "gunicorn": "gunicorn",
    "gevent": "gevent",
    "graphql-core": "graphql-core",
    "strawberry-graphql": "Strawberry",
    "graphene": "Graphene",
    "ariadne": "Ariadne",
    "sqlalchemy": "SQLAlchemy",
    "sqlmodel": "SQLModel",
    "celery": "Celery",
    "click": "click",
    "typer": "typer",
    "requests": "requests",
    "urllib3": "urllib3",
    "httpx": "httpx",
    "aiohttp": "aiohttp",
    "aiosmtplib": "aiosmtplib",
    "fastapi-mail": "FastAPI-Mail",
    "flask-mail": "Flask-Mail",
    "rq": "RQ",
    "huey": "Huey",
    "dramatiq": "Dramatiq",
    "arq": "arq",
    "apscheduler": "APScheduler",
}


def locked(lock: str) -> dict[str, Version]:
    """Return what a lock has of each package, with the Python that the documentation names."""
    text = (REPOSITORY / "constraints" / lock).read_text()
    pins = re.findall(r"(?m)^([a-z0-9._-]+)==(\S+)(?: ; (.+))? \\$", text)
    python = {"python_version": "3.11", "python_full_version": "3.11.9"}
    return {name: Version(version) for name, version, marker in pins if not marker or Marker(marker).evaluate(python)}


def table() -> str:
    """Return the table of the documentation."""
    oldest, newest = locked("older.txt"), locked("dev.txt")
    rows = [f"| {called} | {oldest.get(name, newest[name])} | {newest[name]} |" for name, called in NAMES.items()]
    return "\n".join(["| | oldest | newest |", "|---|---|---|", *rows])


def test_the_table_of_versions_is_what_the_locks_say() -> None:
    """After `make constraints` put what this prints into the documentation."""
    assert table() in (REPOSITORY / "docs/compatibility.md").read_text(), f"the table is now:\n{table()}"


ASKED = [
    Requirement(text)
    for entry in entry_points(group="opentelemetry_instrumentor")
    if entry.name.startswith("ezlogs_")
    for text in entry.load()().instrumentation_dependencies()
]


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_the_oldest_version_that_an_instrumentor_asks_for_is_tested(asked: Requirement) -> None:
    """It may not promise what nobody has tried."""
    (least,) = (one for one in asked.specifier if one.operator == ">=")
    assert asked.name in NAMES
    tested = locked("older.txt").get(asked.name) or locked("dev.txt")[asked.name]
    assert tested in asked.specifier
    assert tested.release[: len(Version(least.version).release)] == Version(least.version).release
