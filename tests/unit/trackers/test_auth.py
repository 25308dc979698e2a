"""Sign-ins, as anybody may tell them: who acts, what it is about, how it ended, and what is never told."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import UserDict
from contextvars import Context
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import context

import ezlogs
from ezlogs import Actor, InvalidEvent, Subject
from ezlogs.runtime import current_runtime
from ezlogs.scope import Scope
from ezlogs.testing import Captured, capture
from ezlogs.trackers.auth import ACTIONS, denied, masked_name, refusable, route_of, scheme
from ezlogs.trackers.http import HttpTracker, PlainArrival

ADA = ("user", 7, "Ada")
ADA_ACTS, ADA_IS = Actor("user", "7", "Ada"), Subject("user", "7", "Ada")
BOB = Actor("user", "8", "Bob")


def only(captured: Captured) -> ezlogs.UniversalEvent:
    """Return the one event."""
    [event] = captured.of("auth.session")
    return event


@pytest.mark.parametrize("action", ["login", "logout"])
def test_who_comes_or_goes_acts_and_is_the_subject(captured: Captured, action: str) -> None:
    """A login is the user's own doing, although nobody was known before it."""
    ezlogs.auth(action, ADA, method="password", backend="ldap", metadata={"device": "phone"})
    event = only(captured)
    assert (event.action, event.actor, event.subject, event.outcome) == (action, ADA_ACTS, ADA_IS, "success")
    assert dict(event.metadata) == {"device": "phone", "method": "password", "backend": "ldap"}
    assert event.severity == "info"


@pytest.mark.parametrize("action", ["login", "logout", "password_changed"])
def test_without_a_user_it_is_the_present_one(captured: Captured, action: str) -> None:
    """Who acts is who is meant; the system is nobody who logs in."""
    with ezlogs.actor(ADA):
        ezlogs.auth(action)
    ezlogs.auth(action)
    ada, system = captured.events
    assert (ada.actor, ada.subject) == (ADA_ACTS, ADA_IS)
    assert (system.actor.type, system.subject) == ("system", None)


def test_what_was_given_for_a_fact_counts_over_metadata(captured: Captured) -> None:
    """Facts have one meaning."""
    ezlogs.auth("login", ADA, method="sso", metadata={"method": "password"})
    assert only(captured).metadata["method"] == "sso"


@pytest.mark.parametrize("given", [{"username": "ada@example.com"}, {"user": "ada@example.com"}])
def test_who_cannot_log_in_is_nobody_with_a_masked_name(captured: Captured, given: dict[str, Any]) -> None:
    """The name is what was claimed, so it is the subject; it leaves as it is, masked once."""
    ezlogs.auth("login_failed", **given, reason="locked")
    event = only(captured)
    assert event.actor == Actor("anonymous")
    assert event.subject == Subject("user", None, "a…@example.com")
    assert (event.outcome, event.severity, event.metadata["reason"]) == ("failure", "warn", "locked")
    assert captured.exported[0]["ezlogs.subject.label"] == "a…@example.com"
    captured.assert_absent("ada@example.com")


def test_an_account_that_is_known_may_be_named(captured: Captured) -> None:
    """An application that knows whose password was wrong says so."""
    ezlogs.auth("login_failed", ADA, username="ada@example.com", actor=BOB)
    event = only(captured)
    assert (event.actor, event.subject) == (BOB, ADA_IS)


def test_names_can_be_left_out_altogether() -> None:
    """The setting is for those to whom a first letter is too much."""
    with capture(login_names="none") as captured:
        ezlogs.auth("login_failed", username="ada@example.com")
    assert only(captured).subject is None
    assert "example" not in repr(captured.exported)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("ada", "a…"),
        ("  ada ", "a…"),
        ("a", "a…"),
        ("Ælfric", "Æ…"),
        ("ada@example.com", "a…@example.com"),
        ("ada+shop@mail.example.co.uk", "a…@mail.example.co.uk"),
        ("P@ssw0rd", "P…"),
        ("p@ss.w0rd", "p…"),
        ("p@ss.word!", "p…"),
        ("p@Ss.word", "p…"),
        ("p@-ss.word", "p…"),
        ("p@ss-.word", "p…"),
        ("p@ss..word", "p…"),
        ("p@ss.w", "p…"),
        ("a@b@example.com", "a…"),
        ("@example.com", "…"),
        ("!secret", "…"),
        ("a@" + "x" * 250 + ".com", "a…"),
        ("", None),
        ("  ", None),
        (None, None),
        (7, None),
        (b"ada", None),
    ],
)
def test_a_typed_name_is_masked(typed: object, told: str | None) -> None:
    """A first letter, and a domain only where it is certainly one: people type passwords into the wrong field."""
    assert masked_name(typed) == told


@given(st.text(min_size=2))
def test_no_name_lets_more_through_than_its_first_letter(typed: str) -> None:
    """Whatever has no domain is one letter at most, and its length is nobody's business."""
    told = masked_name(typed)
    if told is not None and "@" not in told:
        assert told in ("…", f"{typed.strip()[0]}…")


def test_a_name_of_a_class_of_its_own_runs_none_of_its_code(captured: Captured) -> None:
    """Names come from forms, and forms may make what they like."""

    class Name(str):
        def strip(self, chars: str | None = None, /) -> str:
            raise RuntimeError("the application's code ran")

    ezlogs.auth("login_failed", Name("ada"))
    assert only(captured).subject == Subject("user", None, "a…")


def test_a_password_is_changed_by_whoever_acts(captured: Captured) -> None:
    """Administrators change those of others."""
    with ezlogs.actor(BOB):
        ezlogs.auth("password_changed", ADA)
    event = only(captured)
    assert (event.actor, event.subject, event.outcome) == (BOB, ADA_IS, "success")


def test_a_refusal_is_the_present_actors(captured: Captured) -> None:
    """What was asked for is the subject; the exception is told too."""
    with ezlogs.actor(BOB):
        ezlogs.auth("permission_denied", subject=("permission", "orders.delete_order"), error=PermissionError("no"))
    ezlogs.auth("permission_denied", ADA)
    bob, ada = captured.events
    assert (bob.actor, bob.subject) == (BOB, Subject("permission", "orders.delete_order"))
    assert bob.error is not None
    assert (bob.error.type, bob.outcome, bob.severity) == ("PermissionError", "failure", "warn")
    assert (ada.actor, ada.subject) == (ADA_ACTS, None)


@pytest.mark.parametrize("action", ["impersonation_started", "impersonation_ended"])
def test_who_impersonates_acts_for_the_other(captured: Captured, action: str) -> None:
    """The one who is really there acts, on behalf of the one who is impersonated."""
    with ezlogs.actor(BOB):
        ezlogs.auth(action, ADA)
    ezlogs.auth(action, ADA, actor=("user", 8, "Bob"))
    for event in captured.events:
        assert event.actor == Actor("user", "8", "Bob", "user:7")
        assert (event.subject, event.outcome) == (ADA_IS, "success")


def test_an_impersonation_needs_somebody(captured: Captured) -> None:
    """In tests that is an error; in production the event is told all the same, and counted."""
    with pytest.raises(InvalidEvent, match="impersonation_started: missing 'user', who is impersonated"):
        ezlogs.auth("impersonation_started", actor=BOB)
    with capture(strict=False) as lenient:
        ezlogs.auth("impersonation_started", actor=BOB)
    assert only(lenient).actor == BOB


@pytest.mark.parametrize(("action", "shown"), [("logn", "'logn'"), (["login"], "of type list")])
def test_other_actions_are_errors_in_tests(captured: Captured, action: Any, shown: str) -> None:
    """The message says which there are."""
    with pytest.raises(InvalidEvent) as raised:
        ezlogs.auth(action, ADA)
    assert str(raised.value) == (
        f"ezlogs.auth: action {shown}: use login, logout, login_failed, password_changed, permission_denied, "
        "impersonation_started or impersonation_ended"
    )


def test_other_actions_are_told_in_production() -> None:
    """Nobody knows how it ended; the repair is counted."""
    with capture(strict=False) as captured:
        event = ezlogs.auth("mfa_enrolled", ADA)
        assert event is not None
        assert (event.action, event.outcome, event.actor, event.subject) == (
            "mfa_enrolled",
            "unknown",
            ADA_ACTS,
            ADA_IS,
        )
        runtime = current_runtime()
        assert runtime is not None
        assert runtime.ledger.counts()["invalid"] == 1
    assert len(captured.events) == 1


def test_a_user_that_is_none_is_an_error_in_tests(captured: Captured) -> None:
    """As for every event."""
    for action in ACTIONS:
        if action != "login_failed":
            with pytest.raises(InvalidEvent):
                ezlogs.auth(action, object())


@pytest.mark.parametrize("action", ACTIONS)
def test_nothing_raises_in_production(action: str) -> None:
    """Not even an object whose registered identity raises."""

    class Broken:
        pass

    def broken(_: object) -> object:
        raise RuntimeError("no")

    ezlogs.register_identity(Broken, broken)
    with capture(strict=False) as captured:
        for user in (Broken(), object(), b"\xff", {"type": 1}, [], 7):
            ezlogs.auth(action, user, metadata={"x": Broken()})
    assert [event.action for event in captured.events] == [action] * 6


def test_metadata_that_is_none_is_left_out() -> None:
    """An event is worth more than its metadata."""
    with capture() as captured, pytest.raises(InvalidEvent, match="metadata of type list: use a mapping"):
        ezlogs.auth("login", ADA, metadata=["device"])  # type: ignore[arg-type]  # the point of the test
    with capture(strict=False) as captured:
        ezlogs.auth("login", ADA, metadata=["device"], method="sso")  # type: ignore[arg-type]  # as above
    assert dict(only(captured).metadata) == {"method": "sso"}


def test_an_internal_error_is_reported_and_not_raised() -> None:
    """Whatever goes wrong here is not the application's problem."""

    class Facts(UserDict[str, object]):
        def __iter__(self) -> Any:
            raise RuntimeError("no")

    with capture(strict=False):
        assert ezlogs.auth("login", ADA, metadata=Facts(device="phone")) is None
    with pytest.raises(RuntimeError), capture():
        ezlogs.auth("login", ADA, metadata=Facts(device="phone"))


def test_nothing_is_told_where_nothing_listens() -> None:
    """As before `configure`, and where the type is disabled."""
    assert ezlogs.auth("login", ADA) is None
    assert denied("csrf") is None
    with capture(disabled_events=("auth.*",)) as captured:
        assert ezlogs.auth("no such action", object()) is None
    assert captured.events == []


def test_an_address_is_masked_as_the_settings_say(captured: Captured) -> None:
    """Its network is told, as for every event."""
    ezlogs.auth("login", ADA, client_address="203.0.113.7")
    assert captured.exported[0]["ezlogs.metadata.client_address"] == "203.0.113.0"


def test_sign_ins_are_among_the_last_to_be_given_up(captured: Captured) -> None:
    """They are an audit's, by default."""
    from ezlogs.priority import Priorities
    from ezlogs.settings import load

    event = ezlogs.auth("login", ADA)
    assert event is not None
    assert Priorities(load({}, {}).settings.audit_events).of(event).name == "AUDIT"


def test_a_refusal_is_told_once_for_each_request(captured: Captured) -> None:
    """Whoever sees it first tells it: the application, a hook, or in the end the status."""
    for first in (
        lambda: ezlogs.auth("permission_denied", reason="application"),
        lambda: denied("hook"),
        lambda: ezlogs.auth("login_failed", username="ada", reason="wrong"),
        lambda: denied("token", credentials=True),
    ):
        with Scope(refusable()):
            first()
            denied("again")
            denied(status=403)
            denied(status=401)
    assert [event.metadata["reason"] for event in captured.events] == ["application", "hook", "wrong", "token"]


def test_the_application_may_tell_as_often_as_it_likes(captured: Captured) -> None:
    """Checking several permissions is several refusals."""
    with Scope(refusable()):
        for name in ("read", "write"):
            ezlogs.auth("permission_denied", subject=("permission", name))
    assert len(captured.events) == 2


def test_other_requests_and_other_events_do_not_count(captured: Captured) -> None:
    """A login is no refusal, and each request has its own."""
    for _ in range(2):
        with Scope(refusable()):
            ezlogs.auth("login", ADA)
            denied(status=403)
    assert [event.action for event in captured.events] == ["login", "permission_denied"] * 2


def test_a_refusal_is_known_across_threads_that_have_the_context(captured: Captured) -> None:
    """Frameworks run views elsewhere; the request is the same one."""
    from contextvars import copy_context

    with Scope(refusable()):
        thread = threading.Thread(target=copy_context().run, args=(denied, "hook"))
        thread.start()
        thread.join()
        denied(status=403)
    assert [event.metadata["reason"] for event in captured.events] == ["hook"]


@pytest.mark.parametrize("status", [200, 302, 400, 404, 407, 500, 503])
def test_only_two_statuses_refuse(captured: Captured, status: int) -> None:
    """All others are about the request, not about who asked."""
    assert denied(status=status) is None
    assert denied("hook", status=status) is None
    assert captured.events == []


def test_a_request_that_ends_without_a_response_is_not_refused(captured: Captured) -> None:
    """An exception took its place: nobody said no."""
    assert denied(status=None, subject=route_of("POST", "/orders/{id}")) is None
    assert captured.events == []


@pytest.mark.parametrize(("status", "reason"), [(401, "unauthenticated"), (403, "forbidden")])
def test_a_status_says_why(captured: Captured, status: int, reason: str) -> None:
    """Where nobody knows better."""
    denied(status=status, subject=route_of("POST", "/orders/{id}"))
    denied("quota", status=status)
    assert [event.metadata["reason"] for event in captured.events] == [reason, "quota"]
    assert captured.events[0].subject == Subject("route", "POST /orders/{id}")


def test_a_refusal_can_be_told_from_outside_of_its_request(captured: Captured) -> None:
    """By the request's context, where it is no longer or not yet the current one."""
    request = HttpTracker("test").begin(PlainArrival("POST", "/orders/42", {}), peek=lambda: BOB)
    assert request is not None
    ctx = context.get_current()
    Context().run(lambda: denied(status=403, subject=route_of("POST", "/orders/{id}"), ctx=ctx))
    request.finish(403, route="/orders/{id}")
    refusal, told = only(captured), captured.of("http.request")[0]
    assert refusal.actor == BOB
    assert refusal.correlation.parent_event_id == told.event_id


def test_credentials_that_do_not_hold_are_a_failed_login_of_nobody(captured: Captured) -> None:
    """Who sent them is not known."""
    with ezlogs.actor(ADA):
        denied("expired", method="bearer", backend="jwt", credentials=True)
    event = only(captured)
    assert (event.action, event.actor, event.subject) == ("login_failed", Actor("anonymous"), None)
    assert dict(event.metadata) == {"method": "bearer", "backend": "jwt", "reason": "expired"}


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("Basic YWRhOmh1bnRlcjI=", "basic"),
        ("bearer abc", "bearer"),
        ("hunter2", None),
        ("Hunter2 abc", None),
        ("", None),
        (None, None),
    ],
)
def test_of_a_header_the_scheme_is_told_if_it_is_one(header: str | None, told: str | None) -> None:
    """A header without a scheme is the token itself."""
    assert scheme(header) == told


def test_a_route_without_a_method_and_none_at_all() -> None:
    """Websockets have no method; what matches nothing has no route."""
    assert route_of(None, "/ws") == Subject("route", "/ws")
    assert route_of("GET", None) is None


def test_importing_ezlogs_does_not_import_sign_ins() -> None:
    """Programs start without what they may never use; the name is there when it is asked for."""
    program = (
        "import sys, ezlogs; before = 'ezlogs.trackers.auth' in sys.modules; "
        "print(before, ezlogs.auth.__name__, 'auth' in ezlogs.__all__, hasattr(ezlogs, 'no_such_name'))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=50)
    assert done.stdout.split() == ["False", "auth", "True", "False"]
