"""The demo shop, run as a new user runs it: real processes, real customers, and what must be true of their stories."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
CONCURRENT = 20
TYPED = (
    "correct-horse-battery-staple",
    "4242 4242 4242 424",
    "424242424242424",
    ".typed@example.com",
    ".typed%40example",
)
"""What the customers type into forms: the password, the card numbers but their last digit, the e-mail addresses."""

pytestmark = [
    pytest.mark.timeout(150),
    pytest.mark.skipif(os.name != "posix", reason="the demo ends its processes by POSIX signals"),
]

Run = dict[str, Any]


def demo(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the demo in a clean environment: a new home, a temporary folder of its own, and nothing else set."""
    return subprocess.Popen(
        [sys.executable, "-m", "examples.shop.demo", *arguments],
        cwd=REPOSITORY,
        env={"PATH": os.defpath, "HOME": str(home), "TMPDIR": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str], timeout: float) -> tuple[str, str]:
    """The demo's whole output; the demo has ended then, by itself or not."""
    try:
        return process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)  # it ends its own processes
        out, err = process.communicate(timeout=30)
        pytest.fail(f"the demo was not done in {timeout} s:\n{err}\n{out}")


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the demo prints for programs, with 20 customers who order at the same moment."""
    process = demo(tmp_path_factory.mktemp("home"), "--json", "--concurrent", str(CONCURRENT))
    out, err = finished(process, timeout=90)
    assert process.returncode == 0, err
    return out


@pytest.fixture(scope="module")
def run(output: str) -> Run:
    """The demo's result."""
    result: Run = json.loads(output)
    return result


@pytest.fixture(scope="module")
def checkouts(run: Run) -> dict[str, Run]:
    """The story of each order that was placed, by the name of the customer who got its number."""
    told = {number: story for story in run["story_list"] for number in numbers_placed(story)}
    return {order["customer"]: told[order["order"]] for order in run["orders"] if order["status"] == 201}


def of(story: Run, event_type: str, action: str = "") -> list[Run]:
    """A story's events of one type, in causal order."""
    return [event for event in story["events"] if event["event_type"] == event_type and action in event["action"]]


def numbers_placed(story: Run) -> list[str]:
    """The numbers of the orders that were placed in a story."""
    return [event["subject"]["id"] for event in of(story, "order.action", "placed")]


def story_answered(run: Run, status: int) -> Run:
    """The one story of an order that the shop answered with a status."""
    story: Run
    [story] = [
        story
        for story in run["story_list"]
        for event in of(story, "http.request", "POST /orders")
        if event["metadata"]["status"] == status
    ]
    return story


def test_nothing_is_lost_orphaned_or_wrong(run: Run) -> None:
    """Every emitted event arrives once, its cause with it, from both processes, and the demo finds nothing wrong."""
    assert (run["lost"], run["orphans"], run["problems"]) == (0, 0, [])
    assert run["services"] == ["shop-web", "shop-worker"]
    assert run["stories"] == len(run["story_list"])
    assert run["events"] == sum(len(story["events"]) for story in run["story_list"])


def test_events_of_the_outage_arrive_after_it(run: Run, checkouts: dict[str, Run]) -> None:
    """What happens while the collector is away is delivered once it is back."""
    began, ended = run["outage"]["began"], run["outage"]["ended"]
    placed = [event for story in checkouts.values() for event in of(story, "order.action")]

    assert ended - began >= 2e9
    assert sum(began < event["timestamp"] < ended for event in placed) == CONCURRENT


def test_a_checkout_is_one_story_over_all_processes(checkouts: dict[str, Run]) -> None:
    """Request, rows, job and mail of a checkout share its correlation id."""
    assert len(checkouts) == CONCURRENT + 1
    assert len({story["correlation_id"] for story in checkouts.values()}) == CONCURRENT + 1
    for story in checkouts.values():
        where = {event["event_type"]: event["service"] for event in story["events"]}
        assert where == {
            "http.request": "shop-web",
            "flow.lifecycle": "shop-web",
            "data.change": "shop-web",
            "order.action": "shop-web",
            "job.enqueue": "shop-web",
            "job.execution": "shop-worker",
            "email.delivery": "shop-worker",
        }


def test_a_story_is_one_tree(run: Run) -> None:
    """Each story has one beginning, and every other event in it names one that stands before it as its parent."""
    for story in run["story_list"]:
        [root] = story["roots"]
        known: set[str] = set()
        for event in story["events"]:
            assert event["parent_event_id"] in known or event["event_id"] == root
            known.add(event["event_id"])


def test_attempts_of_a_job_follow_from_each_other(checkouts: dict[str, Run]) -> None:
    """The first attempt comes from the enqueueing, each later one from the retry before it; all are one job."""
    [enqueued] = of(checkouts["Ada"], "job.enqueue")
    attempts = of(checkouts["Ada"], "job.execution")

    assert [(event["attempt"], event["outcome"]) for event in attempts] == [
        (1, "retried"),
        (2, "retried"),
        (3, "success"),
    ]
    causes = [enqueued, *attempts[:-1]]
    assert [event["parent_event_id"] for event in attempts] == [cause["event_id"] for cause in causes]
    assert {event["job_id"] for event in attempts} == {enqueued["subject"]["id"]}
    assert [event["error"] and event["error"]["type"] for event in attempts] == [
        "smtplib.SMTPServerDisconnected",
        "smtplib.SMTPServerDisconnected",
        None,
    ]


def test_each_delivery_is_told_in_the_attempt_that_made_it(checkouts: dict[str, Run]) -> None:
    """Two refused mails and the one that was sent each have their attempt of the job as the parent."""
    attempts, mails = (of(checkouts["Ada"], kind) for kind in ("job.execution", "email.delivery"))

    assert [mail["outcome"] for mail in mails] == ["failure", "failure", "success"]
    assert [mail["parent_event_id"] for mail in mails] == [attempt["event_id"] for attempt in attempts]


def test_simultaneous_checkouts_never_mix(checkouts: dict[str, Run]) -> None:
    """Of 20 customers who order at the same moment, each story holds one customer, one order, its rows and its mail."""
    rows: list[str] = []
    for customer, story in checkouts.items():
        assert len(numbers_placed(story)) == 1
        assert {event["actor"]["label"] for event in story["events"]} <= {customer, None}
        assert len({event["actor"]["id"] for event in story["events"]}) == 1
        assert [event["subject"]["id"] for event in of(story, "data.change", "order.create")] == numbers_placed(story)
        items = [event["subject"]["id"] for event in of(story, "data.change", "orderitem.create")]
        assert len(items) == 2
        rows += items
        assert len({event["flow_id"] for event in story["events"]} - {None}) == 1
        assert [mail["metadata"]["recipients"] for mail in of(story, "email.delivery", "sent")] == [1]
    assert len(set(rows)) == 2 * len(checkouts)


def test_a_rejected_order_says_what_was_wrong_with_it(run: Run) -> None:
    """An order with a mistyped card number names the field, and saves and starts nothing."""
    story = story_answered(run, 422)
    [rejected] = of(story, "data.validation")

    assert (rejected["metadata"]["fields"], rejected["metadata"]["codes"]) == (["card_number"], ["invalid"])
    assert "Bob's order was rejected: card_number invalid" in story["sentences"][0]["text"]
    assert [event["event_type"] for event in story["events"]] == ["http.request", "data.validation"]


def test_a_rolled_back_order_says_so_and_shows_no_rows(run: Run) -> None:
    """An order that the database refused tells of the rollback, and of no row, job or mail."""
    story = story_answered(run, 409)
    [rollback] = of(story, "data.transaction")

    assert rollback["outcome"] == "rolled_back"
    assert rollback["metadata"]["rows_by_model"] == {"order": 1, "orderitem": 1}
    assert not {"data.change", "job.enqueue", "email.delivery"} & {event["event_type"] for event in story["events"]}
    sentences = [sentence["text"] for sentence in story["sentences"]]
    assert "Nothing was saved: the transaction was rolled back (IntegrityError)." in sentences


def test_what_customers_type_stays_in_the_shop(run: Run, output: str) -> None:
    """Neither telemetry nor logs hold a password, card number or e-mail address typed into a form."""
    assert run["leaks"] == []
    assert [secret for secret in TYPED if secret in output] == []
    assert run["redacted"] >= CONCURRENT + 1  # each order's event is given the address that its receipt goes to


def test_stories_are_shown_as_trees_and_sentences(tmp_path: Path) -> None:
    """In the terminal Ada's order is a tree, and a paragraph of plain English; the closing line counts it all."""
    process = demo(tmp_path, "--customers", "3")
    out, err = finished(process, timeout=90)
    words = " ".join(out.split())

    assert process.returncode == 0, err
    assert "Ada placed order 1 (POST /orders, 201, " in words
    assert "3 rows were saved: 1 order, 2 order items." in words
    assert "Job send_receipt failed twice (SMTPServerDisconnected), then ran in " in words
    assert "The receipt was sent to 1 recipient." in words
    assert "└── ↻" in out
    assert "0 orphans, 0 lost, though the collector was away for 2." in words
    assert list(tmp_path.iterdir()) == [], "the demo left something in the temporary folder"


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to see every process's environment")
def test_ctrl_c_ends_every_process(tmp_path: Path) -> None:
    """Interrupted while web process and worker run, the demo takes both, and all their children, with it."""
    process = demo(tmp_path, "--customers", "3")
    deadline = monotonic() + 60
    try:
        while len(list(started_by(tmp_path))) < 4 and monotonic() < deadline:  # demo, web, worker and a child of it
            assert process.poll() is None, process.communicate()
            sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()

    assert process.returncode == 130, err
    assert list(started_by(tmp_path)) == []


def started_by(home: Path) -> Iterator[int]:
    """The ids of the processes whose environment holds this home."""
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"HOME={home}".encode() in environ.read_bytes().split(b"\0"):
                yield int(environ.parent.name)
        except OSError:  # ended meanwhile, or another user's
            continue
