"""The customers: each has a browser, logs in, looks around and places an order."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from itertools import count, islice
from threading import Barrier

import httpx
import msgspec

NAMES = ("Ada", "Bob", "Cleo", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivo", "June", "Kai", "Lea", "Max", "Nora")
PASSWORD = "correct-horse-battery-staple"
CARD = "4242 4242 4242 4242"
MISTYPED_CARD = "4242 4242 4242 4241"


class Customer(msgspec.Struct, frozen=True):
    """Someone who comes to the shop, and what comes of it."""

    name: str
    wishes: tuple[int, ...]
    """Which of the products on offer, counted from 0."""
    card: str = CARD
    expected: int = 201
    """The status that the shop answers the order with."""

    @property
    def email(self) -> str:
        """The address that the customer types into the checkout form."""
        return f"{self.name.lower()}.typed@example.com"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What the customer types into forms and nobody else may see, as it could be written anywhere."""
        return (
            PASSWORD,
            self.card,
            self.card.replace(" ", ""),
            self.card.replace(" ", "+"),
            self.email,
            self.email.replace("@", "%40"),
        )


class Visit(msgspec.Struct, frozen=True):
    """How the shop answered a customer's order."""

    customer: str
    status: int
    order: str | None = None
    """The order's number, when there is one."""


def invited(number: int) -> list[Customer]:
    """Return customers: one who buys, one who mistypes the card, one who is too late, and others who buy.

    Args:
        number: How many, at least three.
    """
    others = (Customer(name, (6 + 2 * n, 7 + 2 * n)) for n, name in enumerate(_names_after_the_third()))
    return [
        Customer("Ada", (1, 2)),
        Customer("Bob", (3, 4), card=MISTYPED_CARD, expected=422),
        Customer("Cleo", (0, 2), expected=409),  # one of them is Ada's by then
        *islice(others, number - 3),
    ]


def products_for(customers: list[Customer]) -> int:
    """Return how many products there must be for the customers' wishes."""
    return max(max(customer.wishes) for customer in customers) + 1


class Browser:
    """One customer's browser: it keeps cookies, and fills in and sends the form on the page it shows.

    Args:
        customer: Whose it is.
        shop: The shop's base address.
        products: How many products were put on the shelves for this demo; the newest ones.
    """

    def __init__(self, customer: Customer, shop: str, products: int) -> None:
        self.customer = customer
        self._products = products
        self._client = httpx.Client(base_url=shop, follow_redirects=True, timeout=30, trust_env=False)
        self._form = Form("")

    def arrive(self) -> None:
        """Log in, and look at what there is."""
        self._show(self._client.get("/login"))
        shown = self._send({"username": self.customer.name.lower(), "password": PASSWORD})
        if shown.status_code != httpx.codes.OK or not self._form.choices:
            raise RuntimeError(f"{self.customer.name} could not log in: {shown.status_code} at {shown.url}")

    def order(self) -> Visit:
        """Place the order, and look at it."""
        customer = self.customer
        shelf = self._form.choices[-self._products :]
        wanted = [shelf[wish] for wish in customer.wishes]
        answer = self._send({"email": customer.email, "card_number": customer.card, "products": wanted})
        order = answer.headers.get("location")
        if order is not None:
            self._show(self._client.get(order))
        return Visit(customer.name, answer.status_code, order and order.rpartition("/")[2])

    def close(self) -> None:
        """End the browser."""
        self._client.close()

    def _send(self, typed: dict[str, str | list[str]]) -> httpx.Response:
        return self._show(self._client.post(self._form.action, data={**self._form.hidden, **typed}))

    def _show(self, answer: httpx.Response) -> httpx.Response:
        self._form = Form(answer.text)
        return answer


class Form(HTMLParser):
    """The form on a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.hidden: dict[str, str] = {}
        """What the page itself fills in, such as the token against cross-site requests."""
        self.choices: list[str] = []
        """The values of the boxes that can be ticked."""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form or a field of it."""
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = found.get("action", "")
        elif found.get("type") == "hidden":
            self.hidden[found["name"]] = found["value"]
        elif found.get("type") == "checkbox":
            self.choices.append(found["value"])


def order_at_once(browsers: list[Browser]) -> list[Visit]:
    """Have several customers place their orders at the same moment; return how each was answered."""
    if not browsers:
        return []
    ready = Barrier(len(browsers))

    def order(browser: Browser) -> Visit:
        ready.wait(timeout=30)
        return browser.order()

    with ThreadPoolExecutor(len(browsers)) as threads:
        return list(threads.map(order, browsers))


def _names_after_the_third() -> Iterator[str]:
    yield from NAMES[3:]
    yield from (f"Guest{n}" for n in count(len(NAMES) + 1))
