"""Addresses of collectors: taken apart, with the credentials in them kept from every text."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import NamedTuple
from urllib.parse import unquote

from ezlogs.expressions import expression
from ezlogs.version import __version__

USER_AGENT = f"ezlogs-opentelemetry/{__version__} OTel-OTLP-Exporter-Python-compatible"
"""What every transport calls itself."""

_URL = expression(r"(\w+)://(?:([^/?#]*)@)?([^/?#]*)(.*)", re.DOTALL)


class Address(NamedTuple):
    """The parts of a URL: what is no URL is all path."""

    scheme: str
    login: str
    host: str
    """With its port, if there is one."""
    path: str
    """With what follows it."""


def split(url: str) -> Address:
    """Take an address apart.

    >>> split("https://ada:pw@collector:4318/v1/traces")
    Address(scheme='https', login='ada:pw', host='collector:4318', path='/v1/traces')
    """
    parts = _URL.fullmatch(url)
    return Address(*parts.groups(default="")) if parts else Address("", "", "", url)


def basic_authorization(header: str, login: str) -> dict[str, str]:
    """Return the header that says a user and password, or none where there are none.

    >>> basic_authorization("authorization", "ada:p%40ss")
    {'authorization': 'Basic YWRhOnBAc3M='}
    """
    return {header: "Basic " + b64encode(unquote(login).encode()).decode()} if login else {}
