"""The shop's web application: `POST /orders/7` writes an order and enqueues a job. Any of it may go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask
from jobs import enqueue, reserve  # which configures ezlogs
from store import Order, save
from truth import MishapError, danger, write

import ezlogs

app = Flask("shop")


@app.post("/orders/<int:order>")
def place(order: int) -> str:
    """Take an order."""
    write("start", request=order, order=order)
    ezlogs.event("shop.action", "placing", subject=("order", order))
    try:
        danger()
        write("saving", order=order, row=str(order))
        save(Order(id=order, state=1))
        write("saved", order=order, row=str(order))
        danger()
        enqueue(reserve, order)
        danger()
    except MishapError:
        write("raised", request=order, order=order)
        raise
    write("returned", request=order, order=order)
    return "thank you"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Write down that a request is about to begin, before anybody else knows, and that it has ended for everybody."""
    order = int(environ["PATH_INFO"].rpartition("/")[2] or 0)
    write("about", request=order, order=order)
    answer = app(environ, start_response)
    try:
        yield from answer
    finally:
        if hasattr(answer, "close"):
            answer.close()
        write("done", request=order, order=order)
