"""A local OTLP/gRPC endpoint, where grpcio is installed: the same bytes as over HTTP, of whichever sender."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc  # type: ignore[import-untyped]  # it has no types of its own

from ezlogs.dev.decode import Malformed, decode_logs_request, decode_request
from ezlogs.dev.metrics import decode_metrics_request
from ezlogs.dev.receiver import OnPoints
from ezlogs.dev.unpacking import LONGEST_REQUEST
from ezlogs.dev.web.app import Take

_COLLECTOR = "opentelemetry.proto.collector"
_log = logging.getLogger(__name__)


class GrpcReceiver:
    """An OTLP/gRPC endpoint of this machine.

    Args:
        take: Takes spans and log records in.
        take_points: Takes in what services say of their own delivery.
        port: The port; 0 takes a free one.
        host: The loopback address to listen on.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, take: Take, take_points: OnPoints, port: int = 4317, host: str = "127.0.0.1") -> None:
        self._server = grpc.server(
            ThreadPoolExecutor(2, thread_name_prefix="ezlogs-grpc"),
            options=[("grpc.max_receive_message_length", LONGEST_REQUEST), ("grpc.so_reuseport", 0)],
        )
        takers: dict[str, Callable[[bytes], object]] = {
            "trace.v1.TraceService": lambda body: take(decode_request(body)),
            "logs.v1.LogsService": lambda body: take(decode_logs_request(body)),
            "metrics.v1.MetricsService": lambda body: take_points(decode_metrics_request(body)),
        }
        for name, taker in takers.items():
            handler = grpc.unary_unary_rpc_method_handler(_export(taker))
            service = grpc.method_handlers_generic_handler(f"{_COLLECTOR}.{name}", {"Export": handler})
            self._server.add_generic_rpc_handlers((service,))
        try:
            socket.create_server((host, port)).close()  # grpcio would print it, too
            self.port: int = self._server.add_insecure_port(f"{host}:{port}")
        except (OSError, RuntimeError) as problem:
            raise OSError(f"port {port} is taken") from problem
        self._server.start()

    def stop(self) -> None:
        """Close the port and all connections."""
        self._server.stop(grace=None).wait()


def _export(take: Callable[[bytes], object]) -> Callable[[bytes, Any], bytes]:
    def export(body: bytes, call: Any) -> bytes:
        try:
            take(body)
        except Malformed as problem:
            call.abort(grpc.StatusCode.INVALID_ARGUMENT, str(problem))
        except Exception as problem:
            _log.exception("what was to take the received telemetry failed")
            call.abort(grpc.StatusCode.INTERNAL, type(problem).__name__)
        return b""

    return export
