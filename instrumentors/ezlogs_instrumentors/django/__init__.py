"""Django: requests, commands, committed changes of data, rejected forms and sign-ins become events, unconfigured.

Hooks are set as Django's modules are imported, so instrumenting neither imports Django nor touches its settings; what
sets them is imported then, too, so that a process pays only for what it uses.
"""

from __future__ import annotations

from types import MappingProxyType

from ezlogs_instrumentors.hooks import HookingInstrumentor


class DjangoInstrumentor(HookingInstrumentor):
    """Instruments Django 4.2 and later, beside OpenTelemetry's own instrumentor or without it.

    Example:
        >>> instrumentor = DjangoInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "django"
    versions = ("django >= 4.2",)
    parts = MappingProxyType(
        {
            "django.core.management": "commands.attach_to_loading",
            "django.core.management.base": "commands.attach",
            "django.utils.autoreload": "commands.attach_to_reloading",
            "django.core.handlers.base": "middleware.attach",
            "django.core.handlers.exception": "signins.attach_to_exceptions",
            "django.middleware.csrf": "signins.attach_to_csrf",
            "django.db.backends.base.base": "transactions.attach",
            "django.db.models.base": "models.attach_to_models",
            "django.db.models": "models.attach_to_signals",
            "django.db.models.query": "models.attach_to_querysets",
            "django.db.models.deletion": "models.attach_to_deletion",
            "django.forms.forms": "forms.attach",
            "django.contrib.auth.signals": "signins.attach",
            "django.contrib.auth.base_user": "users.attach_to_users signins.attach_to_passwords",
            "django.contrib.auth.models": "users.attach_to_anonymous",
            "rest_framework.views": "rest.attach_to_views signins.attach_to_rest_framework",
            "rest_framework.request": "rest.attach_to_requests",
            "hijack.signals": "signins.attach_to_impersonation",
            "hijack.views": "signins.attach_to_impersonating_views",
        }
    )
