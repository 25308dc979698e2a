"""Sign-ins over Django's own signals: who came, who went, and that somebody was turned away."""

import pytest
from django.contrib.auth import authenticate, get_user_model, user_logged_in, user_logged_out

import ezlogs

pytestmark = pytest.mark.usefixtures("instrumented")


@pytest.fixture
def ada(database):
    """A user."""
    return get_user_model().objects.create(username="ada", first_name="Ada")


def test_a_login_and_a_logout_are_told(ada, captured):
    """The user is both actor and subject."""
    user_logged_in.send(type(ada), request=None, user=ada)
    user_logged_out.send(type(ada), request=None, user=ada)
    user_logged_out.send(type(ada), request=None, user=None)
    logins = captured.of("auth.session")
    assert [(event.action, event.outcome) for event in logins] == [("login", "success"), ("logout", "success")]
    assert {event.actor for event in logins} == {ezlogs.Actor("user", str(ada.pk), "Ada")}
    assert logins[0].subject == ezlogs.Subject("user", str(ada.pk), "Ada")


def test_a_failed_login_names_nobody(database, captured):
    """Neither the name nor the password that was typed in is told."""
    assert authenticate(None, username="eve@example.com", password="hunter2") is None
    (event,) = captured.of("auth.session")
    assert (event.action, event.outcome, event.actor) == ("login_failed", "failure", ezlogs.Actor("anonymous"))
    assert "eve@example" not in repr(event)
