"""The events of the real trackers, told: what they emit and what stories read is one vocabulary."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Callable
from typing import Any

import pytest

import ezlogs
from ezlogs import Actor, UniversalEvent
from ezlogs.story import Story, Told, stories
from ezlogs.testing import Captured, capture
from ezlogs.trackers import job, mail
from ezlogs.trackers.data import Transaction, invalid, observe
from ezlogs.trackers.http import HttpTracker, PlainArrival

JOB = job.Job("store.tasks.send_receipt", "job-1", max_retries=5)
ITEM = {"verbose_name": "order item"}


def request(status: int, user: str, *, happens: Callable[[], Any] = dict) -> dict[str, str]:
    """Serve ``POST /orders/`` for a user; return what its view returns: the headers of a message."""
    tracker = HttpTracker("test").begin(
        PlainArrival("POST", "/orders/", {}), peek=lambda: Actor("user", user.lower(), user)
    )
    assert tracker is not None
    headers: dict[str, str] = happens()
    tracker.finish(status, route="/orders/")
    return headers


def run(headers: dict[str, str], attempt: int, error: Exception | None = None) -> dict[str, str]:
    """Run one attempt of the receipt's job; return the headers of the next one."""
    scope = job.started(JOB, attempt=attempt, headers=headers)
    assert scope is not None
    mail.delivered(["ada@example.com"], b"Subject: Receipt\r\n\r\n", backend="smtp", error=error)
    following = scope.requeued() if error else {}
    if error:
        scope.retried(error)
    else:
        scope.succeeded()
    scope.close()
    return following


def only(events: list[UniversalEvent]) -> Story:
    """Return the one story of what was captured, whose tree is whole."""
    [story] = stories(map(Told, events))
    assert len(story.roots) == 1
    assert not story.notes
    return story


def text(story: Story) -> str:
    """Return the sentences, with every duration as ``N ms``."""
    sentences = " ".join(sentence.text for sentence in story.sentences)
    return re.sub(r"under 1 ms|\d+ ms|[\d.]+ s\b", "N ms", sentences)


def test_a_checkout_is_told_from_the_order_to_the_receipt() -> None:
    """Request, transaction, event, job with retries and mail are one tree and four sentences."""

    def view() -> dict[str, str]:
        transaction = Transaction("default")
        transaction.add(observe("order", "create", id="42"))
        for number in "12":
            transaction.add(observe("orderitem", "create", id=number, metadata=ITEM))
        transaction.commit()
        ezlogs.event("order.action", "placed", subject=("order", 42), metadata={"total": 99.9})
        return job.enqueued(JOB)

    with capture() as captured:
        headers = request(201, "Ada", happens=view)
        for attempt in (1, 2):
            headers = run(headers, attempt, smtplib.SMTPServerDisconnected("Connection unexpectedly closed"))
        run(headers, 3)
    story = only(captured.events)
    assert text(story) == (
        "Ada placed order 42 (POST /orders, 201, N ms). 3 rows were saved: 1 order, 2 order items. "
        "Job send_receipt failed twice (SMTPServerDisconnected), then ran in N ms. "
        "The receipt was sent to 1 recipient."
    )
    assert story.outcome == "Completed with retries"


def test_a_rejected_order_is_told() -> None:
    """A failed validation is what its request was about."""
    with capture() as captured:
        request(422, "Bob", happens=lambda: invalid("order", {"card_number": ["invalid"]}, source="form"))
    story = only(captured.events)
    assert text(story) == "Bob's order was rejected: card_number invalid (POST /orders, 422, N ms)."
    assert story.outcome == "Rejected"


def test_a_transaction_that_was_rolled_back_is_told_without_its_rows() -> None:
    """What was never saved is told as that."""

    def view() -> None:
        transaction = Transaction("default")
        transaction.add(observe("order", "create", id="42"))
        transaction.rollback(type("IntegrityError", (Exception,), {})())

    with capture() as captured:
        request(409, "Cleo", happens=view)
    story = only(captured.events)
    assert text(story) == (
        "Cleo requested POST /orders (409, N ms). Nothing was saved: the transaction was rolled back (IntegrityError)."
    )
    assert story.outcome == "Nothing was saved"


def test_a_flow_is_told_where_it_ended() -> None:
    """A flow around the order is a sentence of its own, and keeps the tree whole."""

    def view() -> None:
        with ezlogs.flow("checkout", 7):
            ezlogs.event("order.action", "placed", subject=("order", 42))

    with capture() as captured:
        request(201, "Ada", happens=view)
    story = only(captured.events)
    assert text(story) == "Ada placed order 42 (POST /orders, 201, N ms). Checkout 7 completed in N ms."


def test_sign_ins_are_told_as_people_say_them() -> None:
    """Of each action the sentence says who, and of a failed login the masked name."""
    ada, root = Actor("user", "7", "Ada"), Actor("user", "1", "Root")
    with capture() as captured, ezlogs.flow("support", 1):
        ezlogs.auth("login_failed", username="ada@example.com", reason="locked")
        ezlogs.auth("login", ada, method="sso")
        ezlogs.auth("password_changed", ada, actor=root)
        ezlogs.auth("permission_denied", ada, subject=("permission", "orders.delete_order"))
        ezlogs.auth("impersonation_started", ada, actor=root)
        ezlogs.auth("impersonation_ended", ada, actor=root)
        ezlogs.auth("logout", ada)
    [story] = stories(map(Told, captured.events))
    assert text(story).startswith(
        "Someone tried to log in as a…@example.com and failed (locked). Ada logged in (sso). "
        "Root changed the password of user Ada. Ada was refused the permission orders.delete_order. "
        "Root began to act as user Ada. Root stopped acting as user Ada. Ada logged out."
    )


@pytest.mark.parametrize(
    ("method", "status", "end", "sentence"),
    [
        ("WEBSOCKET", 101, {}, "Ada was connected to /ws/{room} (3 messages received, 5 sent"),
        ("WEBSOCKET", 101, {"reason": "disconnected"}, "Ada was connected to /ws/{room} and lost the connection (3"),
        (
            "WEBSOCKET",
            101,
            {"error": ValueError(), "broken": True},
            "Ada was connected to /ws/{room}, which failed (3 messages received, 5 sent, ValueError",
        ),
        ("WEBSOCKET", 404, {}, "Ada was not let in at /ws/{room} (404"),
        ("POST", 201, {"reason": "disconnected"}, "Ada's request POST /ws/{room} was not waited for (201"),
        ("POST", None, {"reason": "cancelled"}, "Ada's request POST /ws/{room} was cancelled ("),
        ("POST", None, {"reason": "interrupted"}, "Ada's request POST /ws/{room} did not finish ("),
    ],
)
def test_sessions_and_unfinished_requests_are_told(
    captured: Captured, method: str, status: int | None, end: dict[str, Any], sentence: str
) -> None:
    """With what went over a WebSocket, and why nobody knows how much of a request was done."""
    arrival = PlainArrival("GET" if method == "WEBSOCKET" else method, "/ws/lobby", {})
    request = HttpTracker("test").begin(arrival, method=method, peek=lambda: Actor("user", "7", "Ada"))
    assert request is not None
    if method == "WEBSOCKET":
        request.told("messages_received", 3)
        request.told("messages_sent", 5)
    request.finish(status, route="/ws/{room}", **end)
    [told] = only(captured.events).sentences
    assert told.text.startswith(sentence)


def test_rows_beyond_the_bound_are_told_with_those_in_detail() -> None:
    """A sentence counts all of them."""
    with capture(max_rows_in_detail=2) as captured:

        def view() -> dict[str, str]:
            transaction = Transaction("default")
            for number in range(7):
                transaction.add(observe("orderitem", "create", id=str(number), metadata=ITEM))
            transaction.commit()
            return {}

        request(201, "Ada", happens=view)
    assert "7 order items" in text(only(captured.events))


def test_a_job_that_joins_others_says_how_many(captured: Captured) -> None:
    """The body of a chord, the job that depends on others."""
    headers = job.enqueued(JOB, joins=[job.Joined("job-2"), job.Joined("job-3")])
    scope = job.started(JOB, headers=headers)
    assert scope is not None
    scope.succeeded()
    scope.close()

    assert text(only(captured.events)) == "Job send_receipt ran in N ms (after 2 other jobs)."
