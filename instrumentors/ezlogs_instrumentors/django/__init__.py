"""Django: requests, committed changes of data, rejected forms and sign-ins become events, with nothing to configure.
"""Django: requests, commands, committed changes of data and rejected forms become events, without configuration.

Hooks are set as Django's modules are imported, so instrumenting neither imports Django nor touches its settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType

from ezlogs_instrumentors.django import forms, middleware, models, rest, signins, transactions, users
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks


def _attach_to_users(hooks: Hooks, module: ModuleType) -> None:
    users.attach_to_users(hooks, module)
    signins.attach_to_passwords(hooks, module)
def _to_commands(name: str) -> Callable[[Hooks, ModuleType], None]:
    def attach(hooks: Hooks, module: ModuleType) -> None:
        from ezlogs_instrumentors.django import commands  # here, so that servers do not pay for it at their start

        getattr(commands, name)(hooks, module)

    return attach


_ATTACH: dict[str, Callable[[Hooks, ModuleType], None]] = {
    "django.core.management": _to_commands("attach_to_loading"),
    "django.core.management.base": _to_commands("attach"),
    "django.utils.autoreload": _to_commands("attach_to_reloading"),
    "django.core.handlers.base": middleware.attach,
    "django.db.backends.base.base": transactions.attach,
    "django.db.models.base": models.attach_to_models,
    "django.db.models": models.attach_to_signals,
    "django.db.models.query": models.attach_to_querysets,
    "django.db.models.deletion": models.attach_to_deletion,
    "django.forms.forms": forms.attach,
    "rest_framework.views": rest.attach_to_views,
    "rest_framework.request": rest.attach_to_requests,
    "django.contrib.auth.signals": signins.attach,
    "django.contrib.auth.base_user": _attach_to_users,
    "django.contrib.auth.models": users.attach_to_anonymous,
    "django.core.handlers.exception": signins.attach_to_exceptions,
    "django.middleware.csrf": signins.attach_to_csrf,
    "rest_framework.views": signins.attach_to_rest_framework,
    "hijack.signals": signins.attach_to_impersonation,
    "hijack.views": signins.attach_to_impersonating_views,
}


class DjangoInstrumentor(HookingInstrumentor):
    """Instruments Django 4.2 and later, beside OpenTelemetry's own instrumentor or without it.

    Example:
        >>> instrumentor = DjangoInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "django"
    versions = ("django >= 4.2",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return _ATTACH
