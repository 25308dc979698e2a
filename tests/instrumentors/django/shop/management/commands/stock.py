"""A command that ends as it is told to, and may call others first."""

import asyncio
from contextlib import suppress
from typing import ClassVar

from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import autoreload

from ezlogs.correlation import current

from ...models import Tag


class Command(BaseCommand):
    """Take stock."""

    seen: ClassVar[list[object]] = []

    def add_arguments(self, parser):
        """Take what to do."""
        parser.add_argument("how")
        parser.add_argument("--limit", type=int, default=3)
        parser.add_argument("--password")

    def handle(self, *args, **options):
        """Do it."""
        how = options["how"]
        self.seen.append(current())
        if how == "tag":
            Tag.objects.create(name="new")
        elif how == "nested":
            call_command("stock", "tag")
            call_command(Command(), "tag", limit=7)
        elif how == "caught":
            with suppress(CommandError):
                call_command("stock", "error")
        elif how == "async":
            asyncio.run(self._later())
        elif how == "error":
            raise CommandError("out of stock", returncode=4)
        elif how == "bug":
            raise ZeroDivisionError
        elif how == "interrupt":
            raise KeyboardInterrupt
        elif how == "reload":
            autoreload.run_with_reloader(lambda: None)
        elif how.isdecimal():
            raise SystemExit(int(how))
        return "counted"

    async def _later(self):
        await sync_to_async(call_command)("stock", "tag")
