"""Celery: what is enqueued, each attempt to run it, what was revoked or lost, and what beat finds due."""

from __future__ import annotations

from types import MappingProxyType

from ezlogs_instrumentors.hooks import HookingInstrumentor


class CeleryInstrumentor(HookingInstrumentor):
    """Tells of tasks that are enqueued and run; beside OpenTelemetry's own instrumentation or without it.

    Example:
        >>> instrumentor = CeleryInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "celery"
    versions = ("celery >= 5.3",)
    parts = MappingProxyType(
        {
            "celery": "publishing.attach attempts.attach worker.attach",
            "celery.app.base": "publishing.attach_to_apps",
            "celery.canvas": "canvas.attach",
            "celery.worker.request": "worker.attach_to_requests",
            "celery.beat": "beat.attach",
            "celery.backends.base": "joins.attach",
            "celery.backends.redis": "joins.attach_to_redis",
        }
    )
