"""``python -m examples.shop.demo``: the shop, its customers, and the stories that came of it."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from time import monotonic, time_ns

from rich.console import Console

from ezlogs.dev.receiver import Receiver
from ezlogs.story import render_text
from ezlogs.story.terminal import render_tree

from .customers import PASSWORD, Browser, Visit, invited, order_at_once, products_for
from .findings import Findings, Outage, found
from .stage import Postbox, Process, StageError, environment, free_port, run, workshop

AWAY = 2.0
"""Seconds that the collector is away in the middle of it all."""
REFUSALS = 2
MAIL_TIMEOUT = 40.0

aside = Console(stderr=True, highlight=False)


def main() -> int:
    """Run the demo; return 0 when all is as it should be."""
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell had them ignored, for the children's sake
        signal.signal(number, signal.default_int_handler)
    try:
        findings = play(options)
    except StageError as error:
        aside.print(str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        aside.print("Stopped.")
        return 130
    if options.json:
        print(json.dumps(findings.as_json(), indent=2))
    else:
        _show(findings)
    for problem in findings.problems:
        aside.print(f"Wrong: {problem}", style="red", markup=False)
    return 1 if findings.problems else 0


def play(options: argparse.Namespace) -> Findings:
    """Set the stage, let the customers in, and look into what arrived."""
    customers = invited(options.customers)
    with ExitStack() as stage:
        folder = stage.enter_context(workshop(keep=options.keep))
        receiver = stage.enter_context(Receiver())
        postbox = stage.enter_context(Postbox({customers[0].email: REFUSALS}).open())
        env = _environment(folder, receiver, postbox, options)
        manage = (sys.executable, "manage.py")
        aside.print("The shop opens: database, web process, worker, mail server, collector ...", style="dim")
        run(*manage, "migrate", "--verbosity=0", env=env)
        products = products_for(customers)
        run(*manage, "seed", f"--products={products}", *(customer.name for customer in customers), env=env)

        port = free_port()
        worker = _worker(env, folder)
        stage.callback(worker.kill)
        web = _web(env, folder, port)
        stage.callback(web.kill)
        web.wait_until(lambda: web.said("Quit the server"), "the web process listens")
        worker.wait_until(lambda: worker.said(" ready."), "the worker waits for jobs")

        shop = f"http://127.0.0.1:{port}"
        browsers = [Browser(customer, shop, products) for customer in customers]
        for browser in browsers:
            stage.callback(browser.close)
            browser.arrive()
        visits, outage = _orders(browsers, receiver)
        due = sum(visit.order is not None for visit in visits)
        aside.print(f"Waiting for the mail: {due} receipts, {REFUSALS} refusals ...", style="dim")
        worker.wait_until(lambda: len(postbox.received) >= due, f"{due} receipts arrive", MAIL_TIMEOUT)
        aside.print("The shop closes ...", style="dim")
        worker.stop()
        web.stop()
        if options.keep:
            aside.print(f"Kept: {folder}")
        return found(
            receiver.spans,
            health=folder / "health",
            logs=[web.log, worker.log],
            customers=customers,
            visits=visits,
            outage=outage,
            mails=postbox.received,
            refused=postbox.refused,
        )


def _orders(browsers: list[Browser], receiver: Receiver) -> tuple[list[Visit], Outage]:
    """Have the orders placed, the collector going away after the first; return how the shop answered, and when."""
    first, second, third, *others = browsers
    visits = [first.order()]
    began = time_ns()
    with _away(receiver):
        visits += [second.order(), third.order(), *order_at_once(others)]
    return visits, Outage(began, time_ns())


@contextmanager
def _away(receiver: Receiver) -> Iterator[None]:
    """Take the collector away for the ``with`` block, and for `AWAY` seconds at least."""
    receiver.stop()
    aside.print(f"The collector goes away for {AWAY:g} s, and orders go on ...", style="dim")
    back = monotonic() + AWAY
    try:
        yield
        Event().wait(max(0.0, back - monotonic()))
    finally:
        receiver.start()


def _environment(folder: Path, receiver: Receiver, postbox: Postbox, options: argparse.Namespace) -> dict[str, str]:
    """Return what the shop's processes have in common."""
    own = {
        "SHOP_DATA": str(folder),
        "SHOP_PASSWORD": PASSWORD,
        "SHOP_SMTP_PORT": str(postbox.port),
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        "EZLOGS_HEALTH_DIR": str(folder / "health"),
        "EZLOGS_STATE_DIR": str(folder / "state"),
    }
    if options.broker:
        own["SHOP_BROKER"] = options.broker
    if options.database:
        own["SHOP_DATABASE"] = options.database
    return environment(own)


def _web(env: dict[str, str], folder: Path, port: int) -> Process:
    command = ("opentelemetry-instrument", "python", "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}")
    return Process(
        "the web process",
        command,
        env={**env, "OTEL_SERVICE_NAME": "shop-web"},
        log=folder / "web.log",
        ending=signal.SIGINT,
    )


def _worker(env: dict[str, str], folder: Path) -> Process:
    celery = ("python", "-m", "celery", "-A", "shop", "worker", "--concurrency=2", "--loglevel=INFO")
    return Process(
        "the worker",
        ("opentelemetry-instrument", *celery),
        env={**env, "OTEL_SERVICE_NAME": "shop-worker"},
        log=folder / "worker.log",
        ending=signal.SIGTERM,
    )


def _show(findings: Findings) -> None:
    """Print each story as a tree and in sentences, and what it all comes to."""
    console = Console(highlight=False)
    for story in findings.stories:
        console.print(render_tree(story))
        console.print(render_text(story), markup=False, style="default")
        console.print()
    console.rule(style="dim")
    console.print(
        f"{len(findings.stories)} stories, {findings.events} events from {' and '.join(findings.services)}; "
        f"{findings.orphans} orphans, {findings.lost} lost, though the collector was away for "
        f"{findings.outage.seconds:.1f} s. {findings.redacted} redaction{'' if findings.redacted == 1 else 's'}."
    )
    if not findings.leaks:
        console.print(
            "No password, card number or e-mail address that a customer typed is in anything that was sent or logged."
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.shop.demo",
        description="Run the example shop with real customers, and show the stories that ezlogs tells of it.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.add_argument("--broker", metavar="URL", help="a Celery broker, such as redis://localhost (default: files)")
    parser.add_argument("--database", metavar="URL", help="a PostgreSQL database (default: a SQLite file)")
    parser.add_argument("--customers", type=int, default=5, metavar="N", help="how many come, at least 3 (default: 5)")
    parser.add_argument(
        "--concurrent", type=int, metavar="N", help="how many of them order at the same moment: customers but three"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder with database, logs and reports")
    options = parser.parse_args()
    if options.concurrent is not None:
        options.customers = options.concurrent + 3
    if options.customers < 3:
        parser.error("at least 3 customers are needed: one who buys, one who mistypes, one who is too late")
    for url, scheme, package in ((options.broker, "redis", "redis"), (options.database, "postgres", "psycopg")):
        if url and not url.startswith(scheme):
            parser.error(f"{url!r}: use a {scheme} URL")
        if url and find_spec(package) is None:
            parser.error(f"{url!r} needs the package {package}: pip install {package}")
    return options


if __name__ == "__main__":
    sys.exit(main())
