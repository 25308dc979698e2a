"""A program of click: a command that comes to its end, and one that waits to be killed."""

import os
import time

import click

import ezlogs


@click.group()
def shop() -> None:
    """Keep a shop."""


@shop.group("import")
def import_() -> None:
    """Import."""


@import_.command()
@click.option("--token")
@click.pass_context
def orders(ctx: click.Context, token: str | None) -> None:
    """Import orders, and fail at the end."""
    ezlogs.event("order.action", "imported")
    ctx.exit(3)


@import_.command()
def endless() -> None:
    """Import until the end of the process."""
    ezlogs.event("order.action", "imported")
    os.write(1, b"in the middle\n")
    time.sleep(60)


if __name__ == "__main__":
    shop(prog_name="shop")
