"""A program of typer: a command, and a server of one request."""

import http.server
import threading
import urllib.request
from typing import Annotated

import typer

import ezlogs
from ezlogs.trackers.http import HttpTracker, PlainArrival

shop = typer.Typer()


@shop.command()
def orders(token: Annotated[str, typer.Option()] = "") -> None:
    """Import orders."""
    ezlogs.event("order.action", "imported")
    raise typer.Exit(3)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers, and tells of the request as a framework's instrumentor does."""

    def do_GET(self) -> None:
        """Answer."""
        request = HttpTracker("example").begin(PlainArrival("GET", "/", dict(self.headers)))
        ezlogs.event("order.action", "served")
        self.send_response(204)
        self.end_headers()
        if request is not None:
            request.finish(204, route="/")


@shop.command()
def serve(requests: int = 2) -> None:
    """Serve."""
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        client = threading.Thread(target=ask, args=(server.server_port, requests))
        client.start()
        for _ in range(requests):
            server.handle_request()
        client.join()


def ask(port: int, requests: int) -> None:
    """Be another program, in no story."""
    for _ in range(requests):
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{port}/"):
            pass


if __name__ == "__main__":
    shop(prog_name="shop")
