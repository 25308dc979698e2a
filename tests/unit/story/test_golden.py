"""Each kind of event, told: the text of each scene equals its golden file (written anew with EZLOGS_WRITE_GOLDEN=1)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ezlogs import Actor, Change, Subject
from ezlogs.event import SYSTEM, Failure
from ezlogs.story import render_text
from ezlogs.story.terminal import render_tree

GOLDEN = Path(__file__).parent / "golden"
BOB = Actor("user", "8", "Bob")
REFUSED = Failure("smtplib.SMTPServerDisconnected", "Connection unexpectedly closed")
INTEGRITY = Failure("django.db.utils.IntegrityError", "CHECK constraint failed: stock")
TASK = "shop.tasks.send_receipt"

SCENES: dict[str, Callable[[Any], None]] = {}


def scene_of(play: Callable[[Any], None]) -> Callable[[Any], None]:
    """Register a scene under its function's name."""
    SCENES[play.__name__] = play
    return play


@scene_of
def http_request(scene: Any) -> None:
    """A page is looked at."""
    with scene.request("GET /products/", 200, 0.012):
        pass


@scene_of
def http_request_failed(scene: Any) -> None:
    """A view raises."""
    with scene.request("GET /", 500, 0.012, outcome="failure", error=Failure("builtins.ValueError")):
        pass


@scene_of
def http_request_interrupted(scene: Any) -> None:
    """The process dies during a request."""
    scene.tell("http.request", "GET /", outcome="unknown", metadata={"method": "GET", "route": "/"})


@scene_of
def http_request_unmatched(scene: Any) -> None:
    """A stranger asks for a page that is not there, under a system actor too."""
    scene.tell("http.request", "GET (unmatched)", actor=Actor("unknown"), metadata={"status": 404})
    scene.tell("http.request", "GET /health", actor=SYSTEM, where={"parent_event_id": None}, outcome="failure")


@scene_of
def http_request_of_the_system(scene: Any) -> None:
    """Nobody in particular asks."""
    scene.tell("http.request", "GET /health", actor=SYSTEM)


@scene_of
def checkout_with_flow(scene: Any) -> None:
    """A checkout that is a named flow: the flow is told where it ended."""
    with scene.request("POST /orders/", 201, 0.084):
        scene.now = 0.01
        start = scene.tell("flow.lifecycle", "checkout.start", subject=("checkout", "c-9"))
        scene.correlation = scene.correlation.replace(parent_event_id=start.event_id, flow_id="checkout:c-9")
        scene.now = 0.02
        scene.row("order.create", 42)
        scene.row("product.bulk_update", rows=2)
        scene.now = 0.03
        scene.tell("order.action", "placed", subject=("order", 42))
        scene.now = 0.04
        cause = scene.enqueue().event_id
        scene.now = 0.08
        scene.tell("flow.lifecycle", "checkout.complete", subject=("checkout", "c-9"), duration=0.07)
    scene.now = 0.2
    with scene.run("success", 0.3, cause):
        scene.mail()


@scene_of
def flow_failed(scene: Any) -> None:
    """A flow ends with an error."""
    start = scene.tell("flow.lifecycle", "order_fulfillment.start", subject=("order_fulfillment", 42))
    scene.now = 0.3
    scene.tell(
        "flow.lifecycle", "order_fulfillment.fail", subject=("order_fulfillment", 42), outcome="failure",
        duration=0.3, error=INTEGRITY, where={"parent_event_id": start.event_id},
    )  # fmt: skip


@scene_of
def flow_under_way(scene: Any) -> None:
    """A flow has begun; another one's beginning did not arrive, and one has neither subject nor duration."""
    start = scene.tell("flow.lifecycle", "checkout.start", subject=("checkout", 1))
    scene.now = 0.2
    cause = {"parent_event_id": start.event_id}
    scene.tell("flow.lifecycle", "refund.complete", subject=("refund", 2), duration=3.0, where=cause)
    scene.tell("flow.lifecycle", "audit.fail", outcome="failure", where=cause)
    scene.tell("flow.lifecycle", "sweep.complete", where=cause)


@scene_of
def rows_of_a_request(scene: Any) -> None:
    """Without a business event, the rows are what the request was about."""
    with scene.request("POST /orders/", 201, 0.084):
        scene.row("order.create", 42)
        scene.row("orderitem.create", 1)
        scene.row("orderitem.create", 2)


@scene_of
def row_changed(scene: Any) -> None:
    """One row, by its changed fields; values that are not to be told are not."""
    changes = (
        Change("status", "pending", "x" * 70), Change("paid", False, True), Change("note", after=None),
        Change("address"),
    )  # fmt: skip
    with scene.request("POST /orders/{pk}/", 302, 0.02):
        scene.row("order.update", 42, changes)


@scene_of
def row_linked(scene: Any) -> None:
    """Links to other rows, a time, and a value that is not shown."""
    with scene.request("POST /orders/{pk}/", 302, 0.02):
        changes = (
            Change("paid_at", None, "2026-01-31T12:00:00.123456+01:00"),
            Change("pin", "[redacted]", "[redacted]"),
        )
        scene.row("order.update", 42, changes)
    for number, links in enumerate(({"added": ["3", "4"], "removed": ["1"]}, {})):
        scene.tell(
            "data.change", "product.update", subject=("product", number), metadata={"m2m": {"field": "tags", **links}},
            where={"transaction_id": f"t-{number}"},
        )  # fmt: skip


@scene_of
def rows_mixed(scene: Any) -> None:
    """Creates, changes and deletions in one transaction; a row that is created and then changed is created."""
    scene.actor = SYSTEM
    scene.row("order.create", 42)
    scene.row("order.update", 42, (Change("total", 1200, 5000),))
    scene.row("cart.update", 3)
    scene.row("cart.destroy", 3)


@scene_of
def rows_in_bulk(scene: Any) -> None:
    """A bulk operation, by its number."""
    with scene.request("POST /invoices/", 200, 0.4):
        scene.row("invoice.bulk_update", rows=1204)


@scene_of
def rows_marked_in_bulk(scene: Any) -> None:
    """What they were set to, the values of choices as people call them."""
    with scene.request("POST /invoices/", 200, 0.4):
        scene.row(
            "invoice.bulk_update", None, (Change("state", after="p"), Change("note")), rows=1204,
            choices={"state": (None, "Paid in full")},
        )  # fmt: skip


@scene_of
def row_of_choices(scene: Any) -> None:
    """Before and after, from the first value to the last; what privacy hides has no name either."""
    choices = {"status": ("In the cart", "Ordered"), "size": ("Small", "Large"), "kind": "odd", "zone": ("A", 7)}
    changes = (
        Change("status", "c", "o"), Change("size", "[redacted]", "[redacted]"),
        Change("zone", 1, 2), Change("kind", 1, 2),
    )  # fmt: skip
    with scene.request("POST /orders/{pk}/", 302, 0.02):
        scene.row("order.update", 42, changes[:2], choices=choices)
        scene.row("order.update", 42, (Change("status", "o", "p"),), choices={"status": ("Ordered", "Paid")})
    scene.row("cart.update", 42, changes[2:], choices=choices)


@scene_of
def job_lost_at_work(scene: Any) -> None:
    """When anything was last heard of a run that did not finish, which may be of what it did."""
    cause = scene.enqueue().event_id
    with scene.run("interrupted", 0.3, cause):
        scene.now = 63.0
        scene.mail()
        scene.now = 0.0


@scene_of
def rows_with_a_cascade(scene: Any) -> None:
    """Rows of other models that went with a deleted one are counted."""
    with scene.request("POST /orders/{pk}/delete/", 302, 0.4):
        scene.row("order.destroy", 42, cascade={"shop.OrderItem": 2, "shop.Note": "?"})


@scene_of
def rows_unmeasured(scene: Any) -> None:
    """Where a database did not say how many rows, no number is made up."""
    scene.row("invoice.bulk_delete")
    scene.row("invoice.bulk_delete", rows=3)
    scene.row("category.bulk_delete", rows=2)


@scene_of
def rows_of_an_interrupted_commit(scene: Any) -> None:
    """The answer to a commit was lost."""
    scene.tell("data.change", "order.create", subject=("order", 42), outcome="unknown")


@scene_of
def row_changed_twice(scene: Any) -> None:
    """Numbers have separators, and a field that changed twice is told from its first value to its last."""
    scene.row("order.update", 42, (Change("total", 1200, 5000), Change("rate", 0.5, 0.25)))
    scene.row("order.update", 42, (Change("total", 5000, 7000), Change("note")))


@scene_of
def rows_not_saved(scene: Any) -> None:
    """Rows that a tracker reports as rolled back."""
    for number in (1, 2):
        scene.tell("data.change", "order.create", subject=("order", number), outcome="rolled_back")
    scene.tell("data.change", "cart.touch", outcome="rolled_back")


@scene_of
def transaction_committed(scene: Any) -> None:
    """A transaction without tracked rows."""
    scene.tell("data.transaction", "commit", subject=("database", "default"))


@scene_of
def transaction_rolled_back(scene: Any) -> None:
    """The stock ran out: the order was never saved."""
    with scene.request("POST /orders/", 409, 0.031):
        scene.now = 0.02
        scene.tell(
            "data.transaction", "rollback", subject=("database", "default"), outcome="rolled_back", error=INTEGRITY,
            metadata={"rows_by_model": {"order": 1, "order_item": 2}},
        )  # fmt: skip


@scene_of
def transaction_rolled_back_beside_rows(scene: Any) -> None:
    """One transaction is rolled back, another one holds."""
    with scene.request("POST /orders/", 200, 0.031):
        scene.row("order.create", 42)
        scene.now = 0.02
        for action, counts in (("rollback", {"order": 1, "order_item": 2}), ("rollback_to_savepoint", None)):
            scene.tell(
                "data.transaction", action, outcome="rolled_back",
                metadata={"rows_by_model": counts, "error": "django.db.utils.DataError"},
            )  # fmt: skip


@scene_of
def transaction_in_doubt(scene: Any) -> None:
    """Nobody knows how a transaction ended."""
    scene.tell("data.transaction", "commit", outcome="unknown")


@scene_of
def validation(scene: Any) -> None:
    """Bob mistypes his card number."""
    scene.actor = BOB
    with scene.request("POST /orders/", 422, 0.009):
        scene.tell(
            "data.validation", "order.invalid", subject=Subject("order"), outcome="failure",
            metadata={"fields": ["card_number"], "codes": ["invalid"], "source": "form"},
        )  # fmt: skip


@scene_of
def validation_of_a_form(scene: Any) -> None:
    """A form of no model, filled in by nobody, with several faults."""
    scene.actor = SYSTEM
    faults = {
        "fields": ["e_mail", "__all__", "__all__", "age"],
        "codes": ["required", "too_late", "closed", "min_value"],
    }
    scene.tell("data.validation", "signup.invalid", outcome="failure", metadata=faults)
    scene.tell("data.validation", "order.invalid", subject=("order", 3), outcome="failure")


@scene_of
def session(scene: Any) -> None:
    """People come and go."""
    with scene.request("POST /login/", 302, 0.04, actor=Actor("user", "7")):
        scene.tell("auth.session", "login", subject=Subject("user", "7", "Ada"), actor=Actor("anonymous"))
    for action in ("logout", "password_changed", "permission_denied", "token_refreshed"):
        scene.now += 0.1
        scene.tell("auth.session", action)


@scene_of
def session_failed(scene: Any) -> None:
    """Somebody tries to log in: nobody known, under a name, as a user that is known, and with what does not hold."""
    nobody: dict[str, Any] = {"actor": Actor("anonymous"), "outcome": "failure"}
    scene.tell("auth.session", "login_failed", actor=SYSTEM, outcome="failure")
    scene.tell("auth.session", "login_failed", subject=Subject("user", None, "a…@example.com"), **nobody)
    scene.tell("auth.session", "login_failed", subject=("user", 7), metadata={"reason": "locked"}, **nobody)
    scene.tell("auth.session", "login_failed", metadata={"reason": "bad_token", "method": "bearer"}, **nobody)
    for action in ("login", "logout"):
        scene.tell("auth.session", action, subject=Subject("user", "7", "Ada"), outcome="failure")
    scene.tell("auth.session", "login", outcome="unknown", metadata={"method": "sso"})
    with scene.request("POST /login/", 401, 0.04, actor=Actor("anonymous")):
        scene.tell("auth.session", "login_failed", subject=Subject("user", None, "a…"), **nobody)


@scene_of
def session_password(scene: Any) -> None:
    """Passwords are changed, by their owners and by administrators; or are not."""
    ada = Subject("user", "7", "Ada")
    scene.tell("auth.session", "password_changed", subject=ada)
    scene.tell("auth.session", "password_changed", subject=ada, actor=BOB)
    scene.tell("auth.session", "password_changed", subject=ada, actor=BOB, outcome="failure")
    scene.tell("auth.session", "password_changed", subject=ada, actor=Actor("anonymous"))


@scene_of
def session_refused(scene: Any) -> None:
    """Somebody may not: a route, a permission, a thing, and what nothing tells."""
    route = Subject("route", "POST /orders/{id}/")
    for subject, reason in (
        (route, "csrf"),
        (Subject("route", "GET /"), None),
        (Subject("permission", "orders.delete_order"), "missing_scope"),
        (Subject("order", "42"), None),
        (Subject("route"), None),
        (None, "session_protected"),
    ):
        metadata = {"reason": reason} if reason else None
        scene.tell("auth.session", "permission_denied", subject=subject, metadata=metadata, outcome="failure")
    with scene.request("POST /orders/{id}/", 403, 0.01, actor=Actor("anonymous")):
        scene.tell("auth.session", "permission_denied", subject=route, actor=Actor("anonymous"), outcome="failure")


@scene_of
def session_impersonation(scene: Any) -> None:
    """Somebody acts as somebody else, and no longer does; or cannot."""
    bob, ada = Actor("user", "8", "Bob", "user:7"), Subject("user", "7", "Ada")
    scene.tell("auth.session", "impersonation_started", subject=ada, actor=bob)
    scene.tell("order.action", "placed", subject=("order", 42), actor=bob)
    scene.tell("auth.session", "impersonation_ended", subject=ada, actor=bob)
    for action in ("impersonation_started", "impersonation_ended"):
        scene.tell("auth.session", action, subject=ada, actor=bob, outcome="failure")
    scene.tell("auth.session", "impersonation_started", actor=BOB)


@scene_of
def job_waiting(scene: Any) -> None:
    """A job is asked for; another one could not be."""
    scene.enqueue()
    scene.enqueue(task="ship", job="job-2", outcome="failure", error=Failure("kombu.OperationalError"))


@scene_of
def job_ran(scene: Any) -> None:
    """A job runs at once."""
    cause = scene.enqueue().event_id
    with scene.run("success", 0.3, cause):
        pass


@scene_of
def job_waits_for_retry(scene: Any) -> None:
    """A job has failed so far."""
    with scene.run("retry", 0.3, scene.enqueue().event_id, error=REFUSED):
        scene.mail(error=REFUSED)


@scene_of
def job_dead(scene: Any) -> None:
    """A job is given up, five minutes after it began; its first runs are not all known."""
    cause = scene.enqueue().event_id
    with scene.run("retry", 0.3, cause, 4, error=REFUSED) as cause:
        scene.tell("data.transaction", "rollback", outcome="rolled_back", error=INTEGRITY)
    scene.now = 300.0
    with scene.run("dead", 0.3, cause, 5, error=REFUSED):
        scene.mail(error=REFUSED)


@scene_of
def job_failed(scene: Any) -> None:
    """A job fails for good at its first run, and the rollback is told."""
    with scene.run("failure", 0.3, scene.enqueue(task="charge").event_id, task="charge", error=INTEGRITY):
        scene.tell("data.transaction", "rollback", outcome="rolled_back", error=INTEGRITY)


@scene_of
def job_failed_again(scene: Any) -> None:
    """A job fails at its second run, with another error."""
    cause = scene.enqueue().event_id
    with scene.run("retry", 0.3, cause, 1, error=REFUSED) as cause:
        pass
    with scene.run("failure", 0.3, cause, 2, error=Failure("TimeoutError")):
        pass


@scene_of
def job_interrupted(scene: Any) -> None:
    """A worker dies during a run, the next one fails, the third one dies too."""
    cause = scene.enqueue().event_id
    for attempt, end in enumerate(("interrupted", "retry", "interrupted"), 1):
        with scene.run(end, 0.3, cause, attempt) as cause:
            pass


@scene_of
def job_from_a_job(scene: Any) -> None:
    """A job asks for another one, minutes pass, and it runs without a measured duration."""
    with scene.run("success", 0.3, scene.enqueue(task="close_day", job="a").event_id, task="close_day", job="a"):
        cause = scene.enqueue(task="print_report", job="b").event_id
    scene.now = 252.3
    scene.tell("job.execution", "print_report.success", subject=("job", "b"), where={"parent_event_id": cause})


@scene_of
def mail_unnamed(scene: Any) -> None:
    """Mails whose name nothing tells."""
    with scene.request("POST /contact/", 302, 0.2):
        scene.mail()


@scene_of
def mails(scene: Any) -> None:
    """Many mails at once; some recipients are refused; some fail; one's fate is unknown."""
    for domains in (["a.example", "b.example"], ["c.example", "d.example"], []):
        scene.mail(recipients=1000, domains=domains)
    for _ in range(2):
        scene.mail(template="emails/order_confirmation.html", recipients=3, refused=1)
    scene.mail(template="welcome", error=REFUSED)
    scene.tell("email.delivery", "invoice.sent", outcome="unknown", metadata={"domains": "?"})
    scene.tell("email.delivery", "invoice.sent", metadata={"refused": 2})


@scene_of
def mail_of_jobs(scene: Any) -> None:
    """The names of mail jobs name their mails."""
    for number, task in enumerate(
        ("send_receipt", "receipt_email", "mail_receipt", "send_receipt_email", "send_email", "sweep")
    ):
        with scene.run("success", 0.1, None, task=task, job=str(number)):
            scene.mail()


@scene_of
def business(scene: Any) -> None:
    """Events of the application's own, by all sorts of actors."""
    scene.tell("order.action", "placed", subject=("order", 42), actor=Actor("user", "9"))
    scene.tell("order.action", "checked_out", subject=Subject("order", "42", "Order #42"), actor=Actor("anonymous"))
    scene.tell("invoice.action", "rendered", actor=SYSTEM, duration=1.24)
    scene.tell("payment.done", "paid", subject=Subject("payment", "3", "3 lamps"), actor=Actor("api_key", "k1"))
    scene.tell("user.plan", "upgraded", subject=("user", 7))
    scene.tell("order.action", "refunded", subject=("order", 1), actor=Actor("user", "8", "Bob", "user:7"))
    scene.tell("order.action", "refunded", subject=("order", 2), actor=Actor("system", on_behalf_of="team"))
    scene.tell("order.action", "synced", subject=("order", 2), actor=Actor("service"), outcome="unknown")


@scene_of
def business_failed(scene: Any) -> None:
    """What did not work is not told as if it had."""
    with scene.request("POST /invoices/", 500, 0.02, outcome="failure", error=Failure("ValueError")):
        scene.tell("invoice.action", "rendered", outcome="failure", duration=0.01, error=Failure("ValueError"))
    scene.tell("invoice.action", "rendered", outcome="failure", duration=0.01, actor=SYSTEM)


@scene_of
def unknown_kind(scene: Any) -> None:
    """An action that is no past participle falls back to plain words."""
    scene.tell("stock.level", "sync", subject=("warehouse", 3), duration=2.0)
    scene.tell("stock.level", "sync", outcome="failure", actor=SYSTEM)


@scene_of
def graphql(scene: Any) -> None:
    """A GraphQL operation, in a request and alone."""
    with scene.request("POST /graphql", 200, 0.02):
        scene.tell("graphql.operation", "query products", subject=("graphql", "products"), duration=0.01)
    scene.tell("graphql.operation", "mutation createOrder", metadata={"error_count": 2}, duration=0.01, actor=SYSTEM)


@scene_of
def graphql_gone_wrong(scene: Any) -> None:
    """GraphQL operations that failed, partly or as a whole, or were never executed."""
    with scene.request("POST /graphql", 200, 0.02):
        failed = {"error_count": 1, "operation_type": "mutation"}
        error = Failure("shop.stock.OutOfStock")
        scene.tell("graphql.operation", "mutation createOrder", metadata=failed, outcome="failure", error=error)
    for action, metadata in (
        ("query {me, orders}", {"error_count": 2, "partial": True}),
        ("query products", {"error_count": 3, "stage": "validation"}),
        ("(unknown)", {"error_count": 1, "stage": "parsing"}),
    ):
        scene.tell("graphql.operation", action, metadata=metadata, outcome="failure", actor=SYSTEM)


@scene_of
def graphql_subscriptions(scene: Any) -> None:
    """Subscriptions that ended by themselves and by their clients, and a query that nobody waited for."""
    messages = {"error_count": 0, "messages": 3}
    scene.tell("graphql.operation", "subscription prices", metadata=messages, duration=2.0)
    left = {"error_count": 1, "messages": 1, "reason": "closed"}
    scene.tell("graphql.operation", "subscription prices", metadata=left, duration=2.0, outcome="unknown")
    scene.tell("graphql.operation", "query report", metadata={"reason": "cancelled"}, outcome="unknown", actor=SYSTEM)


@scene_of
def flow_with_steps(scene: Any) -> None:
    """A checkout reaches six steps and completes; its steps are told with it."""
    steps = ("cart_checked", "stock_reserved", "payment_authorized", "order_placed", "receipt_queued", "cart_cleared")
    start = scene.tell("flow.lifecycle", "checkout.start", subject=("checkout", 42))
    scene.correlation = scene.correlation.replace(parent_event_id=start.event_id, flow_id="checkout:42")
    for step in steps:
        scene.now += 0.1
        scene.tell("flow.lifecycle", "checkout.step", subject=("checkout", 42), metadata={"step": step})
        if step == "order_placed":
            scene.tell("order.action", "placed", subject=("order", 42))
    scene.tell("flow.lifecycle", "checkout.complete", subject=("checkout", 42), duration=0.6, metadata={"steps": steps})


@scene_of
def flow_failed_at_a_step(scene: Any) -> None:
    """A flow fails after its second step, a nested one is interrupted, and one has not ended."""
    start = scene.tell("flow.lifecycle", "checkout.start", subject=("checkout", 42))
    scene.correlation = scene.correlation.replace(parent_event_id=start.event_id)
    scene.tell("flow.lifecycle", "checkout.step", subject=("checkout", 42), metadata={"step": "stock_reserved"})
    scene.now = 0.2
    scene.tell("flow.lifecycle", "checkout.step", subject=("checkout", 42))
    inner = scene.tell("flow.lifecycle", "payment.start", subject=("payment", "p-1"))
    scene.tell(
        "flow.lifecycle", "payment.fail", subject=("payment", "p-1"), outcome="unknown", duration=0.1,
        error=Failure("asyncio.exceptions.CancelledError"), where={"parent_event_id": inner.event_id},
    )  # fmt: skip
    other = scene.tell("flow.lifecycle", "audit.start", subject=("audit", 3))
    scene.tell(
        "flow.lifecycle", "audit.step", subject=("audit", 3), metadata={"step": "rows_read"},
        where={"parent_event_id": other.event_id},
    )  # fmt: skip
    scene.now = 0.3
    scene.tell(
        "flow.lifecycle", "checkout.fail", subject=("checkout", 42), outcome="failure", duration=0.3,
        error=Failure("shop.payment.Declined"), metadata={"steps": ("stock_reserved", "paid"), "step": "paid"},
    )  # fmt: skip


@scene_of
def schedule(scene: Any) -> None:
    """A schedule runs late, acts itself, and goes on with a flow of another story for somebody."""
    scene.actor = Actor("scheduler", "settle_payments")
    metadata = {"lateness": 90.0, "due": "2026-01-02T03:00:00+00:00"}
    with scene.scope(
        "schedule.run", "settle_payments.tick", 0.4, subject=("schedule", "settle_payments"), metadata=metadata
    ):
        scene.now = 0.2
        scene.tell("report.action", "archived", subject=("report", 5))
        scene.tell(
            "payment.action", "settled", subject=("payment", 9), actor=Actor("service", "bank", None, "user:7"),
            where={"flow_type": "checkout", "flow_id": "checkout:42", "linked_correlation_id": "1" * 32},
        )  # fmt: skip


@scene_of
def schedule_on_time(scene: Any) -> None:
    """A schedule whose lateness nobody needs to know fails."""
    scene.actor = Actor("scheduler", "close_day")
    scene.tell(
        "schedule.run", "close_day.tick", subject=("schedule", "close_day"), metadata={"lateness": 0.2}, duration=0.4,
        outcome="failure", error=Failure("OperationalError"),
    )  # fmt: skip


@scene_of
def commands(scene: Any) -> None:
    """Commands end with exit codes, with an exception, by Ctrl-C, and with their process; a chain is one run."""
    scene.actor = Actor("cli", "ada")
    options = {"options": ("--dry-run", "-v")}
    scene.tell("cli.command", "import-orders", duration=1.24, metadata={**options, "exit_code": 0})
    failure = {"outcome": "failure", "error": Failure("SystemExit", "2")}
    scene.tell("cli.command", "import-orders", duration=0.1, metadata={**options, "exit_code": 2}, **failure)
    scene.tell("cli.command", "import-orders", outcome="failure", error=Failure("OperationalError"))
    scene.tell("cli.command", "import-orders", outcome="unknown", error=Failure("KeyboardInterrupt"))
    scene.tell("cli.command", "shop import orders", outcome="unknown", metadata={"reason": "interrupted"})
    chain = {"commands": ("clean", "check", "make"), "exit_code": 0}
    scene.tell("cli.command", "build make", duration=1.24, metadata=chain)
    refused = {"outcome": "failure", "error": Failure("click.exceptions.NoSuchOption")}
    scene.tell("cli.command", "shop import orders", duration=0.0, metadata={"exit_code": 2}, **refused)


@scene_of
def requests_to_other_services(scene: Any) -> None:
    """A payment is tried three times, and all else that becomes of requests."""
    charge = "POST api.stripe.com/v1/charges/{id}"

    def ask(
        action: str = "GET api.stripe.com", outcome: str = "failure", error: str | None = None, **facts: Any
    ) -> None:
        failure = Failure(error) if error else None
        scene.tell("http.client", action, outcome=outcome, error=failure, metadata=facts, duration=0.13)

    with scene.request("POST /orders/", 201, 1.2):
        ask(charge, error="urllib3.exceptions.ReadTimeoutError", reason="timeout", attempt=1)
        ask(charge, status=503, attempt=2)
        ask(charge, "success", status=200, attempt=3)
        scene.tell("order.action", "placed", subject=("order", 42))
    ask("POST api.stripe.com", status=402, attempt=1)
    ask(error="httpcore.ConnectError", reason="connection", attempt=12)
    ask(error="httpcore.LocalProtocolError")
    ask(outcome="unknown", error="asyncio.exceptions.CancelledError", reason="cancelled")
    ask("GET [fd12::7]:8443", "success", status=302)
    ask("GET [fd12::7]:8443/orders", "success", status=304, redirects=2)
    ask("GET", "success")


@scene_of
def other_kinds(scene: Any) -> None:
    """The rest of the taxonomy."""
    scene.tell("http.client", "POST api.stripe.com", metadata={"status": 200}, duration=0.031)
    scene.tell("http.client", "GET api.stripe.com", outcome="failure", error=Failure("TimeoutError"))
    scene.tell("data.access", "order.view", subject=("order", 42))
    scene.tell("data.access", "order.export", metadata={"count": 1200})
    scene.tell("data.access", "order.list", actor=SYSTEM)
    scene.tell("data.raw", "orders.update", metadata={"rowcount": 3})
    scene.tell("data.raw", "orders.update", actor=SYSTEM)
    scene.tell("schedule.run", "nightly.tick", subject=("schedule", "nightly"))
    scene.tell("schedule.run", "hourly.tick")
    scene.tell("cli.command", "manage.py migrate", duration=1.24)
    scene.tell("cli.command", "manage.py migrate", outcome="failure", error=Failure("OperationalError"))
    scene.tell("cli.command", "manage.py migrate", outcome="unknown")
    scene.tell("cache.operation", "get", subject=("cache", "pages"), metadata={"hits": 1200, "misses": 3})
    scene.tell("cache.operation", "clear")
    scene.tell("system.error", "event_creation_failed")
    for action in ("unhandled", "logged"):
        scene.tell("system.error", action, outcome="failure", subject=("error", "f00d", "ValueError in shop.views.pay"))


def shown(story: Any, width: int = 100) -> str:
    """Return a story as golden files hold it: the text, then the tree."""
    console = Console(width=width, color_system=None, file=open(os.devnull, "w"), record=True)  # noqa: SIM115  # closed with the test
    with console.capture() as captured:
        console.print(render_tree(story))
    console.file.close()
    tree = "\n".join(line.rstrip() for line in captured.get().splitlines())
    return f"{render_text(story)}\n\n{tree}\n"


def compare(name: str, text: str) -> None:
    """Check a text against its golden file."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("EZLOGS_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCENES)
def test_each_kind_of_event_is_told_in_plain_words(name: str, scene: Any) -> None:
    """Each kind of event has its sentence, its closing line and its line in the tree."""
    SCENES[name](scene)
    compare(name, shown(scene.story))


def test_a_checkout_is_told_from_the_order_to_the_receipt(checkout_scene: Any) -> None:
    """A request, its rows, a job that needed three attempts and a mail make four sentences."""
    assert checkout_scene.text == (
        "Ada placed order 42 (POST /orders, 201, 84 ms). 3 rows were saved: 1 order, 2 order items. "
        "Job send_receipt failed twice (SMTPServerDisconnected), then ran in 1.2 s. "
        "The receipt was sent to 1 recipient."
    )
    compare("checkout", shown(checkout_scene.story))


def test_a_tree_fits_a_narrow_terminal(checkout_scene: Any) -> None:
    """At 60 columns each event still has one line, cut where it must be."""
    assert all(len(line) <= 60 for line in shown(checkout_scene.story, width=60).split("\n\n")[1].splitlines())
