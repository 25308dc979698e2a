"""Connections with one deadline for a whole request: urllib3's own begin anew with each byte that comes or goes.

Imported with the first request, since it loads urllib3.
"""

from __future__ import annotations

import io
import socket
import ssl
from http.client import HTTPResponse
from time import monotonic
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

_RECORD = 16 * 1024  # bytes that TLS sends at once


class _Answer(io.RawIOBase):
    """The bytes of an answer, until the deadline."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._stream: Any = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connection.settimeout(_left(self._deadline))
        read: int | None = self._stream.readinto(buffer)
        return read

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Source:
    """What an answer is read from, as ``http.client`` asks for it."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Answer(self._connection, self._deadline))


class _Hurried(HTTPConnection):
    def response_class(self, connection: socket.socket, *args: Any, **options: Any) -> HTTPResponse:  # type: ignore[override]  # a class is called, and nothing else
        """Return the answer, to be read within the seconds that urllib3 has left for all of it."""
        seconds = self.timeout if isinstance(self.timeout, (int, float)) else 0.0
        return HTTPResponse(_Source(connection, monotonic() + seconds), *args, **options)  # type: ignore[arg-type]  # all that it asks for

    def send(self, data: Any) -> None:
        """Send some bytes within the seconds that one ``send`` may take: over TLS each record would have as many."""
        connection = self.sock
        seconds = connection.gettimeout() if isinstance(connection, ssl.SSLSocket) else None
        if seconds is None or not isinstance(data, bytes):
            super().send(data)
            return
        deadline = monotonic() + seconds
        for start in range(0, len(data), _RECORD):
            connection.settimeout(_left(deadline))
            try:
                super().send(data[start : start + _RECORD])
            except ssl.SSLEOFError as problem:
                # The other side has gone. By this name urllib3 knows it, and reads what was said before, such as why.
                raise BrokenPipeError(problem.errno, problem.strerror) from problem
        connection.settimeout(seconds)


class _HurriedTls(_Hurried, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Hurried


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _HurriedTls


def hurried(manager: PoolManager) -> PoolManager:
    """Return a manager of pools whose connections have one deadline for a whole request."""
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return manager


def _left(deadline: float) -> float:
    """Return the seconds until a deadline.

    Raises:
        TimeoutError: It has passed.
    """
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left
