"""The findings: what arrived at the collector, as stories and numbers, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from ezlogs.dev.decode import ReceivedSpan
from ezlogs.story import Story, render_json, stories, told
from ezlogs.wire import REDACTED

from .customers import Customer, Visit

SERVICES = ["shop-web", "shop-worker"]


class Outage(msgspec.Struct, frozen=True):
    """When the collector was away, in Unix time in nanoseconds."""

    began: int
    ended: int

    @property
    def seconds(self) -> float:
        """How long that was."""
        return (self.ended - self.began) / 1e9


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo found out."""

    stories: list[Story]
    events: int
    """Distinct events that arrived."""
    orphans: int
    """Events whose cause did not arrive."""
    emitted: int
    """Events that the shop's processes say they have emitted."""
    services: list[str]
    redacted: int
    """How often privacy took something out."""
    leaks: list[str]
    """Where something was found that a customer had typed into a form and nobody else may see."""
    visits: list[Visit]
    outage: Outage
    problems: list[str]

    @property
    def lost(self) -> int:
        """Events that were emitted and did not arrive."""
        return self.emitted - self.events

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "stories": len(self.stories),
            "events": self.events,
            "orphans": self.orphans,
            "lost": self.lost,
            "services": self.services,
            "redacted": self.redacted,
            "leaks": self.leaks,
            "orders": [msgspec.to_builtins(visit) for visit in self.visits],
            "outage": msgspec.to_builtins(self.outage),
            "problems": self.problems,
            "story_list": [render_json(story) for story in self.stories],
        }


def found(
    spans: Iterable[ReceivedSpan],
    *,
    health: Path,
    logs: Iterable[Path],
    customers: list[Customer],
    visits: list[Visit],
    outage: Outage,
    mails: list[str],
    refused: int,
) -> Findings:
    """Look into what arrived.

    Args:
        spans: What the collector received; a span sent twice counts once.
        health: The folder with the report of each process.
        logs: What the processes wrote to their terminals.
        customers: Who came.
        visits: How their orders were answered.
        outage: When the collector was away.
        mails: The recipients of the mails that arrived.
        refused: How many deliveries the mail server refused.
    """
    distinct = list({(span.trace_id, span.span_id): span for span in spans}.values())
    events = told(distinct)
    tales = stories(events)
    findings = Findings(
        stories=tales,
        events=sum(len(story.events) for story in tales),
        orphans=sum(len(story.orphans) for story in tales),
        emitted=sum(json.loads(report.read_bytes())["emitted"] for report in health.glob("*.json")),
        services=sorted({item.service for item in events}),
        redacted=sum(len(attributes.get(REDACTED, ())) for span in distinct for attributes in _attributes(span)),
        leaks=[*_leaks(customers, distinct, logs)],
        visits=visits,
        outage=outage,
        problems=[],
    )
    return msgspec.structs.replace(findings, problems=[*_problems(findings, customers, mails, refused)])


def _attributes(span: ReceivedSpan) -> list[dict[str, Any]]:
    return [span.attributes, *(event.attributes for event in span.events)]


def _leaks(customers: list[Customer], spans: list[ReceivedSpan], logs: Iterable[Path]) -> Iterable[str]:
    """Return where a customer's secret is in what left the processes: telemetry, whole, and logs."""
    secrets = sorted({secret.lower() for customer in customers for secret in customer.secrets})
    places = [(f"span {span.name!r} of {span.resource.get('service.name')}", repr(span)) for span in spans]
    places += [(log.name, log.read_text(errors="replace")) for log in logs]
    for place, text in places:
        lower = text.lower()
        yield from (f"{secret!r} in {place}" for secret in secrets if secret in lower)


def _problems(findings: Findings, customers: list[Customer], mails: list[str], refused: int) -> Iterable[str]:
    """Return what is not as it should be."""
    for customer in customers:
        answers = [visit.status for visit in findings.visits if visit.customer == customer.name]
        if answers != [customer.expected]:
            yield f"{customer.name}'s order was answered with {answers}, not with {customer.expected}"
    due = sorted(customer.email for customer in customers if customer.expected == 201)
    if sorted(mails) != due:
        yield f"{len(mails)} receipts arrived, not {len(due)}"
    if refused != 2:
        yield f"the mail server refused {refused} deliveries, not 2"
    if findings.services != SERVICES:
        yield f"events came from {findings.services}, not from {SERVICES}"
    if findings.lost:
        yield f"{findings.emitted} events were emitted and {findings.events} arrived"
    if findings.orphans:
        yield f"{findings.orphans} events have a cause that did not arrive"
    yield from (f"leaked: {leak}" for leak in findings.leaks)
    for visit in findings.visits:
        if visit.order is not None:
            yield from _untold(visit, findings.stories)


def _untold(visit: Visit, tales: list[Story]) -> Iterable[str]:
    """Return what is missing from the story of an order that was placed."""
    placed = [story for story in tales if _orders_placed(story) == [visit.order]]
    if len(placed) != 1:
        yield f"order {visit.order} of {visit.customer} has {len(placed)} stories of its own, not 1"
        return
    [story] = placed
    if sorted(story.services) != SERVICES or len(story.roots) != 1:
        yield f"the story of order {visit.order} is not one tree over {SERVICES}"


def _orders_placed(story: Story) -> list[str | None]:
    return [event.subject.id for event in story.events if event.event_type == "order.action" and event.subject]
