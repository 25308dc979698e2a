"""aiosmtplib and FastAPI-Mail against a real server: sent, refused, busy, cut off, over TLS, unanswered, suppressed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from ezlogs.actor import actor
from ezlogs.correlation import Correlation, placed
from ezlogs.scope import Scope
from ezlogs.testing import Captured
from ezlogs_instrumentors.aiosmtplib import AiosmtplibInstrumentor
from ezlogs_instrumentors.fastapi_mail import FastapiMailInstrumentor
from tests.instrumentors.postbox import Postbox

aiosmtplib = pytest.importorskip("aiosmtplib")
fastapi_mail = pytest.importorskip("fastapi_mail")


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    """Instrument both, and leave them as they were."""
    before = (aiosmtplib.SMTP.sendmail, aiosmtplib.send, fastapi_mail.FastMail.send_message)
    for instrumentor in (AiosmtplibInstrumentor(), FastapiMailInstrumentor()):
        instrumentor.instrument()
    yield
    for instrumentor in (AiosmtplibInstrumentor(), FastapiMailInstrumentor()):
        instrumentor.uninstrument()
    assert (aiosmtplib.SMTP.sendmail, aiosmtplib.send, fastapi_mail.FastMail.send_message) == before


def message(*recipients: str) -> EmailMessage:
    """Return a message to some recipients."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "shop@example.org", ", ".join(recipients), "Your order"
    mail["Message-ID"] = "<order-42@example.org>"
    mail.set_content("Thank you")
    return mail


def send(postbox: Postbox, *recipients: str, **options: Any) -> Any:
    """Send a message as an application does."""
    return asyncio.run(
        aiosmtplib.send(message(*recipients), hostname="127.0.0.1", port=postbox.port, start_tls=False, **options)
    )


def test_a_sent_message_is_one_event_with_its_cause(captured: Captured, postbox: Postbox) -> None:
    """Parent and actor are those of the code that sends."""
    with Scope(placed(Correlation(correlation_id="story-1", parent_event_id="evt_job"))), actor("user", 7):
        assert send(postbox, "ada@example.com", "bob@example.org")[0] == {}

    (event,) = captured.events
    assert (event.action, event.outcome, event.actor.id) == ("message.sent", "success", "7")
    assert event.correlation.parent_event_id == "evt_job"
    assert event.metadata["domains"] == ("example.com", "example.org")
    assert event.metadata["size"] >= len("Thank you")
    assert event.subject.id is not None
    assert event.duration > 0
    assert postbox.subjects() == ["Your order"]


def test_a_message_refused_by_some_was_sent_to_the_others(captured: Captured, postbox: Postbox) -> None:
    """The caller gets the refusals as ever."""
    refused, _ = send(postbox, "ada@example.com", "bob@refused.test")

    (event,) = captured.events
    assert list(refused) == ["bob@refused.test"]
    assert (event.outcome, event.metadata["refused"], event.metadata["smtp_code"]) == ("success", 1, 550)


@pytest.mark.parametrize(
    ("recipient", "kind", "code"),
    [("bob@refused.test", "SMTPRecipientsRefused", 550), ("bob@busy.test", "SMTPRecipientsRefused", 421)],
)
def test_a_message_refused_by_all_failed_with_the_code(
    captured: Captured, postbox: Postbox, recipient: str, kind: str, code: int
) -> None:
    """The exception is the caller's, and the event has no address."""
    with pytest.raises(aiosmtplib.SMTPException):
        send(postbox, recipient)

    (event,) = captured.events
    assert event.outcome == "failure"
    assert event.error.type.endswith(kind)
    assert event.metadata["smtp_code"] == code
    assert "bob@" not in repr(captured.events)


def test_a_refused_body_failed_with_its_code(captured: Captured, postbox: Postbox) -> None:
    """By position or by name, with one recipient as a text."""
    with pytest.raises(aiosmtplib.SMTPDataError):
        asyncio.run(
            aiosmtplib.send(
                "Subject: x\r\n\r\ntoo big",
                sender="shop@example.org",
                recipients="ada@example.com",
                hostname="127.0.0.1",
                port=postbox.port,
                start_tls=False,
            )
        )

    (event,) = captured.events
    assert (event.metadata["smtp_code"], event.metadata["recipients"]) == (552, 1)
    assert "refused" not in event.metadata


def test_a_message_over_tls_is_told_as_any_other(captured: Captured, secure: tuple[Postbox, str]) -> None:
    """And one without TLS, which the server refuses, as failed."""
    server, authority = secure
    context = ssl.create_default_context(cafile=authority)
    asyncio.run(
        aiosmtplib.send(
            message("ada@example.com"), hostname="127.0.0.1", port=server.port, start_tls=True, tls_context=context
        )
    )
    with pytest.raises(aiosmtplib.SMTPException):
        send(server, "ada@example.com")

    sent, failed = captured.events
    assert (sent.outcome, failed.outcome) == ("success", "failure")
    assert failed.metadata["smtp_code"] == 530
    assert server.subjects() == ["Your order"]


def test_a_server_that_does_not_answer_is_a_failed_attempt(captured: Captured, nobody: int) -> None:
    """No message has come as far as a connection."""
    with pytest.raises(aiosmtplib.SMTPConnectError):
        asyncio.run(aiosmtplib.send(message("ada@example.com"), hostname="127.0.0.1", port=nobody))
    with pytest.raises(aiosmtplib.SMTPConnectError):
        asyncio.run(aiosmtplib.send(b"x", sender="a@b.test", recipients="c@d.test", hostname="127.0.0.1", port=nobody))

    first, second = captured.events
    assert (first.outcome, first.metadata["recipients"], first.metadata["domains"]) == ("failure", 1, ("example.com",))
    assert (second.outcome, second.metadata["domains"]) == ("failure", ("d.test",))


def test_a_cancelled_attempt_is_unknown(captured: Captured, postbox: Postbox) -> None:
    """Nobody knows whether the server has taken it."""

    async def cancelled() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=postbox.port, start_tls=False) as smtp:
            task = asyncio.ensure_future(smtp.send_message(message("ada@slow.test")))
            while not postbox.asked.is_set():
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            smtp.close()

    asyncio.run(cancelled())

    (event,) = captured.events
    assert (event.action, event.outcome) == ("message.interrupted", "unknown")


def config(port: int, **more: Any) -> Any:
    """Return FastAPI-Mail's configuration."""
    return fastapi_mail.ConnectionConfig(
        MAIL_USERNAME="",
        MAIL_PASSWORD="",
        MAIL_FROM="shop@example.org",
        MAIL_PORT=port,
        MAIL_SERVER="127.0.0.1",
        MAIL_STARTTLS=False,
        MAIL_SSL_TLS=False,
        USE_CREDENTIALS=False,
        VALIDATE_CERTS=False,
        **more,
    )


def schema(*recipients: str, **more: Any) -> Any:
    """Return FastAPI-Mail's message."""
    return fastapi_mail.MessageSchema(
        subject="Your order", recipients=list(recipients), subtype=fastapi_mail.MessageType.plain, **more
    )


def test_fastapi_mail_names_the_template(captured: Captured, postbox: Postbox, tmp_path: Path) -> None:
    """One event, by aiosmtplib's instrumentor, with what FastAPI-Mail knows."""
    (tmp_path / "receipt.txt").write_text("Thank you, {{ name }}")
    mail = fastapi_mail.FastMail(config(postbox.port, TEMPLATE_FOLDER=tmp_path))
    asyncio.run(mail.send_message(schema("ada@example.com", template_body={"name": "Ada"}), "receipt.txt"))

    (event,) = captured.events
    assert (event.action, event.metadata["template"], event.metadata["backend"]) == (
        "message.sent",
        "receipt.txt",
        "smtp",
    )
    assert postbox.subjects() == ["Your order"]


def test_fastapi_mail_that_gets_no_answer_failed(captured: Captured, nobody: int) -> None:
    """Its own error is the caller's; nothing of it is said but its type."""
    with pytest.raises(fastapi_mail.errors.ConnectionErrors):
        asyncio.run(fastapi_mail.FastMail(config(nobody)).send_message(schema("ada@example.com", body="x")))

    (event,) = captured.events
    assert (event.outcome, event.metadata["recipients"]) == ("failure", 1)
    assert event.error.type.endswith("ConnectionErrors")


def test_suppressed_sending_says_so(captured: Captured, nobody: int) -> None:
    """Applications' tests send nothing."""
    mail = fastapi_mail.FastMail(config(nobody, SUPPRESS_SEND=1))
    asyncio.run(mail.send_message(schema("ada@example.com", body="x", cc=["bob@example.org"])))

    (event,) = captured.events
    assert (event.outcome, event.metadata["backend"], event.metadata["recipients"]) == ("success", "suppressed", 2)


def test_nothing_is_told_when_nothing_listens(postbox: Postbox, nobody: int) -> None:
    """Mail goes out all the same."""
    send(postbox, "ada@example.com")
    asyncio.run(fastapi_mail.FastMail(config(postbox.port)).send_message(schema("ada@example.com", body="x")))

    assert len(postbox.messages) == 2
