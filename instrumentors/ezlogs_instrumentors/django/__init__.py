"""Django: requests, committed changes of data and rejected forms become events; nothing needs to be configured.

Hooks are set as Django's modules are imported, so instrumenting neither imports Django nor touches its settings.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # its file is exempt from typing

from ezlogs.emit import guarded
from ezlogs_instrumentors.django import forms, middleware, models, signins, transactions, users
from ezlogs_instrumentors.django.hooks import Hooks

_ATTACH: dict[str, Callable[[Hooks, ModuleType], None]] = {
    "django.core.handlers.base": middleware.attach,
    "django.db.backends.base.base": transactions.attach,
    "django.db.models.base": models.attach_to_models,
    "django.db.models": models.attach_to_signals,
    "django.db.models.query": models.attach_to_querysets,
    "django.db.models.deletion": models.attach_to_deletion,
    "django.forms.forms": forms.attach,
    "django.contrib.auth.signals": signins.attach,
    "django.contrib.auth.base_user": users.attach_to_users,
    "django.contrib.auth.models": users.attach_to_anonymous,
}


class DjangoInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # as above
    """Instruments Django 4.2 and later, beside OpenTelemetry's own instrumentor or without it.

    Example:
        >>> instrumentor = DjangoInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    _hooks: Hooks

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the versions of Django that this works with."""
        return ("django >= 4.2",)

    def _instrument(self, **kwargs: Any) -> None:
        if find_spec("django") is None:
            raise ModuleNotFoundError("No module named 'django'", name="django")
        self._hooks = hooks = Hooks()
        for module, attach in _ATTACH.items():
            wrapt.register_post_import_hook(partial(guarded(attach), hooks), module)

    def _uninstrument(self, **kwargs: Any) -> None:
        self._hooks.undo()
