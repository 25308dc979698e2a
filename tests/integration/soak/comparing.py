"""What ezlogs told of a shop, held against what the shop's own application wrote down."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from ezlogs.event import UniversalEvent
from ezlogs.story import Story

from .driving import Fact

Events = dict[int, list[UniversalEvent]]
"""The events of each order's story."""

INTERRUPTED = frozenset({"unknown", "retried", "failure", "dead"})
"""How an attempt may be said to have ended whose process was killed: by nobody, or by the worker's main process."""


def orders_of(events: Iterable[UniversalEvent], truth: list[Fact]) -> dict[str, set[int]]:
    """Return the orders that each event, by its id, is about, as the application knows them; none where it is not said.

    That is by the job's id, by the row's key, by the message's id or by the order's number; -1 is one of no order.
    """
    jobs = {fact["job"]: fact["order"] for fact in truth if "job" in fact and "order" in fact}
    messages = {
        sha256(fact["message"].encode()).hexdigest()[:32]: fact["order"] for fact in truth if fact["fact"] == "mailing"
    }
    found: dict[str, set[int]] = {}
    for event in events:
        kind, name = (event.subject.type, event.subject.id or "") if event.subject is not None else ("", "")
        about: set[int | None] = {jobs.get(event.correlation.job_id or "")}
        if event.correlation.request_id:
            about.add(int(event.correlation.request_id.removeprefix("req-")))
        if event.event_type.startswith("job."):
            about.add(jobs.get(name, -1))
        elif event.event_type == "email.delivery":
            about.add(messages.get(name, -1))
        elif kind in ("order", "reservation"):
            about.add(int(name.partition("-")[0]))
        found[event.event_id] = {order for order in about if order is not None}
    return found


class Comparison:
    """What is wrong with what was told, as one line for each fault.

    Args:
        stories: What was told.
        truth: What happened.
    """

    def __init__(self, stories: list[Story], truth: list[Fact]) -> None:
        self.stories, self.truth = stories, truth
        self.faults: list[str] = []
        self.seen: Counter[str] = Counter()
        """How much was compared, by kind."""
        events = [event for story in stories for event in story.events]
        self._orders = orders_of(events, truth)
        self._by_type: defaultdict[str, list[UniversalEvent]] = defaultdict(list)
        for event in events:
            self._by_type[event.event_type].append(event)
        self._facts: defaultdict[str, list[Fact]] = defaultdict(list)
        for fact in truth:
            self._facts[fact["fact"]].append(fact)
        self._of_stories()
        self._of_requests()
        self._of_attempts()
        self._of_causes()
        self._of_enqueuing()
        self._of_rows()
        self._of_mails()
        self._of_own_events()

    def _check(self, kind: str, holds: object, *told: object) -> None:
        self.seen[kind] += 1
        if not holds:
            self.faults.append(f"{kind}: {' '.join(map(str, told))}")

    def _of_stories(self) -> None:
        """Each order has one story, which is whole and of that order alone."""
        homes: defaultdict[int, set[str]] = defaultdict(set)
        for story in self.stories:
            about = {order for event in story.events for order in self._orders[event.event_id]}
            for order in about:
                homes[order].add(story.correlation_id)
            shape = [(event.event_type, event.action, event.outcome) for event in story.events]
            self._check("a story is of one order", len(about) == 1, about, shape)
            self._check(
                "a story has one root", len(story.roots) == 1, about, [node.event.action for node in story.roots]
            )
            orphans = [(event.action, event.outcome, event.correlation.parent_event_id) for event in story.orphans]
            self._check("a story has no orphan", not orphans, about, orphans)
        for order in {fact["order"] for fact in self._facts["start"] if "request" in fact}:
            self._check("an order has one story", len(homes[order]) == 1, order, homes[order])

    def _of_requests(self) -> None:
        told = self._count("http.request")
        done = Counter(fact["order"] for fact in self._facts["done"] if "request" in fact)
        ends = (*self._facts["returned"], *self._facts["raised"])
        ended = Counter(fact["order"] for fact in ends if "request" in fact)
        for order, number in self._between("request").items():
            low, high = number
            events = told.pop(order, [])
            self._check("requests", low <= len(events) <= high, order, number, len(events))
            if done[order] == high == len(events):
                self._check("an answered request", "unknown" not in {event.outcome for event in events}, order)
            elif low == high and not ended[order] and not done[order]:  # one that had ended may have told so
                self._check("a killed request", {event.outcome for event in events} == {"unknown"}, order)
        self._check("requests that never were", not told, told)

    def _of_attempts(self) -> None:
        told: defaultdict[tuple[str, int], list[UniversalEvent]] = defaultdict(list)
        for event in self._by_type["job.execution"]:
            told[event.correlation.job_id or "", event.correlation.attempt or 0].append(event)
        ends: defaultdict[tuple[str, int], Counter[str]] = defaultdict(Counter)
        for fact in self._facts["done"]:
            if "job" in fact:
                ends[fact["job"], fact["attempt"]][fact["state"]] += 1
        received, about, start = (
            Counter((fact["job"], fact["attempt"]) for fact in self._facts[what] if "job" in fact)
            for what in ("received", "about", "start")
        )
        for key, most in received.items():
            events = told.pop(key, [])
            # Killed with a job in its hands before it could say anything: the worker's main process alone knows.
            unsaid = sum(event.action.endswith(".lost") for event in events)
            high = min(most, about[key] + unsaid)
            outcomes = Counter(event.outcome for event in events)
            said = (key, dict(outcomes), dict(ends[key]), f"{start[key]} to {high}")
            self._check("attempts", start[key] <= len(events) <= high, *said)
            self._check("distinct attempts", len({event.event_id for event in events}) == len(events), *said)
            states = ends[key]
            self._check("attempts that returned", outcomes["success"] >= states["SUCCESS"], *said)
            self._check("attempts that were retried", outcomes["retried"] >= states["RETRY"], *said)
            self._check("dead attempts", outcomes["dead"] + outcomes["failure"] >= states["FAILURE"], *said)
            killed = high - states.total()
            rest = outcomes - Counter(success=states["SUCCESS"], retried=states["RETRY"])
            unexplained = rest.total() - states["FAILURE"]
            self._check("killed attempts", unexplained <= killed and set(rest) <= INTERRUPTED | {"success"}, *said)
            self.seen["  of them killed"] += killed
        self._check("attempts that never were", not told, dict(told))

    def _of_causes(self) -> None:
        """A first attempt is caused by its enqueueing, a later one by that before it, all else by what it was in."""
        events = {event.event_id: event for story in self.stories for event in story.events}

        def cause_of(event: UniversalEvent) -> tuple[object, ...]:
            cause = events.get(event.correlation.parent_event_id or "")
            if cause is None:
                return ()
            return cause.event_type, cause.subject and cause.subject.id, cause.correlation.attempt

        for event in self._by_type["job.execution"]:
            job, attempt = event.correlation.job_id, event.correlation.attempt or 0
            told = cause_of(event)
            if attempt == 1:
                self._check("causes of attempts", told[:2] == ("job.enqueue", job), event, told)
            else:
                self._check("causes of attempts", told == ("job.execution", job, attempt - 1), event, told)
        for kind in ("job.enqueue", "data.change", "email.delivery", "shop.action"):
            for event in self._by_type[kind]:
                told = cause_of(event)
                if event.correlation.job_id is None:
                    self._check("causes in requests", told[:1] == ("http.request",), event, told)
                else:
                    inside = ("job.execution", event.correlation.job_id, event.correlation.attempt)
                    self._check("causes in attempts", told == inside, event, told)

    def _of_enqueuing(self) -> None:
        told = Counter(event.subject.id for event in self._by_type["job.enqueue"] if event.subject is not None)
        taken = {fact["job"] for fact in self._facts["enqueued"]} | {
            fact["job"] for fact in self._facts["about"] if "job" in fact
        }
        for fact in self._facts["enqueuing"]:
            number = told.pop(fact["job"], 0)
            self._check("enqueued jobs", number == 1 if fact["job"] in taken else number <= 1, fact, number)
        self._check("enqueued jobs that never were", not told, told)

    def _of_rows(self) -> None:
        told: defaultdict[str, list[str]] = defaultdict(list)
        for event in self._by_type["data.change"]:
            if event.subject is not None:
                told[event.subject.id or ""].append(event.outcome)
        saved = {fact["row"] for fact in self._facts["saved"]}
        for fact in self._facts["saving"]:
            outcomes = told.pop(fact["row"], [])
            if fact["row"] in saved:
                self._check("rows", outcomes in (["success"], ["unknown"]), fact, outcomes)
            else:
                self._check("rows that may be", len(outcomes) <= 1, fact, outcomes)
        self._check("rows that never were", not told, dict(told))

    def _of_mails(self) -> None:
        told: defaultdict[str, list[UniversalEvent]] = defaultdict(list)
        for event in self._by_type["email.delivery"]:
            told[event.subject.id if event.subject is not None and event.subject.id else ""].append(event)
        ended = {fact["message"]: fact for fact in self._facts["mailed"]}
        for fact in self._facts["mailing"]:
            events = told.pop(sha256(fact["message"].encode()).hexdigest()[:32], [])
            end = ended.get(fact["message"])
            outcomes = [event.outcome for event in events]
            if end is None:
                self._check("mails that may be", len(outcomes) <= 1, fact, outcomes)
                self.seen["  of them told as interrupted"] += outcomes == ["unknown"]
            else:
                self._check("mails", outcomes == [end["outcome"]], end, outcomes)
                refused = [event.metadata.get("refused", 0) for event in events]
                self._check("refusals", end["outcome"] == "failure" or refused == [end["refused"]], end, refused)
        self._check("mails that never were", not told, dict(told))

    def _of_own_events(self) -> None:
        """The application's own events are each there once, below the attempt that they are of."""
        told = Counter(event.metadata.get("mark") for event in self._by_type["shop.action"])
        for fact in self._facts["told"]:
            self._check("own events", told[fact["token"]] == 1, fact, told[fact["token"]])

    def _count(self, event_type: str) -> dict[int, list[UniversalEvent]]:
        found: defaultdict[int, list[UniversalEvent]] = defaultdict(list)
        for event in self._by_type[event_type]:
            for order in self._orders[event.event_id]:
                found[order].append(event)
        return dict(found)

    def _between(self, what: str) -> dict[Any, tuple[int, int]]:
        """Return how often something happened at least and at most: a kill may have been just when it began."""
        least = Counter(fact["order"] for fact in self._facts["start"] if what in fact)
        most = Counter(fact["order"] for fact in self._facts["about"] if what in fact)
        return {order: (least[order], number) for order, number in most.items()}
