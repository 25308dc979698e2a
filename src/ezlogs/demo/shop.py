"""The shop: two customers order over HTTP, a worker sends the receipts, and the mail server hangs up once.

Run by `ezlogs demo`. Its requests and mails are told by instrumentation, its jobs by the two calls that a queue of
one's own needs, and what only the shop knows by `ezlogs.flow` and `ezlogs.event`.
"""

from __future__ import annotations

import json
import smtplib
import threading
import time
from collections.abc import Callable, Iterable
from email.message import EmailMessage
from queue import SimpleQueue
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener
from wsgiref.simple_server import WSGIRequestHandler, make_server

import ezlogs
from ezlogs.demo.postbox import Postbox
from ezlogs.trackers.job import Job, enqueued, perform
from ezlogs_instrumentors.wsgi import WsgiMiddleware

CUSTOMERS: Final = {"7": "Ada", "8": "Bob"}
STOCK: Final = {"tea": 3, "pen": 0}

jobs: SimpleQueue[tuple[Job, int, dict[str, str], str] | None] = SimpleQueue()

sent = threading.Event()
"""Whether the receipt is out."""


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Take an order; a good that is not in stock is refused."""
    order = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    customer = environ["HTTP_X_CUSTOMER"]
    number = {"7": 41, "8": 42}[customer]
    try:
        with ezlogs.actor(type="user", id=customer, label=CUSTOMERS[customer]):
            place(number, order)
    except LookupError:
        start_response("409 Conflict", [("Content-Type", "text/plain")])
        return [b"out of stock"]
    start_response("201 Created", [("Content-Type", "text/plain")])
    return [b"thank you"]


def place(number: int, order: dict[str, Any]) -> None:
    """Place an order: what is told of it holds a card number, which does not get far."""
    with ezlogs.flow("checkout", number):
        if not STOCK[order["good"]]:
            raise LookupError(order["good"])
        ezlogs.event(
            "order.action", "placed", subject=("order", number), metadata={"total": 9.9, "card_number": order["card"]}
        )
        job = Job("shop.send_receipt", f"receipt-{number}", queue="mail", max_retries=3, system="demo")
        jobs.put((job, 1, enqueued(job), order["email"]))


def work(port: int) -> None:
    """Run jobs until there is None; one that fails is tried again."""
    while (message := jobs.get()) is not None:
        job, attempt, headers, address = message
        with perform(job, attempt=attempt, worker="worker-1", headers=headers) as scope:
            try:
                send(address, port)
            except smtplib.SMTPException as error:
                scope.retried(error)
                time.sleep(0.3)
                jobs.put((job, attempt + 1, scope.requeued(), address))
            else:
                sent.set()


def send(address: str, port: int) -> None:
    """Send a receipt."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "shop@example.com", address, "Your receipt"
    with smtplib.SMTP("127.0.0.1", port, local_hostname="localhost", timeout=5) as server:
        server.send_message(mail)


def order(port: int, customer: str, good: str) -> int:
    """Order as a customer's browser does; return the status."""
    body = {"good": good, "card": "4111 1111 1111 1111", "email": f"{CUSTOMERS[customer].lower()}@example.org"}
    request = Request(f"http://127.0.0.1:{port}/orders", json.dumps(body).encode(), {"X-Customer": customer})
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=10) as answer:
            return int(answer.status)
    except HTTPError as refused:
        return refused.code


class Quiet(WSGIRequestHandler):
    """A handler that logs nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main() -> None:
    """Open the shop, let two customers order, and close it when the mail is out."""
    ezlogs.configure(service_name="shop", instrument=["ezlogs_smtplib"])
    shop = WsgiMiddleware(application, route=lambda _: "/orders")
    server = make_server("127.0.0.1", 0, shop, handler_class=Quiet)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    with Postbox(refusals=1) as postbox:
        worker = threading.Thread(target=work, args=(postbox.port,))
        worker.start()
        order(server.server_port, "7", "tea")
        order(server.server_port, "8", "pen")
        sent.wait(30)
        jobs.put(None)
        worker.join()
    server.shutdown()
    server.server_close()
    ezlogs.shutdown()


if __name__ == "__main__":
    main()
