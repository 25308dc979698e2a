"""A way to a database server that can be cut, before or after a statement has reached it."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Literal

from tests.servers.address import Address


class Proxy:
    """A port of this machine behind which there is a database.

    Args:
        address: The database.

    Example:
        >>> with Proxy(address) as proxy:  # doctest: +SKIP
        ...     engine = create_engine(proxy.address.url())
        ...     proxy.cut = "after"
    """

    def __init__(self, address: Address) -> None:
        self._behind = address
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads = [Thread(target=self._accept, daemon=True)]
        self.statement = re.compile(rb"(?<!AUTO)COMMIT")
        """What cuts the connection that it passes over."""
        self.cut: Literal["before", "after"] | None = None
        """Whether to cut, and if so whether the server still gets the statement. One cut is made."""

    @property
    def address(self) -> Address:
        """The database, by way of this port."""
        return self._behind.through(self._listener.getsockname()[1])

    def __enter__(self) -> Proxy:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        end(self._listener)
        for one in list(self._sockets):
            end(one)
        for thread in list(self._threads):
            thread.join(30)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            target = self._behind.target
            server = socket.socket(socket.AF_UNIX if isinstance(target, str) else socket.AF_INET)
            self._sockets += [client, server]
            try:
                server.connect(target)
            except OSError:
                end(client)
                continue
            passage = _Passage(self, client, server)
            for way in (passage.to_server, passage.to_client):
                thread = Thread(target=way, daemon=True)
                self._threads.append(thread)
                thread.start()


class _Passage:
    """One connection."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._is_mute = False

    def to_server(self) -> None:
        """Pass on what the application says, up to what cuts the connection."""
        with suppress(OSError):
            while said := self._client.recv(1 << 16):
                if self._proxy.cut and self._proxy.statement.search(said.upper()):
                    cut, self._proxy.cut = self._proxy.cut, None
                    if cut == "before":
                        break
                    self._is_mute = True
                self._server.sendall(said)
        if not self._is_mute:
            self._end()

    def to_client(self) -> None:
        """Pass on what the server answers."""
        with suppress(OSError):
            while said := self._server.recv(1 << 16):
                if self._is_mute:
                    break
                self._client.sendall(said)
        self._end()

    def _end(self) -> None:
        end(self._client)
        end(self._server)


def end(one: socket.socket) -> None:
    """Close a socket that another thread may be waiting for."""
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
