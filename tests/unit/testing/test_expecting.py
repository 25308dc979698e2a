"""Expectations: flows, chains of causes and absences, and what they say when they are not met."""

from __future__ import annotations

import re
import threading
from inspect import cleandoc

import pytest
from tests.unit.testing import programs

import ezlogs
from ezlogs import Correlation, CorrelationManager
from ezlogs.emit import record
from ezlogs.testing import (
    Captured,
    at_least,
    capture,
    captured_trees,
    comparison,
    event,
    expect_correlation_chain,
    expect_event_flow,
    expect_no_event,
    same,
)
from ezlogs.trackers.job import Job, enqueued, perform

STORY, OTHER = Correlation(correlation_id="1" * 32), Correlation(correlation_id="2" * 32)


def order(captured: Captured) -> None:
    """A request that places an order, and a mail that is sent outside of its story."""
    request = record("http.request", "POST /orders", actor=("user", 42), correlation=STORY)
    assert request is not None
    caused = STORY.replace(parent_event_id=request.event_id)
    record("order.action", "placed", actor=("user", 42), subject=("order", 9), correlation=caused)
    record("data.change", "payment.create", subject=("payment", 3), correlation=caused)
    record("email.delivery", "receipt.sent", actor=("user", 42), correlation=OTHER)


def told(failing: pytest.ExceptionInfo[AssertionError]) -> str:
    """The text of an expectation that was not met, without ids."""
    return re.sub(r"evt_[0-9a-f]{32}", "evt_...", str(failing.value))


def test_a_flow_is_in_one_story(captured: Captured) -> None:
    """Its events in any order, others may be there; each is returned."""
    order(captured)
    change, placed = captured.expect_event_flow("data.change", event("order.placed", subject="order:*"))
    assert (change.event_type, placed.action) == ("data.change", "placed")
    assert expect_event_flow(event("order.placed", times=0), event("email.delivery")) == [captured.events[3]]
    captured.expect_event_flow("http.request", "order.placed", "data.change", ordered=True, strict=True)
    captured.expect_event_flow("email.delivery", strict=True, flow="2" * 32)
    captured.expect_event_flow()


def test_the_text_of_a_step_that_is_in_another_story(captured: Captured) -> None:
    """Which step, what was found, the actual trees, the nearest miss, and where the correlation broke."""
    order(captured)
    with pytest.raises(AssertionError) as failing:
        captured.expect_event_flow(
            event("order.placed", actor="user:42", subject="order:*"),
            event("data.change"),
            event("email.delivery", actor=same("order.placed")),
        )
    assert told(failing) == cleandoc(
        """
        expect_event_flow: step 3 of 3 `email.delivery` not found in story#1
        expected:
          ✓ order.placed  in POST /orders  user:42 -> order:9
          ✓ data.change   in POST /orders  -> payment:3
          ✗ event('email.delivery', actor=same('order.placed'))
        captured:
          story#1: 3 events
            ✓ http.request POST /orders user:42
              ✓ order.action placed user:42 -> order:9
              ✓ data.change payment.create -> payment:3
          story#2: 1 event
            ✓ email.delivery receipt.sent user:42
        nearest: `email.delivery receipt.sent` in story#2 (root: itself)
          correlation broken here: ✓ email.delivery receipt.sent user:42
            story    expected story#1   got story#2
            cause    expected an event of story#1   got none: it began a story of its own
            nothing of story#1 was current where it was emitted: another thread, task or callback has to be
            handed the context, as by CorrelationManager.with_context
        """
    )


def test_the_text_of_a_step_that_differs(captured: Captured) -> None:
    """Field by field."""
    order(captured)
    with pytest.raises(AssertionError) as failing:
        captured.expect_event_flow(
            "http.request", event("order.placed", actor="user:7", subject="order:*", metadata={"total": 5})
        )
    assert told(failing).partition("nearest: ")[2] == cleandoc(
        """
        `order.action placed` in story#1 (root: http.request POST /orders)
          ✓ type      order.action
          ✗ actor     expected 'user:7'      got user:42
          ✓ subject   order:9
          ✗ metadata  expected {'total': 5}  got {}
        """
    )


def test_the_text_of_what_is_not_the_same(captured: Captured) -> None:
    """With what it had to be."""
    order(captured)
    with pytest.raises(AssertionError) as failing:
        captured.expect_event_flow("http.request", event("data.change", actor=same("http.request")))
    assert "✗ actor  expected same('http.request'), which is user:42  got system:system" in told(failing)


@pytest.mark.parametrize(
    ("expected", "options", "first"),
    [
        ([event("data.*", times=2)], {}, "step 1 of 1 `data.*` found once, expected twice in story#1"),
        ([event("data.*", times=at_least(2))], {}, "`data.*` found once, expected at least 2 times in story#1"),
        ([event("data.*", times=0), "http.request"], {}, "step 1 of 2 `data.*` found once, expected never in story#1"),
        (["data.change", "order.*"], {"ordered": True}, "step 2 of 2 `order.*` not found after step 1 in story#1"),
        (["order.*"], {"strict": True}, "✓ http.request POST /orders user:42 is there, which nobody expects"),
        (
            [event("data.*", times=1), event("order.*", times=1)],
            {"ordered": True},
            "step 1 of 2 `data.*` not found before the others in story#1",
        ),
        (["auth.*"], {"flow": "1" * 32}, "step 1 of 1 `auth.*` not found in story#1"),
        (["auth.*"], {"flow": "checkout:42"}, "step 1 of 1 `auth.*` not found; nothing was captured"),
        ([event("order.*", name="it"), event("order.*", name="twice")], {}, "step 2 of 2 `twice` not found in story#1"),
    ],
)
def test_the_first_line_says_what_is_wrong(
    captured: Captured, expected: list[object], options: dict[str, object], first: str
) -> None:
    """In one line."""
    order(captured)
    with pytest.raises(AssertionError) as failing:
        captured.expect_event_flow(*expected, **options)  # type: ignore[arg-type]  # of all kinds
    assert first in told(failing).partition("\n")[0]


def test_an_event_that_comes_too_late(captured: Captured) -> None:
    """After what should follow it."""
    for event_type in ("order.action", "data.change", "order.action"):
        record(event_type, "placed", correlation=STORY)
    with pytest.raises(AssertionError, match=r"✓ order.action placed is there, which is out of order in story#1"):
        captured.expect_event_flow("order.*", "data.*", ordered=True, strict=True)


def test_an_event_is_one_step_only(captured: Captured) -> None:
    """And the text says which one has it."""
    order(captured)
    with pytest.raises(AssertionError, match="it fits, and is taken by step 1 `first`"):
        captured.expect_event_flow(event("order.*", name="first"), event("order.*"))
    with pytest.raises(AssertionError, match="it fits, and is in another place of the order"):
        captured.expect_event_flow("data.change", "order.*", ordered=True)


def test_nothing_is_like_it(captured: Captured) -> None:
    """Where nothing is, and where nothing was captured at all."""
    with pytest.raises(AssertionError) as failing:
        captured.expect_event_flow(event("auth.*", times=0), "order.*", wait=0.001)
    assert told(failing) == cleandoc(
        """
        expect_event_flow: step 2 of 2 `order.*` not found; nothing was captured (waited 0.001 s)
        expected:
          ✗ event('auth.*', times=0)
          ✗ event('order.*')
        """
    )
    captured.expect_event_flow(event("auth.*", times=0))
    order(captured)
    with pytest.raises(AssertionError, match=r"nearest: nothing is like `schedule\.run`"):
        captured.expect_event_flow("schedule.run")


def test_linked_stories_count_as_one(captured: Captured) -> None:
    """As those of a flow that goes on days later."""
    with ezlogs.flow("checkout", 42) as checkout:
        record("order.action", "placed")
    assert checkout.correlation is not None
    with ezlogs.resume_flow("checkout", 42, linked=checkout.correlation.correlation_id):
        record("payment.action", "charged")
    captured.expect_event_flow("order.placed", "payment.charged", flow="checkout:42")


def test_what_comes_later_is_waited_for(captured: Captured) -> None:
    """From another thread; and looked out for where it must not come."""

    def later() -> None:
        with CorrelationManager.with_context(STORY):
            programs.place(1)

    timer = threading.Timer(0.02, later)
    timer.start()
    captured.expect_event_flow("order.placed", wait=60)
    timer.join()
    timer = threading.Timer(0.02, later)
    timer.start()
    with pytest.raises(AssertionError) as failing:
        captured.expect_no_event("payment.*", event("order.placed", subject="order:1"), wait=60)
    assert told(failing).startswith("expect_no_event: `order.placed` found")
    timer.join()


def test_an_event_that_must_not_be(captured: Captured) -> None:
    """Of any story."""
    expect_no_event()
    order(captured)
    captured.expect_no_event("auth.*", event("*", outcome="failure"))
    with pytest.raises(AssertionError) as failing:
        expect_no_event(event("email.delivery"))
    assert told(failing).splitlines()[:3] == [
        "expect_no_event: `email.delivery` found once",
        "  ✓ email.delivery receipt.sent user:42 in story#2 (root: itself)",
        "not expected: event('email.delivery')",
    ]


def job(captured: Captured, headers: bool) -> None:
    """A request that queues a job, which sends a mail; the message's headers may get lost."""
    with ezlogs.tracked("http.request", "POST /orders"):  # type: ignore[attr-defined]  # a Work
        record("data.change", "order.create", subject=("order", 9))
        message = enqueued(Job("send_receipt", "j-1", "mail"), traced=True)
    with perform(Job("send_receipt", "j-1", "mail"), headers=message if headers else {}):
        record("email.delivery", "receipt.sent")


def test_a_chain_from_request_to_mail(captured: Captured) -> None:
    """By short names, in one story, all caused by the first."""
    job(captured, headers=True)
    chain = expect_correlation_chain("http", "db", "enqueue", "job", "email")
    assert [link.event_type for link in chain] == [
        *("http.request", "data.change", "job.enqueue", "job.execution", "email.delivery")
    ]
    captured.expect_correlation_chain("http", "enqueue", "job", "email", direct=True, flow=captured.flow_of("http.*"))
    with pytest.raises(AssertionError, match="in the same story, but not below what is before it"):
        captured.expect_correlation_chain("http", "db", "job", direct=True)
    with pytest.raises(AssertionError, match="in the same story, but not below what is before it"):
        captured.expect_correlation_chain("db", "http")


def test_the_text_of_a_chain_that_is_broken(captured: Captured) -> None:
    """It says who queued it, who ran it, and what did not arrive."""
    job(captured, headers=False)
    with pytest.raises(AssertionError) as failing:
        captured.expect_correlation_chain("http", "db", "job", "email")
    assert told(failing) == cleandoc(
        """
        expect_correlation_chain: link 3 of 4 `job` is not caused by `http.request POST /orders` in story#1
        expected, each after its cause:
          ✓ http  ✓ http.request POST /orders
          ✓ db    ✓ data.change order.create -> order:9
          ✗ job
          … email
        captured:
          story#1: 3 events
            ✓ http.request POST /orders
              ✓ data.change order.create -> order:9
              ✓ job.enqueue send_receipt.enqueue -> job:j-1
          story#2: 2 events
            ✓ job.execution send_receipt.success -> job:j-1
              ✓ email.delivery receipt.sent
        nearest: `job.execution send_receipt.success` in story#2 (root: itself)
          correlation broken here: ✓ job.execution send_receipt.success -> job:j-1
            story    expected story#1   got story#2
            cause    expected an event of story#1   got none: it began a story of its own
            queued by ✓ job.enqueue send_receipt.enqueue -> job:j-1 in story#1, run in story#2: the message's
            header `ezlogs` was absent or unreadable
        """
    )


@pytest.mark.parametrize(
    ("links", "told_first"),
    [
        (["graphql", "email"], "link 1 of 2 `graphql` not found"),
        (["email", "order.*"], "link 2 of 2 `order.*` is not caused by `email.delivery receipt.sent`"),
    ],
)
def test_a_link_that_is_nowhere(captured: Captured, links: list[str], told_first: str) -> None:
    """Is said to be."""
    job(captured, headers=True)
    with pytest.raises(AssertionError) as failing:
        captured.expect_correlation_chain(*links)
    assert told_first in told(failing)
    assert "nearest: nothing is like" in told(failing)
    with capture() as nothing, pytest.raises(AssertionError, match=r"link 1 of 1 `http` not found \(waited 0.001 s\)"):
        nothing.expect_correlation_chain("http", wait=0.001)


def test_links_have_to_be_known(captured: Captured) -> None:
    """The nearest name is said."""
    with pytest.raises(ValueError, match="name at least one link"):
        captured.expect_correlation_chain()
    with pytest.raises(ValueError, match="link 'emial'; did you mean 'email'"):
        captured.expect_correlation_chain("emial")
    with pytest.raises(ValueError, match="link 'x'; use an event type, or http, graphql"):
        captured.expect_correlation_chain("x")
    with pytest.raises(TypeError, match="5: an expected event is what event"):
        captured.expect_event_flow(5)  # type: ignore[arg-type]  # wrong


@pytest.mark.parametrize(
    ("event_type", "correlation", "why"),
    [
        ("http.request", OTHER, "no http.client event of story#1 is this request: the client is not instrumented"),
        ("job.execution", OTHER, "no job.enqueue of it was captured: what queues it is not instrumented"),
        ("order.action", OTHER.replace(parent_event_id="evt_1"), "its cause evt_1 was not captured: it was lost"),
        ("order.action", OTHER.replace(flow_id="billing:1"), "flow     expected checkout:42   got billing:1"),
    ],
)
def test_what_most_likely_broke_it(captured: Captured, event_type: str, correlation: Correlation, why: str) -> None:
    """By what the first event outside is."""
    record("payment.action", "charged", correlation=STORY.replace(flow_id="checkout:42"))
    record(event_type, "POST /orders", correlation=correlation)
    with pytest.raises(AssertionError, match=re.escape(why)):
        captured.expect_event_flow("payment.*", event_type)


def test_a_request_that_came_from_a_client_of_the_story(captured: Captured) -> None:
    """Its headers did not arrive."""
    record("http.client", "POST shop/orders", metadata={"method": "POST"}, correlation=STORY)
    record("http.request", "POST /orders", correlation=OTHER)
    with pytest.raises(AssertionError, match="the headers `traceparent` and `baggage` did not"):
        captured.expect_event_flow("http.client", "http.request")


def test_a_story_that_was_exchanged_on_the_way(captured: Captured) -> None:
    """Its cause is known."""
    cause = record("payment.action", "charged", correlation=STORY)
    assert cause is not None
    record("order.action", "placed", correlation=OTHER.replace(parent_event_id=cause.event_id))
    with pytest.raises(AssertionError, match="only the story's id was changed in between"):
        captured.expect_event_flow("payment.*", "order.*")


def test_a_cause_that_was_not_captured_is_shown(captured: Captured) -> None:
    """At the event that it caused."""
    record(
        "order.action",
        "placed",
        correlation=STORY.replace(parent_event_id="evt_1"),
        outcome="failure",
        error=KeyError(),
    )
    assert captured_trees() == cleandoc(
        """
        story#1: 1 event
          ✗ order.action placed failure KeyError   <- its cause evt_1 was not captured
        """
    )
    record("payment.action", "charged", correlation=STORY)
    with pytest.raises(AssertionError, match="got evt_1, which was not captured"):
        captured.expect_correlation_chain("payment.*", "order.*")


def test_the_story_of_an_event(captured: Captured) -> None:
    """If it is in one."""
    order(captured)
    assert captured.flow_of("order.placed") == STORY.correlation_id
    with pytest.raises(
        AssertionError, match=r"flow_of: `auth\.\*` is in no story; expected in one\ncaptured:\n  story#1"
    ):
        captured.flow_of("auth.*")
    with pytest.raises(AssertionError, match=r"flow_of: `\*` is in 2 stories"):
        captured.flow_of("*")


def test_long_trees_are_cut(captured: Captured) -> None:
    """And it is said how long they are."""
    for _ in range(100):
        record("order.action", "placed", correlation=STORY)
    assert captured_trees().splitlines()[-1] == "... and 41 further lines"


def test_a_link_may_be_said_in_full(captured: Captured) -> None:
    """As any expected event, and the chain is as long as it goes."""
    job(captured, headers=True)
    chain = captured.expect_correlation_chain(event("http.request", outcome="success"), "job.execution", direct=True)
    assert len(chain) == 2
    with pytest.raises(AssertionError, match="link 1 of 2 `graphql` not found"):
        captured.expect_correlation_chain("graphql", "job", direct=True)
    with pytest.raises(AssertionError, match=r"link 2 of 3 `email` is not caused by `data.change order.create`"):
        captured.expect_correlation_chain("db", "email", "job", direct=True)


def test_a_link_that_is_in_another_flow(captured: Captured) -> None:
    """Is said to be there."""
    record("order.action", "placed", correlation=STORY)
    record("order.action", "changed", correlation=STORY.replace(flow_id="checkout:42"))
    for flow in ("billing:1", "checkout:42"):
        with pytest.raises(
            AssertionError, match=r"nearest: `order.action placed` in story#1 \(root: itself\)\n  in flow none"
        ):
            captured.expect_correlation_chain(event("order.placed"), flow=flow)


def test_comparisons_are_explained_either_way_round(captured: Captured) -> None:
    """Where they are about an event."""
    placed, expected = record("order.action", "placed"), event("order.action", "changed")
    assert placed is not None
    for lines in (comparison("==", placed, expected), comparison("==", expected, placed)):
        assert lines is not None
        assert lines[1:] == ["  ✓ type    order.action", "  ✗ action  expected 'changed'  got placed"]
    assert comparison("in", expected, [5]) == ["event('order.action', 'changed') in no events"]
    assert comparison("==", 1, 2) is comparison("!=", expected, placed) is comparison("in", 1, [2]) is None
