"""Fixtures for mail: a server that runs, one that needs TLS, and a port where nobody answers."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.collector.certificates import Authority
from tests.instrumentors.postbox import Postbox, running


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    """A server."""
    with running() as box:
        yield box


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Postbox, str]]:
    """A server that takes nothing before STARTTLS, and the file of the authority that vouches for it."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    authority = Authority(tmp_path)
    signed = authority.sign("postbox")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(signed.certificate, signed.key)
    with running(tls) as box:
        yield box, authority.file


@pytest.fixture
def nobody() -> int:
    """A port where nobody answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
