"""Sign-ins with Django: who came and went, who was refused, whose password changed, and who acts as whom."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import authenticate, get_user_model, user_logged_in, user_logged_out, user_login_failed
from django.contrib.auth.forms import SetPasswordForm, UserCreationForm
from django.contrib.auth.models import User
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext, override_settings

import ezlogs
from ezlogs import Actor, Subject
from ezlogs.scope import Scope
from ezlogs.testing import capture
from ezlogs.trackers.auth import refusable
from ezlogs_instrumentors.django.signins import changes_password

MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "hijack.middleware.HijackUserMiddleware",
    f"{__package__}.door.refuse_in_middleware",
]

pytestmark = pytest.mark.usefixtures("instrumented", "urls", "database")


@pytest.fixture
def urls():
    """Views that log in, out, and refuse."""
    with override_settings(ROOT_URLCONF=f"{__package__}.door", LOGIN_REDIRECT_URL="/", LOGOUT_REDIRECT_URL="/"):
        yield


@pytest.fixture
def ada(database):
    """A user, whose making is nobody's business here."""
    with capture():
        return User.objects.create_user("ada", password="hunter2", first_name="Ada")


@pytest.fixture
def client(ada):
    """A client that gets responses for exceptions, as browsers do."""
    return Client(raise_request_exception=False)


def acts(user):
    """The user as an actor."""
    return Actor("user", str(user.pk), user.first_name)


def only(captured):
    """The one sign-in."""
    [event] = captured.of("auth.session")
    return event


def test_a_login_and_a_logout_are_told(ada, captured):
    """The user is both actor and subject."""
    user_logged_in.send(type(ada), request=None, user=ada)
    user_logged_out.send(type(ada), request=None, user=ada)
    user_logged_out.send(type(ada), request=None, user=None)
    logins = captured.of("auth.session")
    assert [(event.action, event.outcome) for event in logins] == [("login", "success"), ("logout", "success")]
    assert {event.actor for event in logins} == {acts(ada)}
    assert logins[0].subject == Subject("user", str(ada.pk), "Ada")


def test_after_a_login_the_user_acts_and_after_a_logout_nobody(ada, client, captured):
    """In the request that logs in, and in the one that logs out."""
    client.post("/enter/", {"username": "ada", "password": "hunter2"})
    client.post("/leave/")
    login, logout = captured.of("auth.session")
    assert login.metadata["backend"] == MODEL_BACKEND
    assert [login.actor, logout.actor] == [acts(ada)] * 2
    placed, placed_by_nobody = captured.of("order.action")
    assert (placed.actor, placed_by_nobody.actor) == (acts(ada), Actor("anonymous"))
    entered, left = captured.of("http.request")
    assert (entered.actor, left.actor) == (acts(ada), Actor("anonymous"))
    assert (login.correlation.parent_event_id, logout.correlation.parent_event_id) == (entered.event_id, left.event_id)


def test_the_same_holds_asynchronously(ada, captured):
    """With Django's asynchronous functions."""

    async def visit():
        client = AsyncClient()
        await client.post("/async/enter/", {"username": "ada", "password": "hunter2"})
        await client.post("/async/leave/")

    async_to_sync(visit)()
    assert [event.action for event in captured.of("auth.session")] == ["login", "logout"]
    assert [event.actor for event in captured.of("order.action")] == [acts(ada), Actor("anonymous")]


def test_a_login_is_told_at_once(client, captured):
    """Whatever becomes of the transaction around it: somebody was there who knew the password."""
    client.post("/enter/in-vain/", {"username": "ada", "password": "hunter2"})
    assert only(captured).action == "login"


def test_a_failed_login_tells_a_masked_name(client, captured):
    """And of the credentials nothing else."""
    assert client.post("/enter/", {"username": "eve@example.com", "password": "hunter3"}).status_code == 401
    event = only(captured)
    assert (event.action, event.outcome, event.actor) == ("login_failed", "failure", Actor("anonymous"))
    assert event.subject == Subject("user", None, "e…@example.com")
    for secret in ("eve@example.com", "hunter3"):
        captured.assert_absent(secret)


def test_a_failed_login_with_other_credentials_tells_no_name(captured):
    """Only what the user model calls the name of its users is taken for one."""
    assert authenticate(None, token="t0psecret", otp="123456") is None
    user_login_failed.send("tests", request=None)
    user_login_failed.send("tests", credentials=None, request=None)
    user_login_failed.send("tests", credentials={"email": "eve@example.com"}, request=None)
    assert [event.subject for event in captured.of("auth.session")] == [None] * 4


def test_the_name_is_what_the_user_model_says(captured, monkeypatch):
    """Such as the e-mail address."""
    monkeypatch.setattr(get_user_model(), "USERNAME_FIELD", "email")
    user_login_failed.send("tests", credentials={"email": "eve@example.com"}, request=None)
    assert only(captured).subject.label == "e…@example.com"


def test_a_changed_password_is_told(ada, captured):
    """By whoever acts, once for each change, and never the password."""
    ada.set_password("correct horse")
    with ezlogs.actor(("user", 99, "Root")):
        ada.save()
    ada.save()
    event = only(captured)
    assert (event.action, event.actor, event.subject) == (
        "password_changed",
        Actor("user", "99", "Root"),
        Subject("user", str(ada.pk), "Ada"),
    )
    assert "correct horse" not in repr(captured.exported)


def test_a_form_changes_a_password(ada, captured):
    """As Django's own views do."""
    form = SetPasswordForm(ada, {"new_password1": "correct horse", "new_password2": "correct horse"})
    assert form.is_valid()
    form.save()
    assert only(captured).action == "password_changed"


def test_a_password_changes_asynchronously(ada, captured):
    """With `asave`."""
    ada.set_password("correct horse")
    async_to_sync(ada.asave)()
    assert only(captured).action == "password_changed"


def test_a_new_user_changes_no_password(captured):
    """The first one is part of the user's making."""
    User.objects.create_user("bob", password="hunter2")
    form = UserCreationForm({"username": "eve", "password1": "correct horse", "password2": "correct horse"})
    assert form.is_valid(), form.errors
    form.save()
    assert captured.of("auth.session") == []


def test_a_better_hash_is_no_new_password(ada, client, captured):
    """Django hashes passwords anew at a login when the settings ask for it."""
    hashers = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", "django.contrib.auth.hashers.MD5PasswordHasher"]
    before = ada.password
    with override_settings(PASSWORD_HASHERS=hashers):
        client.post("/enter/", {"username": "ada", "password": "hunter2"})
    ada.refresh_from_db()
    assert ada.password != before
    assert [event.action for event in captured.of("auth.session")] == ["login"]


def test_a_password_that_is_not_saved_does_not_change(ada, captured):
    """Neither when other fields are saved, nor when saving fails."""
    ada.set_password("correct horse")
    assert not changes_password(ada, ["last_login"])
    assert changes_password(ada, ["password"])
    with pytest.raises(ValueError, match="nonsense"):
        ada.save(update_fields=["password", "nonsense"])
    ada.save(update_fields=["last_login"])
    assert captured.of("auth.session") == []


def test_a_refusal_tells_who_asked_for_what(ada, client, captured):
    """The route is the subject, never the path; the response is as it was."""
    client.force_login(ada)
    captured.clear()
    assert client.get("/orders/42/").status_code == 403
    event = only(captured)
    assert (event.action, event.outcome, event.severity) == ("permission_denied", "failure", "warn")
    assert event.subject == Subject("route", "GET /orders/{pk}/")
    assert event.metadata["reason"] == "permission_denied"
    assert event.error.type == "django.core.exceptions.PermissionDenied"
    assert event.actor == Actor("unknown")  # nobody asked who it is
    assert event.correlation.parent_event_id == captured.of("http.request")[0].event_id


def test_a_refusal_knows_the_user_whom_the_view_asked_for(ada, client, captured):
    """As every decorator does that asks for a permission."""
    client.force_login(ada)
    captured.clear()
    assert client.get("/users/add/").status_code == 403
    assert only(captured).actor == acts(ada)


def test_what_the_application_told_is_not_told_again(client, captured):
    """It knows best, so the exception and the response add nothing."""
    with Scope(refusable()):
        assert client.get("/told/").status_code == 403
    assert only(captured).metadata["reason"] == "plan"


def test_an_asynchronous_view_refuses_too(captured):
    """In the thread that makes the response."""

    async def visit():
        return await AsyncClient().get("/async/orders/42/")

    assert async_to_sync(visit)().status_code == 403
    assert only(captured).subject == Subject("route", "GET /async/orders/{pk}/")


def test_middleware_refuses_what_has_no_route_yet(client, captured):
    """Then nothing tells what was asked for."""
    with override_settings(MIDDLEWARE=MIDDLEWARE):
        assert Client().get("/private/?blocked=1").status_code == 403
    assert only(captured).subject is None


def test_being_asked_to_log_in_is_no_refusal(client, captured):
    """A redirection to the page to log in is where most people begin."""
    assert client.get("/private/").status_code == 302
    assert captured.of("auth.session") == []


def test_other_exceptions_are_no_refusals(client, captured):
    """404 and 500 are about the request."""
    client.get("/nowhere/")
    client.post("/enter/")
    assert captured.of("auth.session") == []


def test_a_request_without_a_token_against_forgery_is_refused(captured):
    """The reason is a word: Django's own text may hold what the client sent."""
    client = Client(enforce_csrf_checks=True)
    assert client.post("/form/", headers={"origin": "https://evil.example"}).status_code == 403
    event = only(captured)
    assert (event.action, event.metadata["reason"], event.subject.id) == ("permission_denied", "csrf", "POST /form/")
    assert "evil.example" not in repr(captured.exported)


def test_rest_framework_refuses_whoever_shows_nothing(client, captured):
    """With 401 or 403, as its authentication has it."""
    assert client.get("/api/").status_code == 401
    assert client.get("/api/session/").status_code == 403
    told = [(event.action, event.metadata["reason"], event.subject.id) for event in captured.of("auth.session")]
    assert told == [
        ("permission_denied", "not_authenticated", "GET /api/"),
        ("permission_denied", "not_authenticated", "GET /api/session/"),
    ]


def test_rest_framework_refuses_whoever_may_not(ada, client, captured):
    """The user is known by then."""
    client.force_login(ada)
    captured.clear()
    assert client.get("/api/session/").status_code == 403
    event = only(captured)
    assert (event.actor, event.metadata["reason"]) == (acts(ada), "permission_denied")


def test_credentials_that_do_not_hold_are_a_failed_login(client, captured):
    """Of the header only its scheme is told, and the exception's text is not."""
    assert client.get("/api/", headers={"authorization": "Bearer hunter2"}).status_code == 401
    event = only(captured)
    assert (event.action, event.actor, event.subject) == ("login_failed", Actor("anonymous"), None)
    assert dict(event.metadata) == {"method": "bearer", "reason": "bad_token"}
    captured.assert_absent("hunter2")


def test_rest_framework_hands_on_what_django_refuses(client, captured):
    """An exception of Django's has no code; what is not found is no refusal."""
    assert client.get("/api/nothing/").status_code == 404
    assert client.get("/api/nothing/?refuse=1").status_code == 403
    assert only(captured).metadata["reason"] == "forbidden"


def test_who_impersonates_acts_until_it_ends(ada, captured):
    """In the same request, in later ones of the session, and in the end again as oneself; and nobody logs in."""
    with capture():
        root = User.objects.create_superuser("root", password="hunter2", first_name="Root")
    with override_settings(MIDDLEWARE=MIDDLEWARE, HIJACK_INSERT_BEFORE=None):
        client = Client()
        client.force_login(root)
        captured.clear()
        assert client.post("/hijack/acquire/", {"user_pk": ada.pk}).status_code == 302
        assert client.get("/private/").status_code == 200
        assert client.post("/hijack/release/").status_code == 302
        assert client.get("/private/").status_code == 200
    started, ended = captured.of("auth.session")
    assert (started.action, ended.action) == ("impersonation_started", "impersonation_ended")
    for event in (started, ended):
        assert event.actor == Actor("user", str(root.pk), "Root", f"user:{ada.pk}")
        assert event.subject == Subject("user", str(ada.pk), "Ada")
    during, after = captured.of("order.action")
    assert during.actor == Actor("user", str(root.pk), None, f"user:{ada.pk}")
    assert after.actor == acts(root)


def test_signing_in_makes_no_query_and_changes_no_response(ada, instrumented, captured):
    """Queries, headers and bodies are the same without ezlogs."""
    paths = ("/orders/42/", "/users/add/", "/private/", "/form/", "/api/", "/api/session/", "/forbidden/")

    def visit():
        client = Client(enforce_csrf_checks=True)
        with CaptureQueriesContext(connection) as queries:
            answers = [client.post("/enter/", {"username": "ada", "password": password}) for password in "xy"]
            client.force_login(ada)
            answers += [client.get(path) for path in paths] + [client.post("/form/"), client.post("/leave/")]
        return [(answer.status_code, sorted(answer.headers.items()), answer.getvalue()) for answer in answers], len(
            queries
        )

    with_ezlogs = visit()
    told = len(captured.of("auth.session"))
    assert told >= 8
    instrumented.uninstrument()
    assert visit() == with_ezlogs
    ada.set_password("correct horse")
    ada.save()
    assert len(captured.of("auth.session")) == told
