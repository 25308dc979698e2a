"""Flask-Mail over smtplib: one event for each message, also where nobody answers or sending is suppressed."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from ezlogs.testing import Captured
from ezlogs_instrumentors.flask_mail import FlaskMailInstrumentor
from ezlogs_instrumentors.smtplib import SmtplibInstrumentor
from tests.instrumentors.postbox import Postbox

flask_mail = pytest.importorskip("flask_mail")


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    """Instrument both, and leave them as they were."""
    before = (flask_mail.Mail.send, flask_mail.Connection.send, smtplib.SMTP.sendmail)
    for instrumentor in (SmtplibInstrumentor(), FlaskMailInstrumentor()):
        instrumentor.instrument()
    yield
    for instrumentor in (SmtplibInstrumentor(), FlaskMailInstrumentor()):
        instrumentor.uninstrument()
    assert (flask_mail.Mail.send, flask_mail.Connection.send, smtplib.SMTP.sendmail) == before


def mails(port: int, **config: Any) -> tuple[Flask, Any]:
    """Return an application and its mail."""
    app = Flask("shop")
    app.config.update(MAIL_SERVER="127.0.0.1", MAIL_PORT=port, MAIL_DEFAULT_SENDER="shop@example.org", **config)
    return app, flask_mail.Mail(app)


def message(*recipients: Any) -> Any:
    """Return a message."""
    return flask_mail.Message("Your order", list(recipients), body="Thank you")


def test_each_message_is_one_event(captured: Captured, postbox: Postbox) -> None:
    """On a connection of its own, and on one for several."""
    app, mail = mails(postbox.port)
    with app.app_context():
        mail.send(message("ada@example.com"))
        with mail.connect() as connection:
            connection.send(message(("Bob", "bob@example.org")))
            connection.send(message("eve@a.test"))

    assert [event.metadata["domains"] for event in captured.events] == [("example.com",), ("example.org",), ("a.test",)]
    assert {event.metadata["backend"] for event in captured.events} == {"smtp"}
    assert all("size" in event.metadata for event in captured.events)
    assert postbox.subjects() == ["Your order"] * 3


def test_what_the_server_refuses_failed_once(captured: Captured, postbox: Postbox) -> None:
    """By smtplib's instrumentor, which knows the code."""
    app, mail = mails(postbox.port)
    with app.app_context(), pytest.raises(smtplib.SMTPRecipientsRefused):
        mail.send(message("bob@refused.test"))

    (event,) = captured.events
    assert (event.outcome, event.metadata["smtp_code"]) == ("failure", 550)


def test_a_server_that_does_not_answer_is_a_failed_attempt(captured: Captured, nobody: int) -> None:
    """No message has come as far as smtplib."""
    app, mail = mails(nobody)
    with app.app_context(), pytest.raises(ConnectionRefusedError):
        mail.send(message("ada@example.com", ("Bob", "bob@example.org")))

    (event,) = captured.events
    assert (event.outcome, event.error.type, event.metadata["recipients"]) == ("failure", "ConnectionRefusedError", 2)


def test_suppressed_sending_says_so(captured: Captured, nobody: int) -> None:
    """Applications' tests send nothing."""
    app, mail = mails(nobody, MAIL_SUPPRESS_SEND=True)
    with app.app_context():
        mail.send(message("ada@example.com"))

    (event,) = captured.events
    assert (event.action, event.metadata["backend"]) == ("message.sent", "suppressed")
    assert event.metadata["size"] > 0


def test_nothing_is_told_when_nothing_listens(postbox: Postbox) -> None:
    """Mail goes out all the same."""
    app, mail = mails(postbox.port)
    with app.app_context():
        mail.send(message("ada@example.com"))

    assert len(postbox.messages) == 1
