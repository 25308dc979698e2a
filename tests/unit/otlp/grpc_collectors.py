"""A real gRPC server that answers as a test wants it to, and what makes transports to it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import grpc

from ezlogs.otlp.grpc import GrpcTransport

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


class Call(NamedTuple):
    """A call as the collector saw it."""

    method: str
    metadata: dict[str, Any]
    body: bytes


class GrpcCollector(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    """A real gRPC server that answers each call as a test chooses."""

    def __init__(self, credentials: Any = None, options: tuple[tuple[str, int], ...] = ()) -> None:
        self.answer: Callable[[Call, Any], bytes] = lambda call, context: b""
        self.calls: list[Call] = []
        self._server = grpc.server(ThreadPoolExecutor(4), options=options)
        self._server.add_generic_rpc_handlers((self,))
        if credentials is None:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self._server.add_secure_port("127.0.0.1:0", credentials)
        self._server.start()
        self.url = f"http://127.0.0.1:{self.port}"

    def service(self, details: Any) -> Any:
        """Take any method."""
        metadata = {entry.key: entry.value for entry in details.invocation_metadata}

        def handle(body: bytes, context: Any) -> bytes:
            call = Call(details.method, metadata, body)
            self.calls.append(call)
            return self.answer(call, context)

        return grpc.unary_unary_rpc_method_handler(handle)

    def close(self) -> None:
        """End, and wait for the end."""
        self._server.stop(0).wait(5)


class Transports:
    """Makes transports and closes them."""

    def __init__(self) -> None:
        self._made: list[GrpcTransport] = []

    def __call__(self, url: str, **options: Any) -> GrpcTransport:
        defaults: dict[str, Any] = {"signal": "traces", "headers": {}, "timeout": 5.0, "compression": "none"}
        self._made.append(GrpcTransport(url, **(defaults | options)))
        return self._made[-1]

    def close(self) -> None:
        """Close all of them."""
        for transport in self._made:
            transport.close()
