"""What `ezlogs dev` serves: OTLP over HTTP and, where grpcio is installed, over gRPC; and the page."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from ezlogs.dev.serving import Served
from ezlogs.dev.store import Store, Teller
from ezlogs.dev.web.app import Received, Take, application
from ezlogs.story import stories

if TYPE_CHECKING:
    from ezlogs.dev.grpc import GrpcReceiver


class UnusableFileError(Exception):
    """A file that cannot be a store; its text says why."""


class Endpoint:
    """A local endpoint, open while its ``with`` block runs.

    Args:
        file: What it keeps everything in; in memory when left out.
        also: Is given the spans and log records that come, once they are in the store.
        port: For HTTP; 0 takes a free one.
        grpc_port: For gRPC; 0 takes a free one.
        teller: Tells the stories that the page shows, in somebody's own words or time zone.

    Raises:
        UnusableFileError: The file cannot be used.

    Example:
        >>> with Endpoint(port=0, grpc_port=0) as endpoint:
        ...     endpoint.address.startswith("http://127.0.0.1:")
        True
    """

    def __init__(
        self,
        file: Path | None = None,
        also: Take | None = None,
        *,
        port: int = 4318,
        grpc_port: int = 4317,
        teller: Teller = stories,
    ) -> None:
        try:
            self.store = Store(file, teller=teller)
        except sqlite3.Error as problem:
            raise UnusableFileError(f"{file} cannot be used: {problem}") from problem
        self._also = also
        self._served = Served(application(self.store, self._take), port=port)
        self._grpc_port = grpc_port
        self._grpc: GrpcReceiver | None = None
        self.without_grpc = ""
        """Why there is no gRPC; empty where there is."""

    @property
    def address(self) -> str:
        """Where HTTP is answered, and the page is: ``http://127.0.0.1:4318``."""
        return self._served.address

    @property
    def grpc_address(self) -> str | None:
        """Where gRPC is answered; None where it is not."""
        return None if self._grpc is None else f"http://127.0.0.1:{self._grpc.port}"

    def __enter__(self) -> Endpoint:
        """Listen.

        Raises:
            OSError: The port for HTTP is taken.
        """
        try:
            self._served.start()
        except OSError:
            self.store.close()
            raise
        threading.Thread(target=self._tell, name="ezlogs-teller", daemon=True).start()
        try:
            from ezlogs.dev.grpc import GrpcReceiver

            self._grpc = GrpcReceiver(self._take, self.store.take_points, self._grpc_port)
        except ModuleNotFoundError:
            self.without_grpc = "grpcio is not installed"
        except OSError as problem:
            self.without_grpc = str(problem)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._grpc is not None:
            self._grpc.stop()
        self._served.stop()
        self.store.close()

    def _tell(self) -> None:
        """Have what changed ready before somebody looks at it."""
        version = 0
        while self.store.is_open:
            version = self.store.wait(version, timeout=60.0)
            self.store.tell_all()

    def _take(self, received: Received) -> None:
        self.store.take(received)
        if self._also is not None:
            self._also(received)
