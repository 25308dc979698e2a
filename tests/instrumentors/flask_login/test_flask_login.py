"""Sign-ins with Flask-Login: over Flask's test client, and what becomes of the present user."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import flask_login
import pytest
from flask import Flask, abort, g
from flask_login import AnonymousUserMixin, LoginManager, UserMixin
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event as sqlalchemy_event

import ezlogs
from ezlogs import Actor, Subject
from ezlogs.actor import with_acting
from ezlogs.scope import Scope
from ezlogs.testing import Captured
from ezlogs.trackers.auth import refusable
from ezlogs_instrumentors.flask_login import FlaskLoginInstrumentor, peek_at_user

ADA_ACTS, ADA_IS = Actor("user", "7", "Ada"), Subject("user", "7", "Ada")
NOBODY = Actor("anonymous")


class User(UserMixin):
    """A user as most applications have it."""

    def __init__(self, id: int, name: str) -> None:
        self.id, self.name = id, name


class OwnUser:
    """A user that derives from nothing of Flask-Login's, and whose id only its code tells."""

    is_authenticated = is_active = True
    is_anonymous = False

    def __init__(self, key: str = "7") -> None:
        self.key = key

    def get_id(self) -> str:
        """Return the key."""
        return self.key


class Guest:
    """An application's own idea of nobody."""

    is_authenticated = is_active = False
    is_anonymous = True

    def get_id(self) -> None:
        """Return nothing."""


@pytest.fixture
def instrumented() -> Iterator[FlaskLoginInstrumentor]:
    """The instrumentor at work."""
    instrumentor = FlaskLoginInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


def shop(user: Any = None, **config: Any) -> Flask:
    """Return an application whose only user is Ada, or another one."""
    app = Flask("shop")
    app.config.update(SECRET_KEY="only for tests", TESTING=True, **config)
    ada = user or User(7, "Ada")
    manager = LoginManager(app)
    manager.user_loader(lambda key: ada if key == ada.get_id() else None)

    @app.get("/enter")
    def enter() -> str:
        flask_login.login_user(ada, remember=True, duration=timedelta(days=1))
        ezlogs.event("order.action", "placed", subject=("order", 42))
        return "in"

    @app.get("/leave")
    def leave() -> str:
        flask_login.logout_user()
        ezlogs.event("order.action", "placed", subject=("order", 42))
        return "out"

    @app.get("/orders/<int:number>/<path:rest>")
    @flask_login.login_required
    def private(number: int, rest: str) -> str:
        ezlogs.event("order.action", "placed", subject=("order", number))
        return "private"

    @app.get("/fresh")
    @flask_login.fresh_login_required
    def fresh() -> str:
        return "fresh"

    @app.get("/open")
    def public() -> str:
        ezlogs.event("order.action", "placed", subject=("order", 42))
        return "resolved" if "_login_user" in g else "open"

    @app.get("/forbidden")
    def forbidden() -> None:
        abort(403)

    return app


def visits(app: Flask) -> Callable[..., Any]:
    """Return what asks for a path as one browser, each time in a context such as a request instrumentor makes."""
    client = app.test_client()

    def visit(path: str, **headers: str) -> Any:
        with Scope(refusable(with_acting(peek=peek_at_user))):
            return client.get(path, headers={"User-Agent": "one", **headers})

    visit.client = client  # type: ignore[attr-defined]  # for its cookies
    return visit


def told(captured: Captured) -> list[tuple[str, str | None]]:
    """Return the action and the reason of each sign-in."""
    return [(event.action, event.metadata.get("reason")) for event in captured.of("auth.session")]  # type: ignore[misc]  # reasons are texts


@pytest.mark.usefixtures("instrumented")
def test_after_a_login_the_user_acts_and_after_a_logout_nobody(captured: Captured) -> None:
    """In the request that logs in, and in the one that logs out; a second click logs nobody out."""
    visit = visits(shop())
    visit("/enter")
    visit("/leave")
    visit("/leave")
    login, logout = captured.of("auth.session")
    assert (login.action, login.actor, login.subject) == ("login", ADA_ACTS, ADA_IS)
    assert (logout.action, logout.actor, logout.subject) == ("logout", ADA_ACTS, ADA_IS)
    assert [event.actor for event in captured.of("order.action")] == [ADA_ACTS, NOBODY, NOBODY]


@pytest.mark.usefixtures("instrumented")
def test_a_remembered_user_logs_in_again(captured: Captured) -> None:
    """By a cookie, once for each session."""
    visit = visits(shop())
    visit("/enter")
    visit.client.delete_cookie("session")  # type: ignore[attr-defined]  # as above
    captured.clear()
    visit("/orders/42/all")
    visit("/orders/42/all")
    [login] = captured.of("auth.session")
    assert (login.action, login.actor, login.metadata["method"]) == ("login", ADA_ACTS, "remember_me")
    assert [event.actor for event in captured.of("order.action")] == [ADA_ACTS] * 2


@pytest.mark.usefixtures("instrumented")
def test_who_has_not_logged_in_is_refused(captured: Captured) -> None:
    """Once, although the response says 401 too; by the route, not by the path."""
    assert visits(shop())("/orders/42/all").status_code == 401
    [event] = captured.of("auth.session")
    assert (event.action, event.outcome, event.actor) == ("permission_denied", "failure", NOBODY)
    assert (event.subject, event.metadata["reason"]) == (
        Subject("route", "GET /orders/{number}/{rest}"),
        "unauthorized",
    )


@pytest.mark.usefixtures("instrumented")
def test_a_login_that_is_not_fresh_is_refused(captured: Captured) -> None:
    """A remembered user has to give the password before anything important."""
    visit = visits(shop())
    visit("/enter")
    visit.client.delete_cookie("session")  # type: ignore[attr-defined]  # as above
    captured.clear()
    assert visit("/fresh").status_code == 401
    assert told(captured) == [("login", None), ("permission_denied", "needs_refresh")]
    assert captured.of("auth.session")[1].actor == ADA_ACTS


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("mode", ["basic", "strong"])
def test_a_session_in_other_hands_is_told_once(captured: Captured, mode: str) -> None:
    """Flask-Login sends its signal with every request from then on; whose session it was is known."""
    visit = visits(shop(SESSION_PROTECTION=mode))
    visit("/enter")
    captured.clear()
    for _ in range(3):
        visit("/orders/42/all", **{"User-Agent": "another"})
    protected = [event for event in captured.of("auth.session") if event.metadata["reason"] == "session_protected"]
    assert [(event.actor.type, event.subject) for event in protected] == [("unknown", Subject("user", "7"))]


@pytest.mark.usefixtures("instrumented")
def test_the_session_of_nobody_is_not_told(captured: Captured) -> None:
    """Applications keep other things in sessions too."""
    app = shop()
    visit = visits(app)
    with visit.client.session_transaction() as session:  # type: ignore[attr-defined]  # as above
        session["basket"] = [1]
    visit("/orders/42/all")
    assert told(captured) == [("permission_denied", "unauthorized")]


@pytest.mark.usefixtures("instrumented")
def test_looking_resolves_nobody(captured: Captured) -> None:
    """A view that asks for no user gets none loaded."""
    visit = visits(shop())
    visit("/enter")
    captured.clear()
    response = visit("/open")
    assert response.text == "open"
    assert captured.of("order.action")[0].actor == Actor("unknown")


@pytest.mark.usefixtures("instrumented")
def test_a_users_own_class_is_known_by_nothing_of_its_code(captured: Captured) -> None:
    """It is a user, and its id stays its own affair; an application's own nobody is nobody."""
    app = shop(OwnUser())
    app.login_manager.anonymous_user = Guest  # type: ignore[attr-defined]  # Flask-Login adds it
    visit = visits(app)
    visit("/enter")
    visit("/leave")
    visit("/leave")
    assert [(event.action, event.actor) for event in captured.of("auth.session")] == [
        ("login", Actor("user")),
        ("logout", Actor("user")),
    ]
    assert captured.of("order.action")[2].actor == NOBODY


@pytest.mark.usefixtures("instrumented")
def test_an_id_that_such_a_class_stores_is_told(captured: Captured) -> None:
    """It is only read."""
    user = OwnUser()
    user.id = 7  # type: ignore[attr-defined]  # the point of the test
    visits(shop(user))("/enter")
    assert captured.of("auth.session")[0].actor == Actor("user", "7")


@pytest.mark.usefixtures("instrumented")
def test_a_row_that_has_expired_is_not_loaded_for_it(captured: Captured) -> None:
    """SQLAlchemy's rows expire at a commit; the key that they are known by is still there."""
    app = Flask("rows")
    app.config.update(SECRET_KEY="only for tests", SQLALCHEMY_DATABASE_URI="sqlite://")
    db = SQLAlchemy(app)
    LoginManager(app).user_loader(lambda key: None)

    class Account(UserMixin, db.Model):  # type: ignore[name-defined, misc]  # made at run time
        id = db.Column(db.Integer, primary_key=True)
        username = db.Column(db.String)

    with app.app_context():
        db.create_all()
        db.session.add(Account(id=7, username="ada"))
        db.session.commit()
        statements: list[str] = []
        sqlalchemy_event.listen(db.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
        account = db.session.get(Account, 7)
        loaded = ezlogs.auth("logout", account)
        db.session.commit()
        expired = ezlogs.auth("logout", account)
        assert len(statements) == 1
        db.session.remove()
        db.engine.dispose()
    assert loaded is not None
    assert expired is not None
    assert (loaded.actor, expired.actor) == (Actor("user", "7", "ada"), Actor("user", "7"))


def test_outside_of_an_application_there_is_nobody() -> None:
    """As in a job."""
    assert peek_at_user() is None
    with shop().app_context():
        assert peek_at_user() is None


def test_an_anonymous_user_is_known_as_an_actor(captured: Captured, instrumented: FlaskLoginInstrumentor) -> None:
    """Wherever it is given."""
    with ezlogs.actor(AnonymousUserMixin()):
        ezlogs.event("order.action", "placed", subject=("order", 42))
    assert captured.events[0].actor == NOBODY


def test_responses_are_the_same_with_and_without(instrumented: FlaskLoginInstrumentor, captured: Captured) -> None:
    """And nothing is told once the hooks are gone."""
    paths = (
        "/open",
        "/orders/42/all",
        "/fresh",
        "/enter",
        "/orders/42/all",
        "/fresh",
        "/forbidden",
        "/leave",
        "/leave",
    )

    def visit() -> list[tuple[int, bytes, list[str]]]:
        ask = visits(shop())
        answers = [ask(path) for path in paths]
        return [(answer.status_code, answer.data, sorted(answer.headers.keys())) for answer in answers]

    with_ezlogs = visit()
    count = len(captured.of("auth.session"))
    assert count == 4
    instrumented.uninstrument()
    assert visit() == with_ezlogs
    assert len(captured.of("auth.session")) == count


@pytest.mark.usefixtures("instrumented")
def test_users_who_log_in_at_once_are_not_mixed_up(captured: Captured) -> None:
    """Each in a thread, in applications of their own; whoever logs in places the order."""
    people = [User(number, f"user {number}") for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda user: [visits(shop(user))(path) for path in ("/enter", "/leave")], people))
    logins = [event for event in captured.of("auth.session") if event.action == "login"]
    placed = [event for event in captured.of("order.action") if event.actor != NOBODY]
    expected = sorted(str(number) for number in range(24))
    assert sorted(event.actor.id or "" for event in logins) == expected
    assert sorted(event.actor.id or "" for event in placed) == expected


def test_instrumenting_again_tells_everything_once(instrumented: FlaskLoginInstrumentor, captured: Captured) -> None:
    """Switched off and on, as reloaders do."""
    instrumented.uninstrument()
    instrumented.instrument()
    visits(shop())("/enter")
    assert told(captured) == [("login", None)]
