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
            "django.core.mail": "mail.attach",
            "django.core.mail.message": "mail.attach_to_messages",
            "django.core.mail.backends.base": "mail.attach_to_backends",
            "django.core.handlers.base": "middleware.attach",
            "django.core.handlers.exception": "signins.attach_to_exceptions",
            "django.middleware.csrf": "signins.attach_to_csrf",
            "django.db.backends.base.base": "transactions.attach callbacks.attach",
            "django.db.backends.utils": "data.raw.attach",
            "django.db.backends.mysql.base": "data.raw.attach_to_commits",
            "mysql.connector.django.base": "data.raw.attach_to_commits",
            "django.db.models.base": "data.loaded.attach data.saves.attach validation.attach_to_models",
            "django.db.models.sql.compiler": "data.raw.attach_to_compilers",
            "django.db.models.sql.subqueries": "data.statements.attach_to_deletes data.deletion.attach_to_statements",
            "django.db.models.query": "data.querysets.attach data.statements.attach",
            "django.db.models.deletion": "data.deletion.attach",
            "django.db.models.fields.related_descriptors": "data.links.attach",
            "django.core.serializers.base": "data.fixtures.attach",
            "django.test.testcases": "testing.attach",
            "django.forms.forms": "validation.attach_to_forms",
            "django.forms.formsets": "validation.attach_to_formsets",
            "django.contrib.auth.signals": "signins.attach",
            "django.contrib.auth.base_user": "users.attach_to_users signins.attach_to_passwords",
            "django.contrib.auth.models": "users.attach_to_anonymous",
            "rest_framework.views": "rest.attach_to_views signins.attach_to_rest_framework",
            "rest_framework.request": "rest.attach_to_requests",
            "rest_framework.serializers": "validation.attach_to_serializers",
            "hijack.signals": "signins.attach_to_impersonation",
            "hijack.views": "signins.attach_to_impersonating_views",
        }
    )
