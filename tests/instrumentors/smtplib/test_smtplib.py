"""smtplib against real SMTP servers: what was sent, refused and cut off, and the application's own errors unchanged."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from opentelemetry.instrumentation.utils import suppress_instrumentation

from ezlogs.actor import actor
from ezlogs.testing import Captured
from ezlogs_instrumentors.smtplib import SmtplibInstrumentor


class Postbox:
    """A server that keeps messages, refuses recipients at ``refused.test``, and hangs up a number of times."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.hang_ups = 0

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802  # aiosmtpd's name
        """Refuse some."""
        if address.endswith("@refused.test"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  # aiosmtpd's name
        """Keep the message, or close the connection without a word."""
        if b"too big" in envelope.content:
            return "552 5.3.4 message too big"
        if self.hang_ups:
            self.hang_ups -= 1
            server.transport.abort()
            return "421 bye"
        self.messages.append(envelope.content)
        return "250 OK"


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    """Instrument smtplib, and leave it as it was."""
    before = smtplib.SMTP.__dict__["sendmail"]
    SmtplibInstrumentor().instrument()
    yield
    SmtplibInstrumentor().uninstrument()
    assert smtplib.SMTP.__dict__["sendmail"] is before


@pytest.fixture
def postbox() -> Iterator[tuple[Postbox, int]]:
    """Run a server on a free port of the loopback."""
    handler = Postbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler, port
    controller.stop()


def message(*recipients: str) -> EmailMessage:
    """Return a message to some recipients."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "shop@example.org", ", ".join(recipients), "Your order"
    mail["Message-ID"] = "<order-42@example.org>"
    mail.set_content("Thank you")
    return mail


def test_a_sent_message_is_one_event(captured: Captured, postbox: tuple[Postbox, int]) -> None:
    """send_message is told once, with what it sent, and by whom."""
    server, port = postbox
    with smtplib.SMTP("127.0.0.1", port) as smtp, actor("user", 7):
        assert smtp.send_message(message("ada@example.com", "bob@example.com")) == {}

    (event,) = captured.events
    assert (event.action, event.outcome, event.actor.id) == ("message.sent", "success", "7")
    assert (event.metadata["recipients"], event.metadata["domains"]) == (2, ("example.com",))
    assert event.metadata["size"] >= len(message("x").get_content())
    assert event.duration > 0
    assert len(server.messages) == 1


def test_a_single_recipient_may_be_a_text(captured: Captured, postbox: tuple[Postbox, int]) -> None:
    """sendmail takes one address as well as many, by position or by name."""
    with smtplib.SMTP("127.0.0.1", postbox[1]) as smtp:
        smtp.sendmail("shop@example.org", to_addrs="ada@example.com", msg="Subject: Hi\r\n\r\nHi")

    assert captured.events[0].metadata["recipients"] == 1


def test_each_attempt_is_an_event_about_the_same_message(captured: Captured, postbox: tuple[Postbox, int]) -> None:
    """A server that hangs up twice makes two failures and a success with one subject."""
    server, port = postbox
    server.hang_ups = 2
    for expected in (smtplib.SMTPServerDisconnected, smtplib.SMTPServerDisconnected, None):
        smtp = smtplib.SMTP("127.0.0.1", port)
        if expected:
            with pytest.raises(expected):
                smtp.send_message(message("ada@example.com"))
        else:
            smtp.send_message(message("ada@example.com"))
        smtp.close()

    assert [event.outcome for event in captured.events] == ["failure", "failure", "success"]
    assert captured.events[0].error.type == "smtplib.SMTPServerDisconnected"
    assert "smtp_code" not in captured.events[0].metadata
    assert len({event.subject.id for event in captured.events}) == 1


def test_a_message_that_reached_somebody_was_sent(captured: Captured, postbox: tuple[Postbox, int]) -> None:
    """A partial refusal is a success that counts the refused, and the caller gets them as ever."""
    with smtplib.SMTP("127.0.0.1", postbox[1]) as smtp:
        refused = smtp.send_message(message("ada@example.com", "bob@refused.test"))

    (event,) = captured.events
    assert list(refused) == ["bob@refused.test"]
    assert (event.outcome, event.metadata["refused"], event.metadata["smtp_code"]) == ("success", 1, 550)


def test_a_message_refused_by_all_failed(captured: Captured, postbox: tuple[Postbox, int]) -> None:
    """The exception is the caller's, unchanged; the event has its type and code, and no address."""
    with smtplib.SMTP("127.0.0.1", postbox[1]) as smtp, pytest.raises(smtplib.SMTPRecipientsRefused) as raised:
        smtp.send_message(message("bob@refused.test"))

    (event,) = captured.events
    assert list(raised.value.recipients) == ["bob@refused.test"]
    assert (event.outcome, event.error.type) == ("failure", "smtplib.SMTPRecipientsRefused")
    assert (event.metadata["refused"], event.metadata["smtp_code"]) == (1, 550)
    assert "bob@" not in repr(captured.events)


def test_a_refused_body_failed_with_its_code(captured: Captured, postbox: tuple[Postbox, int]) -> None:
    """A refusal after the recipients were accepted refuses none of them."""
    with smtplib.SMTP("127.0.0.1", postbox[1]) as smtp, pytest.raises(smtplib.SMTPDataError):
        smtp.sendmail("shop@example.org", ["ada@example.com"], "Subject: x\r\n\r\ntoo big")

    (event,) = captured.events
    assert event.metadata["smtp_code"] == 552
    assert "refused" not in event.metadata


def test_a_wrong_call_raises_what_it_always_raised(captured: Captured, postbox: tuple[Postbox, int]) -> None:
    """Recipients that smtplib cannot take are the caller's error, not ours."""
    with smtplib.SMTP("127.0.0.1", postbox[1]) as smtp, pytest.raises(UnicodeEncodeError):
        smtp.sendmail("shop@example.org", ["ada@example.com"], "Höllo")

    assert captured.events[0].error.type == "UnicodeEncodeError"


def test_recipients_that_can_be_looked_at_once_are_smtplib_s(captured: Captured, postbox: tuple[Postbox, int]) -> None:
    """Whoever looks first uses them up; the message goes out, and is told without them."""

    class Once:
        """Recipients that are gone when somebody has looked."""

        left = ["ada@example.com"]  # noqa: RUF012  # there is one of it

        def __iter__(self) -> Iterator[str]:
            while self.left:
                yield self.left.pop()

        def __len__(self) -> int:
            return 1

    captured.notes_openings = True
    with smtplib.SMTP("127.0.0.1", postbox[1]) as smtp:
        smtp.sendmail("shop@example.org", Once(), b"Subject: Hi\r\n\r\nHi")

    assert len(postbox[0].messages) == 1


def test_nothing_is_told_when_nothing_listens(postbox: tuple[Postbox, int]) -> None:
    """Mail goes out all the same."""
    with smtplib.SMTP("127.0.0.1", postbox[1]) as smtp:
        smtp.send_message(message("ada@example.com"))

    assert len(postbox[0].messages) == 1


def test_suppressed_instrumentation_tells_nothing(captured: Captured, postbox: tuple[Postbox, int]) -> None:
    """Mail that telemetry itself sends is not told of."""
    with smtplib.SMTP("127.0.0.1", postbox[1]) as smtp, suppress_instrumentation():
        smtp.send_message(message("ada@example.com"))

    assert captured.events == []


def test_smtplib_needs_nothing_installed() -> None:
    """It is part of Python."""
    assert SmtplibInstrumentor().instrumentation_dependencies() == ()
