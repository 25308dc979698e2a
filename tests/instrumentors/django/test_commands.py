"""Management commands are told once each, from the command line and from code, and end as ever."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from django.core import management
from django.core.management import ManagementUtility, call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import autoreload

import ezlogs
from ezlogs import Actor, Subject
from ezlogs.correlation import current
from ezlogs.testing import capture
from ezlogs_instrumentors.django import commands

from .shop.management.commands.stock import Command

HOOKED = [(BaseCommand, "run_from_argv"), (BaseCommand, "execute"), (autoreload, "restart_with_reloader")]


@pytest.fixture(autouse=True)
def of_ada(monkeypatch, instrumented, database):
    """Ada runs the commands."""
    monkeypatch.setenv("LOGNAME", "ada")
    Command.seen.clear()


@pytest.fixture
def manage(capsys):
    """Run a command as ``manage.py`` does; return the exit code and both outputs."""

    def manage(*args: str) -> tuple[object, str, str]:
        code: object = None
        try:
            ManagementUtility(["/srv/shop/manage.py", *args]).execute()
        except SystemExit as ending:
            code = ending.code
        return (code, *capsys.readouterr())

    return manage


def ran(captured):
    """Return the events of commands."""
    return captured.of("cli.command")


def test_a_command_begins_a_story(captured, manage):
    """What it changes is caused by it, and done by the system's user; no argument is told."""
    assert manage("stock", "tag", "--limit", "5", "--password=hunter2") == (None, "counted\n", "")
    tagged, told = captured.events
    assert (told.event_type, told.action, told.outcome) == ("cli.command", "manage.py stock", "success")
    assert (told.actor, told.subject) == (Actor("cli", "ada"), Subject("command", "manage.py stock"))
    assert told.metadata == {"options": ("--limit", "--password"), "exit_code": 0}
    assert told.duration > 0
    assert tagged.action == "tag.create"
    assert tagged.correlation.parent_event_id == told.event_id
    assert (tagged.actor, current()) == (Actor("cli", "ada"), None)


@pytest.mark.parametrize(
    ("args", "end"),
    [
        (["error"], ("failure", 4, "django.core.management.base.CommandError")),
        (["3"], ("failure", 3, "SystemExit")),
        (["0"], ("success", 0, None)),
        ([], ("failure", 2, "SystemExit")),
        (["tag", "--limit", "hunter2"], ("failure", 2, "SystemExit")),
        (["tag", "--nope"], ("failure", 2, "SystemExit")),
    ],
)
def test_it_ends_as_its_exit_code_says(captured, manage, instrumented, args, end):
    """Also where Django makes one of an error; what it prints is the same without us."""
    with_us = manage("stock", *args)
    (told,) = ran(captured)
    assert told.action == "manage.py stock"
    assert (told.outcome, told.metadata["exit_code"], told.error.type if told.error else None) == end
    assert "hunter2" not in str(captured.exported)
    instrumented.uninstrument()
    assert manage("stock", *args) == with_us


@pytest.mark.parametrize(
    ("how", "error", "outcome"),
    [("bug", ZeroDivisionError, "failure"), ("interrupt", KeyboardInterrupt, "unknown")],
)
def test_what_nobody_catches_has_no_exit_code_yet(captured, manage, how, error, outcome):
    """Of Ctrl-C nobody knows how far it came."""
    with pytest.raises(error):
        manage("stock", how)
    (told,) = ran(captured)
    assert (told.outcome, told.metadata, told.error.type) == (outcome, {}, error.__name__)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 cannot be kept from telling of ours")
def test_a_traceback_shows_none_of_our_frames(captured):
    """What nobody catches is printed as ever."""
    with pytest.raises(ZeroDivisionError) as called:
        call_command("stock", "bug")
    with pytest.raises(ZeroDivisionError) as started:
        ManagementUtility(["manage.py", "stock", "bug"]).execute()
    paths = [str(entry.path) for entry in (*called.traceback, *started.traceback)]
    assert not [path for path in paths if "ezlogs_instrumentors" in path]
    assert len(ran(captured)) == 2


def test_an_error_with_its_traceback_is_raised(captured, manage):
    """On request Django hands it to Python."""
    with pytest.raises(CommandError):
        manage("stock", "error", "--traceback")
    (told,) = ran(captured)
    assert (told.outcome, told.error.message) == ("failure", "out of stock")


def test_help_is_no_run(captured, manage):
    """Of nothing."""
    assert manage("stock", "--help")[0] == 0
    assert manage("help")[0] is None
    assert captured.events == []


def test_a_command_that_another_one_calls_is_its_child(captured, manage):
    """By name or as an object, in its story and by its actor; a failure that is caught stays there."""
    manage("stock", "nested")
    manage("stock", "caught")
    _, first, _, second, outer, failed, caught = captured.events
    assert {event.action for event in (first, second, outer, failed, caught)} == {"manage.py stock"}
    assert {first.correlation.parent_event_id, second.correlation.parent_event_id} == {outer.event_id}
    assert outer.correlation.parent_event_id is None
    assert {event.correlation.correlation_id for event in captured.events[:5]} == {outer.correlation.correlation_id}
    assert {event.actor for event in captured.events} == {Actor("cli", "ada")}
    assert failed.correlation.parent_event_id == caught.event_id
    assert (failed.outcome, failed.metadata["exit_code"]) == ("failure", 4)
    assert (caught.outcome, caught.metadata["exit_code"]) == ("success", 0)


def test_a_command_that_code_calls_is_told(captured):
    """In somebody's story it stays there; else it has one of its own, and an error of its own kind is one."""
    with ezlogs.actor("user", 7), ezlogs.flow("signup", 1) as around:
        call_command("stock", "tag")
    call_command("inherited", "tag")
    with pytest.raises(ZeroDivisionError):
        call_command("stock", "bug")
    nested, own, failed = ran(captured)
    assert (nested.actor, nested.correlation) == (Actor("user", "7"), around.correlation)
    assert (own.action, own.actor, own.correlation.parent_event_id) == (
        "manage.py inherited",
        Actor("cli", "ada"),
        None,
    )
    assert (failed.outcome, failed.metadata) == ("failure", {})


def test_a_command_in_another_thread_of_a_loop_is_a_child(captured, manage):
    """asgiref takes the context along."""
    manage("stock", "async")
    tagged, inner, outer = captured.events
    assert tagged.correlation.parent_event_id == inner.event_id
    assert inner.correlation.parent_event_id == outer.event_id


def test_values_of_options_are_told_on_request(manage):
    """As the command has them; privacy is asked."""
    with capture(command_options="--limit,password,nope") as captured:
        manage("stock", "tag", "--password=hunter2")
        call_command("stock", "tag", limit=7)
    first, second = ran(captured)
    assert (first.metadata["option.limit"], second.metadata["option.limit"]) == (3, 7)
    assert "option.password" in first.metadata
    assert "option.password" not in second.metadata
    captured.assert_absent("hunter2")


def test_servers_begin_no_story(captured, manage):
    """What they serve begins its own."""
    assert manage("runserver", "tag")[0] is None
    call_command("runserver", "tag")
    assert (ran(captured), Command.seen) == ([], [None, None])
    assert [event.correlation.parent_event_id for event in captured.events] == [None, None]


def test_a_process_that_only_reloads_another_one_is_not_told(captured, manage, monkeypatch):
    """Nor does what it starts join its story."""
    stories = []
    monkeypatch.delenv(autoreload.DJANGO_AUTORELOAD_ENV, raising=False)
    monkeypatch.setattr(autoreload.signal, "signal", lambda *_: None)
    started = SimpleNamespace(run=lambda *_, **__: stories.append(current()) or SimpleNamespace(returncode=5))
    monkeypatch.setattr(autoreload, "subprocess", started)
    monkeypatch.setattr(autoreload, "get_child_arguments", list)
    assert manage("stock", "reload")[0] == 5
    assert (captured.events, stories) == ([], [None])
    with pytest.raises(SystemExit):
        autoreload.run_with_reloader(lambda: None)
    assert stories == [None, None]


def test_what_prepares_tests_is_not_told(tmp_path):
    """Django makes, fills and empties the tables of tests by commands; those that tests call themselves are told."""
    (tmp_path / "test_shop.py").write_text("""
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client, TransactionTestCase
class TestShop(TransactionTestCase):
    def test(self):
        call_command("createcachetable", verbosity=0)
        Client().get("/", headers={"host": "localhost"})
""")
    program = """
import sys
from ezlogs_instrumentors.django import DjangoInstrumentor
from ezlogs.testing import capture
DjangoInstrumentor().instrument()
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"], ROOT_URLCONF="__main__",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse())]
with capture() as captured:
    execute_from_command_line(["manage.py", "test", "--verbosity=0"])
told = [event for event in captured.events if event.event_type in ("cli.command", "http.request")]
print([(event.action, event.correlation.parent_event_id) for event in told])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False
    )
    assert "OK" in done.stderr
    assert done.stdout.splitlines()[-1] == "[('manage.py createcachetable', None), ('GET /', None)]", done.stderr


def test_nobody_listens():
    """Without a runtime a command runs as if nothing were there."""
    assert call_command("stock", "nested") == "counted"
    ManagementUtility(["manage.py", "stock", "tag"]).execute()


def test_hooks_that_were_left_below_others_do_nothing(captured, manage, instrumented, monkeypatch):
    """As somebody's wrapper around ours keeps them."""
    kept = [(owner, name, vars(owner)[name]) for owner, name in HOOKED]
    instrumented.uninstrument()
    for owner, name, ours in kept:
        monkeypatch.setattr(owner, name, ours)
    manage("stock", "nested")
    assert ran(captured) == []


def test_everything_is_put_back(instrumented):
    """Each place holds what it held before."""
    places = [*HOOKED, (management, "load_command_class")]
    ours = [vars(owner)[name] for owner, name in places]
    instrumented.uninstrument()
    before = [vars(owner)[name] for owner, name in places]
    assert not any(now is then for now, then in zip(ours, before, strict=True))
    instrumented.instrument()
    instrumented.uninstrument()
    assert all(vars(owner)[name] is then for (owner, name), then in zip(places, before, strict=True))


@pytest.mark.parametrize("name", ["_values", "_is_command_error", "_prepares_tests"])
def test_our_errors_never_reach_a_command(captured, manage, monkeypatch, name):
    """It then runs as ever, told or not."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("ezlogs.runtime.Runtime.report", lambda *_: None)
    monkeypatch.setattr(commands, name, broken)
    assert manage("stock", "nested")[0] is None
    assert manage("stock", "caught")[0] is None
    assert manage("stock", "error")[0] == 4
    assert current() is None


def test_a_project_can_be_started_before_there_is_one(tmp_path):
    """``startproject`` runs without settings."""
    program = """
import sys
from ezlogs_instrumentors.django import DjangoInstrumentor
from ezlogs.testing import capture
DjangoInstrumentor().instrument()
from django.core.management import execute_from_command_line
with capture() as captured:
    execute_from_command_line(["django-admin", "startproject", "shop", "."])
print([(event.action, event.outcome) for event in captured.events])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.stdout.strip() == "[('manage.py startproject', 'success')]", done.stderr
    assert (tmp_path / "manage.py").exists()


def test_a_command_may_have_any_options(capsys):
    """Also one that is called as we might call the command."""
    call_command("shell", command="print('it ran')", verbosity=0)
    assert capsys.readouterr().out == "it ran\n"
