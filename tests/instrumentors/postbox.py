"""An SMTP server of the test's own on the loopback, which keeps, refuses, or is busy; with TLS if asked."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP


class Postbox:
    """Keeps messages; refuses recipients at ``refused.test``, is busy for those at ``busy.test``, and has a limit."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.port = 0
        self.asked = threading.Event()
        """Whether somebody has asked for a recipient at ``slow.test``."""

    def subjects(self) -> list[str]:
        """Return the subject lines of what has arrived."""
        return [str(message_from_bytes(one)["Subject"]) for one in self.messages]

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802  # aiosmtpd's name
        """Refuse some."""
        if address.endswith("@refused.test"):
            return "550 5.1.1 no such user"
        if address.endswith("@slow.test"):
            self.asked.set()
            await asyncio.sleep(30)
        if address.endswith("@busy.test"):
            return "421 4.3.2 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  # aiosmtpd's name
        """Keep the message."""
        if b"too big" in envelope.content:
            return "552 5.3.4 message too big"
        self.messages.append(envelope.content)
        return "250 OK"


class _Controller(Controller):
    def __init__(self, handler: Postbox, tls: ssl.SSLContext | None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            handler.port = free.getsockname()[1]
        self._tls = tls
        super().__init__(handler, hostname="127.0.0.1", port=handler.port)

    def factory(self) -> Any:
        """Make the protocol of a connection."""
        return SMTP(self.handler, tls_context=self._tls, require_starttls=self._tls is not None)


@contextmanager
def running(tls: ssl.SSLContext | None = None) -> Iterator[Postbox]:
    """Run a server on a free port."""
    postbox = Postbox()
    controller = _Controller(postbox, tls)
    controller.start()
    try:
        yield postbox
    finally:
        controller.stop()
