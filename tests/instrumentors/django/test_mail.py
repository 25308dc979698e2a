"""Django's mail with each of its backends, Anymail's and an application's own: each message and attempt, once."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from contextlib import nullcontext
from email.message import Message
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection, send_mail, send_mass_mail
from django.core.mail.backends.base import BaseEmailBackend
from django.test import override_settings

from ezlogs.actor import actor
from ezlogs.correlation import Correlation, placed
from ezlogs.scope import Scope
from ezlogs.testing import Captured
from ezlogs_instrumentors.django import DjangoInstrumentor
from ezlogs_instrumentors.smtplib import SmtplibInstrumentor
from tests.instrumentors.postbox import Postbox, running

BACKENDS = "django.core.mail.backends."
HERE = __name__


@pytest.fixture(autouse=True)
def sending(instrumented: DjangoInstrumentor, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Instrument Django and smtplib, and keep an outbox."""
    SmtplibInstrumentor().instrument()
    monkeypatch.setattr(mail, "outbox", [], raising=False)
    yield
    SmtplibInstrumentor().uninstrument()


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    """A server, which Django's SMTP backend uses."""
    with running() as box, override_settings(**smtp(box.port)):
        yield box


def smtp(port: int) -> dict[str, Any]:
    """Return the settings for a server."""
    return {"EMAIL_BACKEND": f"{BACKENDS}smtp.EmailBackend", "EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": port}


class Own(BaseEmailBackend):
    """A backend of an application's own: it says nothing of what it sent, or fails, or leaves some out."""

    result: object = None
    error: Exception | None = None

    def send_messages(self, email_messages: list[EmailMessage]) -> Any:
        """Send."""
        if self.error is not None:
            raise self.error
        return self.result


class Delegating(BaseEmailBackend):
    """A backend that has another do its work."""

    def send_messages(self, email_messages: list[EmailMessage]) -> int:
        """Send."""
        return get_connection(f"{BACKENDS}locmem.EmailBackend").send_messages(email_messages)


def send(*recipients: str) -> int:
    """Send a message as an application does."""
    return send_mail("Your order", "Thank you", "shop@example.org", list(recipients))


@pytest.mark.parametrize("backend", ["locmem", "console", "filebased", "dummy"])
def test_each_backend_tells_a_message_once(captured: Captured, tmp_path: Path, backend: str) -> None:
    """With what it wrote, if it did; parent and actor are those of the request."""
    with (
        override_settings(EMAIL_BACKEND=f"{BACKENDS}{backend}.EmailBackend", EMAIL_FILE_PATH=str(tmp_path)),
        Scope(placed(Correlation(correlation_id="story-1", parent_event_id="evt_request"))),
        actor("user", 7),
    ):
        assert send("Ada <ada@example.com>", "bob@example.org") == 1

    (event,) = captured.events
    assert (event.event_type, event.action, event.outcome) == ("email.delivery", "message.sent", "success")
    assert event.correlation.parent_event_id == "evt_request"
    assert (event.actor.id, event.metadata["backend"], event.metadata["recipients"]) == ("7", backend, 2)
    assert event.metadata["domains"] == ("example.com", "example.org")
    assert ("size" in event.metadata) == (event.subject.id is not None) == (backend != "dummy")
    assert not [word for word in ("ada@", "Ada", "Your order") if word in repr(event)]


def test_django_over_smtplib_is_one_event_for_each_message(captured: Captured, postbox: Postbox) -> None:
    """smtplib's instrumentor tells, which knows most."""
    assert send("ada@example.com") == 1
    assert send_mass_mail([("a", "x", "s@e.test", ["a@a.test"]), ("b", "x", "s@e.test", ["b@b.test"])]) == 2

    assert [event.metadata["domains"] for event in captured.events] == [("example.com",), ("a.test",), ("b.test",)]
    assert {event.metadata["backend"] for event in captured.events} == {"smtp"}
    assert all(event.metadata["size"] for event in captured.events)
    assert len(postbox.messages) == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Django 4.2 leaves a socket open
def test_what_the_server_refuses_is_told_with_its_code(captured: Captured, postbox: Postbox) -> None:
    """Partly, and of the whole; the application's exceptions are as ever."""
    send("ada@example.com", "bob@refused.test")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send("bob@refused.test")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send("bob@busy.test")

    partly, refused, busy = captured.events
    assert (partly.outcome, partly.metadata["refused"], partly.metadata["smtp_code"]) == ("success", 1, 550)
    assert (refused.outcome, refused.metadata["smtp_code"]) == ("failure", 550)
    assert (busy.outcome, busy.metadata["smtp_code"]) == ("failure", 421)


def test_a_server_that_does_not_answer_is_a_failed_attempt_for_each_message(captured: Captured) -> None:
    """Also when the application wants to hear nothing of it."""
    with running() as box:
        port = box.port
    with override_settings(**smtp(port)):
        with pytest.raises(ConnectionRefusedError):
            send("ada@example.com")
        assert send_mail("a", "x", "s@e.test", ["b@b.test"], fail_silently=True) in (0, None)
        with pytest.raises(ConnectionRefusedError):
            send_mass_mail([("a", "x", "s@e.test", ["a@a.test"]), ("b", "x", "s@e.test", ["b@b.test"])])

    assert [event.outcome for event in captured.events] == ["failure"] * 4
    assert captured.events[0].error.type == "ConnectionRefusedError"
    assert captured.events[1].error is None
    assert [event.metadata["domains"] for event in captured.events[2:]] == [("a.test",), ("b.test",)]


def test_a_backend_that_delegates_is_told_once(captured: Captured) -> None:
    """By the one that does the work."""
    with override_settings(EMAIL_BACKEND=f"{HERE}.Delegating"):
        send("ada@example.com")

    assert [event.metadata["backend"] for event in captured.events] == ["locmem"]


@pytest.mark.parametrize(
    ("result", "error", "outcomes"),
    [
        (None, None, ["success"]),
        (1, None, ["success"]),
        (0, None, ["failure"]),
        (None, OSError("ada@example.com"), ["failure"]),
    ],
)
def test_an_application_s_own_backend_is_believed(
    captured: Captured, monkeypatch: pytest.MonkeyPatch, result: object, error: Exception | None, outcomes: list[str]
) -> None:
    """What it returns and raises says how it went."""
    monkeypatch.setattr(Own, "result", result)
    monkeypatch.setattr(Own, "error", error)
    raising = pytest.raises(OSError, match="ada@") if error else nullcontext()
    with override_settings(EMAIL_BACKEND=f"{HERE}.Own"), raising:
        send("ada@example.com")

    assert [event.outcome for event in captured.events] == outcomes
    assert captured.events[0].metadata["backend"] == HERE
    assert "ada@" not in repr(captured.events)


@pytest.mark.parametrize(("result", "error"), [(1, None), (None, OSError("gone"))])
def test_which_of_several_messages_was_sent_may_be_unknown(
    captured: Captured, monkeypatch: pytest.MonkeyPatch, result: object, error: Exception | None
) -> None:
    """A backend that says that one of two was sent does not say which; a message to nobody is none."""
    monkeypatch.setattr(Own, "result", result)
    monkeypatch.setattr(Own, "error", error)
    raising = pytest.raises(OSError, match="gone") if error else nullcontext()
    with override_settings(EMAIL_BACKEND=f"{HERE}.Own"), raising:
        send_mass_mail([("a", "x", "s@e.test", [to] if to else []) for to in ("a@a.test", "b@b.test", None)])

    assert [event.outcome for event in captured.events] == ["unknown", "unknown"]


def test_a_backend_that_puts_messages_into_a_queue_tells_nothing(captured: Captured) -> None:
    """What sends them later does."""
    queueing = type(
        "EmailBackend", (BaseEmailBackend,), {"send_messages": lambda *_: 1, "__module__": "mailer.backend"}
    )
    EmailMessage("a", "x", "s@e.test", ["a@a.test"], connection=queueing()).send()

    assert captured.events == []


@pytest.mark.parametrize(
    ("status", "outcome", "refused"),
    [("queued", "success", None), ("rejected", "failure", 1), ("invalid", "failure", 1)],
)
def test_anymail_s_providers_are_named_and_believed(
    captured: Captured, status: str, outcome: str, refused: int | None
) -> None:
    """With the template, of which the provider makes the message."""
    pytest.importorskip("anymail")
    from anymail.exceptions import AnymailRecipientsRefused
    from anymail.message import AnymailRecipientStatus

    message = EmailMultiAlternatives("Your order", "", "shop@example.org", ["ada@example.com"])
    message.template_id = "order-confirmation"
    message.anymail_test_response = {"ada@example.com": AnymailRecipientStatus("m-1", status)}
    message.connection = provider()
    with pytest.raises(AnymailRecipientsRefused) if refused else nullcontext():
        message.send()

    (event,) = captured.events
    assert (event.metadata["backend"], event.metadata["template"]) == ("Test", "order-confirmation")
    assert (event.outcome, event.metadata.get("refused")) == (outcome, refused)
    assert event.subject.id == sha256(b"m-1").hexdigest()[:32]


def provider() -> Any:
    """Return a backend of Anymail's whose provider answers what the message says."""
    from anymail.backends.test import EmailBackend

    class Provider(EmailBackend):
        def parse_recipient_status(self, response: Any, payload: Any, message: Any) -> Any:
            return message.anymail_test_response

    return Provider()


def test_a_message_is_not_changed(captured: Captured) -> None:
    """What is in the outbox is what was sent."""
    with override_settings(EMAIL_BACKEND=f"{BACKENDS}locmem.EmailBackend"):
        send("ada@example.com")

    (sent,) = mail.outbox
    assert isinstance(sent.message(), Message)
    assert not [name for name in vars(sent) if "ezlogs" in name]


def test_a_generator_of_messages_is_left_to_the_backend(captured: Captured) -> None:
    """Looking at it would use it up."""
    backend = get_connection(f"{BACKENDS}locmem.EmailBackend")
    assert backend.send_messages(EmailMessage("a", "x", "s@e.test", ["a@a.test"]) for _ in range(2)) == 2

    assert len(mail.outbox) == 2
    assert captured.events == []


def test_backends_are_left_as_they_were(instrumented: DjangoInstrumentor) -> None:
    """The classes that were seen have their own methods again, and a hook on top does no harm."""
    from django.core.mail.backends import locmem

    backend = get_connection(f"{BACKENDS}locmem.EmailBackend")
    hooked = vars(locmem.EmailBackend)["send_messages"]
    instrumented.uninstrument()

    assert vars(locmem.EmailBackend)["send_messages"] is not hooked
    assert hooked(backend, []) == 0
    assert send_mail("a", "x", "s@e.test", ["a@a.test"], connection=backend) == 1
    instrumented.instrument()
