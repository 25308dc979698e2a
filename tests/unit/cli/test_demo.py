"""`ezlogs demo`: a real shop runs, and its stories are whole and keep what is private."""

from __future__ import annotations

import json

from click.testing import CliRunner

from ezlogs.cli.app import app
from ezlogs.testing import assert_absent


def test_the_shop_of_the_demo_tells_its_two_stories() -> None:
    """One order with a mail that needed two attempts, one that was refused; no card number, no address."""
    result = CliRunner().invoke(app, ["demo", "--json"], env={"NO_PROXY": "127.0.0.1"})
    assert result.exit_code == 0, result.output
    ordered, refused = json.loads(result.stdout)
    assert ordered["title"] == "Ada placed order 41"
    assert ordered["outcome"] == "Completed with retries"
    assert any("failed once (SMTPServerDisconnected), then ran" in one["text"] for one in ordered["sentences"])
    assert refused["outcome"] == "Rejected"
    assert not ordered["orphans"] + refused["orphans"]
    assert_absent("4111111111111111", result.stdout.encode())  # its beginning alone could be in any id
    assert "@" not in result.stdout
