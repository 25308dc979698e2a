"""The table: one source of truth, whose types, kinds and defaults agree."""

from __future__ import annotations

from typing import get_type_hints

import msgspec
import pytest
from rich.pretty import pretty_repr

from ezlogs.settings import TABLE, Headers, Settings, load, spelled, variable
from ezlogs.settings.expressions import Patterns
from ezlogs.settings.numbers import Numbers
from ezlogs.settings.treatments import Treatments

TYPES = get_type_hints(Settings)

EXAMPLES = {
    "enabled": "off",
    "service_name": "shop",
    "debug": "on",
    "strict": "yes",
    "endpoint": "https://collector",
    "insecure": "yes",
    "logs_protocol": "grpc",
    "logs_insecure": "yes",
    "logs_endpoint": "https://collector",
    "logs_headers": "x-key=2",
    "logs_timeout": "4",
    "logs_compression": "gzip",
    "logs_certificate": "ca.pem",
    "logs_client_certificate": "me.pem",
    "logs_client_key": "key.pem",
    "headers": "x-key=1",
    "timeout": "3",
    "compression": "gzip",
    "certificate": "ca.pem",
    "client_certificate": "me.pem",
    "client_key": "key.pem",
    "flush_interval": "0.5",
    "max_batch_size": "10",
    "max_queue_size": "10",
    "max_queue_bytes": "1048576",
    "audit_events": "auth.*",
    "audit_wait": "0.5",
    "shutdown_timeout": "0",
    "protocol": "grpc",
    "durability": "memory",
    "state_dir": "/var/lib/shop",
    "journal_size": "1048576",
    "journal_age": "60",
    "health_dir": "/tmp/health",
    "metrics": "off",
    "pipeline": "attached",
    "carrier": "both",
    "summary": "on",
    "disabled_events": "data.*",
    "sample_rate": "0.25",
    "sample_types": "data.*=0.01,http.request=0.5",
    "sample_routes": "GET /health=0,/static/*=0.01",
    "always_events": "auth.*,payment.action",
    "never_events": "debug.*",
    "keep_errors": "no",
    "keep_slow": "2.5",
    "keep_slow_routes": "GET /reports=30",
    "held_events": "100",
    "held_bytes": "1048576",
    "held_seconds": "5",
    "rate_limits": "data.*=100,http.request=50:500",
    "sampling_events": "follow_trace",
    "sampling_agreement": "ratio",
    "trust_inbound": "link",
    "propagate_to": "partner.example",
    "propagate_actor_to": "partner.example",
    "flow_store": "sqlite:////var/lib/shop/flows.db",
    "flow_days": "7",
    "flow_wait": "0.05",
    "deny": "iban",
    "allow": "key_id,hint",
    "redaction": "email=mask",
    "patterns": "badge=BDG-[0-9]{6}",
    "hash_key": "a long random text",
    "excluded_paths": "/healthz,/static/*",
    "excluded_agents": "*bot*",
    "excluded_urls": "healthz$,/internal/",
    "trusted_proxies": "10.0.0.0/8,::1",
    "request_parameters": "page,filter*",
    "request_fields": "quantity",
    "send_request_id": "on",
    "login_names": "none",
    "changes": "full",
    "data_changes": "shop.order=full,audit_*=none",
    "data_include": "shop.*",
    "data_exclude": "sessions.*,audit_*",
    "max_rows_in_detail": "10",
    "raw_statements": "on",
    "soft_deletes": "deleted_at,is_deleted",
    "fixtures": "on",
    "graphql_variables": "page,*Id",
    "propagate_actor": "no",
    "errors": "logged",
    "error_locals": "on",
    "job_arguments": "full",
    "job_results": "safe",
    "job_join_links": "on",
    "instrument": "django,celery",
    "excluded_commands": "flask run,shop serve",
    "command_options": "dry-run,limit",
    "http_client_events": "on",
    "http_client_routes": "api.example.com/orders/{id}",
}


@pytest.mark.parametrize("name", TABLE)
def test_a_kind_makes_values_of_the_type_of_its_setting(name: str) -> None:
    """What is read from a variable has the type that the field declares, and is not the default."""
    companions = {"client_key": {"EZLOGS_CLIENT_CERTIFICATE": "me.pem"}}
    loaded = load({variable(name): EXAMPLES[name], **companions.get(name, {})})
    value = getattr(loaded.settings, name)
    assert not loaded.problems
    assert value != TABLE[name].default
    # strict: nothing is converted, so this holds only for values that have the type already
    assert isinstance(value, (Headers, Numbers, Patterns, Treatments)) or msgspec.convert(value, TYPES[name]) == value


@pytest.mark.parametrize("name", TABLE)
def test_every_default_is_allowed(name: str) -> None:
    """A default, written into the variable of its setting, is accepted and means the same."""
    setting = TABLE[name]
    if text := spelled(setting.kind.shown(setting.default)):
        assert setting.kind.parse(text) == setting.default


@pytest.mark.parametrize("name", TABLE)
def test_every_setting_is_explained(name: str) -> None:
    """Each setting says in one sentence what it does, what is allowed, and since when it exists."""
    setting = TABLE[name]
    assert setting.doc.endswith(".")
    assert setting.kind.allowed
    assert setting.since


def test_no_text_of_the_settings_holds_a_secret() -> None:
    """Printing settings, plainly or with rich, masks headers and whatever an address hides."""
    settings = Settings(headers=Headers({"x-key": "hunter2"}), endpoint="http://c/v1/traces?token=hunter2")
    for text in (repr(settings), pretty_repr(settings), str(settings.shown())):
        assert "hunter2" not in text
        assert "x-key" in text


def test_settings_cannot_be_changed() -> None:
    """Settings are a value: threads may share them."""
    with pytest.raises(AttributeError):
        Settings().debug = True  # type: ignore[misc]  # the point of the test
    assert hash(Settings()) == hash(Settings())
