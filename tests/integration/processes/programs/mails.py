"""Sends a mail to somebody whose server takes its time, by one library or the other."""

from __future__ import annotations

import asyncio
import os
import sys

import ezlogs

ezlogs.configure()
PORT, MESSAGE = int(os.environ["SMTP"]), b"Message-ID: <1@shop.test>\r\nSubject: Hi\r\n\r\nHi"
PEOPLE = ["ada@shop.test", "bob@slow.test"]

with ezlogs.flow("newsletter", 7):
    if sys.argv[1] == "smtplib":
        import smtplib

        with smtplib.SMTP("127.0.0.1", PORT) as server:
            server.sendmail("shop@shop.test", PEOPLE, MESSAGE)
    else:
        import aiosmtplib

        async def send() -> None:
            """Send it."""
            async with aiosmtplib.SMTP(hostname="127.0.0.1", port=PORT) as server:
                await server.sendmail("shop@shop.test", PEOPLE, MESSAGE)

        asyncio.run(send())
