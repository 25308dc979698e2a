"""Imports orders, and fails at the end."""

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

import ezlogs


class Command(BaseCommand):
    """Import orders."""

    def add_arguments(self, parser):
        """Take a token."""
        parser.add_argument("--token")

    def handle(self, *args, **options):
        """Import."""
        call_command("migrate", verbosity=0)
        ezlogs.event("order.action", "imported")
        raise CommandError("no more", returncode=3)
