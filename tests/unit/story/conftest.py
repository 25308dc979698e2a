"""Scenes: events as the trackers make them, at chosen times, for stories to be told of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ezlogs import Actor, Change, Correlation, Subject, UniversalEvent
from ezlogs.event import SYSTEM, Failure
from ezlogs.ids import new_event_id
from ezlogs.story import Story, Told, stories

NOON = 1_760_000_000_000_000_000
STORY = "0af7651916cd43dd8448eb211c80319c"
ADA = Actor("user", "7", "Ada")


class Scene:
    """What happens in one story; ``now`` is in seconds after its beginning and moves as events are told."""

    def __init__(self, actor: Actor = ADA) -> None:
        self.received: list[Told] = []
        self.now = 0.0
        self.actor = actor
        self.service = "shop-web"
        self.correlation = Correlation(correlation_id=STORY)

    def tell(self, event_type: str, action: str, **fields: Any) -> UniversalEvent:
        """Tell of something that happens now, because of what is under way."""
        correlation = fields.pop("correlation", self.correlation)
        event = UniversalEvent.create(
            event_type,
            action,
            correlation=correlation.replace(**fields.pop("where", {})),
            actor=fields.pop("actor", self.actor),
            timestamp=NOON + round(self.now * 1e9),
            sequence=len(self.received),
            strict=True,
            **fields,
        )
        self.received.append(Told(event, self.service))
        return event

    @contextmanager
    def scope(self, event_type: str, action: str, took: float, **fields: Any) -> Iterator[str]:
        """Tell of something that takes a while, at its end, as the cause of what happens meanwhile."""
        outer, began = self.correlation, self.now
        event_id = new_event_id(NOON + round(began * 1e9))
        where = fields.pop("where", {})
        self.correlation = outer.replace(parent_event_id=event_id, **where)
        yield event_id
        self.correlation, self.now = outer, began + took
        self.tell(event_type, action, event_id=event_id, duration=took, where=where, **fields)

    def request(self, line: str, status: int, took: float, **fields: Any) -> Any:
        """Tell of a request, such as ``POST /orders/``."""
        method, route = line.split(" ", 1)
        metadata = {"method": method, "route": route, "status": status}
        return self.scope("http.request", line, took, metadata=metadata, **fields)

    def row(self, action: str, identifier: object = None, changes: tuple[Change, ...] = (), **metadata: object) -> None:
        """Tell of a row, in the transaction ``t1``."""
        kind = action.partition(".")[0]
        names = {"orderitem": "order item", "order": "order"}
        if kind in names:
            metadata = {"verbose_name": names[kind], **metadata}
        self.tell(
            "data.change",
            action,
            subject=(kind, identifier) if identifier else Subject(kind),
            metadata={"table": f"shop_{kind}", **metadata},
            changes=changes,
            where={"transaction_id": "t1"},
        )

    def enqueue(self, task: str = "shop.tasks.send_receipt", job: str = "job-1", **fields: Any) -> UniversalEvent:
        """Tell that a job was asked for."""
        return self.tell("job.enqueue", f"{task}.enqueue", subject=Subject("job", job, task), **fields)

    def run(
        self,
        end: str,
        took: float,
        cause: str | None,
        attempt: int = 1,
        *,
        task: str = "shop.tasks.send_receipt",
        job: str = "job-1",
        **fields: Any,
    ) -> Any:
        """Tell of a run of a job in the worker, whose actor came without a label."""
        outcome = {"success": "success", "retry": "retried", "dead": "dead", "failure": "failure"}.get(end, "unknown")
        self.correlation = Correlation(correlation_id=STORY, parent_event_id=cause)
        self.service = "shop-worker"
        if self.actor != SYSTEM:
            self.actor = Actor(self.actor.type, self.actor.id)
        return self.scope(
            "job.execution",
            f"{task}.{end}",
            took,
            subject=Subject("job", job),
            outcome=outcome,
            where={"job_id": job, "attempt": attempt},
            **fields,
        )

    def mail(self, *, error: Failure | None = None, recipients: int = 1, **metadata: object) -> None:
        """Tell of a mail that was sent, or failed."""
        self.tell(
            "email.delivery",
            "message.failed" if error else "message.sent",
            outcome="failure" if error else "success",
            error=error,
            metadata={"recipients": recipients, "domains": ["example.com"], **metadata},
        )

    @property
    def story(self) -> Story:
        """The one story that these events tell."""
        [story] = stories(self.received)
        return story

    @property
    def text(self) -> str:
        """The sentences, as a paragraph."""
        return " ".join(sentence.text for sentence in self.story.sentences)


DISCONNECTED = Failure("smtplib.SMTPServerDisconnected", "Connection unexpectedly closed")


def checkout(scene: Scene) -> Scene:
    """Ada's order, whose receipt needs three attempts."""
    with scene.request("POST /orders/", 201, 0.084):
        scene.now = 0.02
        scene.row("order.create", 42)
        scene.row("orderitem.create", 1)
        scene.row("orderitem.create", 2)
        scene.now = 0.05
        scene.tell("order.action", "placed", subject=("order", 42), metadata={"total": 99.9})
        scene.now = 0.06
        cause = scene.enqueue().event_id
    for attempt in (1, 2):
        scene.now = attempt * 2.0
        with scene.run("retry", 0.1, cause, attempt, error=DISCONNECTED) as cause:
            scene.mail(error=DISCONNECTED)
    scene.now = 6.0
    with scene.run("success", 1.2, cause, 3):
        scene.now = 6.5
        scene.mail()
    return scene


@pytest.fixture
def scene() -> Scene:
    """Return an empty scene, in which Ada acts."""
    return Scene()


@pytest.fixture
def checkout_scene() -> Scene:
    """Return the whole of Ada's checkout."""
    return checkout(Scene())
