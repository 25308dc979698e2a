"""A server of this machine in a thread: for what `ezlogs dev` and tests serve."""

from __future__ import annotations

import asyncio
import socket
import threading

import uvicorn
from opentelemetry import context
from starlette.applications import Starlette

from ezlogs.otel_compat import suppressing


class Served:
    """An application that is served over HTTP. It can be stopped and started again on the same port.

    Args:
        app: The application.
        host: The loopback address to listen on.
        port: The port; 0 picks a free one, which stays the same from then on.

    Example:
        >>> served = Served(Starlette())
        >>> served.start()
        >>> served.address.startswith("http://127.0.0.1:")
        True
        >>> served.stop()
    """

    def __init__(self, app: Starlette, host: str = "127.0.0.1", port: int = 0) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """The base address, such as ``http://127.0.0.1:4318``."""
        return f"http://{self._host}:{self._port}"

    def start(self) -> None:
        """Listen, and return once requests are answered. Does nothing if that is so already.

        Raises:
            OSError: The port is taken.
        """
        if self._thread is not None:
            return
        listener = socket.create_server((self._host, self._port))
        self._port = listener.getsockname()[1]
        self._server = uvicorn.Server(_QuietConfig(self._app))
        self._thread = threading.Thread(
            target=_serve, args=(self._server, listener), name="ezlogs-receiver", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Close the port and all connections."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
            self._server = self._thread = None


def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    async def serve() -> None:
        await server.serve(sockets=[listener])
        for connection in list(server.server_state.connections):
            connection.transport.abort()  # or its sender would wait for an answer
        await asyncio.sleep(0)

    context.attach(suppressing())  # in an application that is instrumented, what it sends would be told for ever
    with listener:
        asyncio.run(serve())


class _QuietConfig(uvicorn.Config):
    """A server that says nothing, and leaves what other servers of this process say alone."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            app,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            access_log=False,
            timeout_graceful_shutdown=1,
        )

    def configure_logging(self) -> None:
        """Leave the process-wide loggers of uvicorn as they are."""
