"""Values that are recognised by their form, and the ordinary text that is not."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

import pytest

from ezlogs.privacy import Scrubber

Scrub = Callable[[str], tuple[str, list[str]]]


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("email", "ada@example.com"),
        ("email", "ada.lovelace+shop@mail.example.co.uk"),
        ("email", "müller@exämple.de"),
        ("email", "ada＠example.com"),  # noqa: RUF001 - a full-width at sign is the point
        ("email", '"ada lovelace"@example.com'),
        ("email", "ada@[192.168.0.1]"),
        ("card", "4111 1111 1111 1111"),
        ("iban", "GB82 WEST 1234 5698 7654 32"),
        ("ssn", "123-45-6789"),
        ("phone", "+44 20 7946 0958"),
        ("phone", "+14155552671"),
        ("phone", "(415) 555-2671"),
        ("phone", "415-555-2671"),
        ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"),
        ("private_key", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"),
        ("private_key", "-----BEGIN PRIVATE KEY-----\\nMIIE"),
        ("bearer", "Bearer mF_9.B5f-4.1JqM"),
        ("basic_auth", "Basic Ym9iOmh1bnRlcjI="),
        ("aws_key", "AKIAIOSFODNN7EXAMPLE"),
        ("github_key", "ghp_0123456789abcdefghijABCDEFGHIJ012345"),
        ("github_key", "github_pat_0123456789abcdefghij_ABCDEFGHIJ"),
        ("gitlab_key", "glpat-0123456789abcdefghij"),
        ("slack_key", "xoxb-0123456789-abcdefghij"),
        ("slack_key", "hooks.slack.com/services/T0123456/B0123456/abcdefghijkl"),
        ("stripe_key", "sk_live_0123456789abcdef"),
        ("stripe_key", "whsec_0123456789abcdef"),
        ("google_key", "AIza0123456789abcdefghijklmnopqrstuvwxy"),
        ("openai_key", "sk-proj-0123456789abcdefghij"),
    ],
)
def test_a_sensitive_value_is_replaced_and_the_text_around_it_kept(scrub: Scrub, rule: str, value: str) -> None:
    """In a sentence only the value goes, and the record names its rule, not the value."""
    clean, found = scrub(f"before {value}")
    assert clean == "before [redacted]"
    assert rule in found
    assert scrub(value)[0] == "[redacted]"


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("postgres://bob:hunter2@db/shop", "postgres://[redacted]@db/shop"),
        ("postgres://bob:p@ss/w#rd@db/shop", "postgres://[redacted]@db/shop"),
        ("https://ghtoken@git.test/x", "https://[redacted]@git.test/x"),
        ("redis://:hunter2@cache:6379/0", "redis://[redacted]@cache:6379/0"),
    ],
)
def test_credentials_in_a_url_go_and_the_host_stays(scrub: Scrub, url: str, clean: str) -> None:
    """The user name goes with the password, which may hold slashes and at signs."""
    assert scrub(url) == (clean, ["url_credentials"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "EUR",
        "the order was placed",
        "@app.route in module",
        "lib@1.2.3",
        "user@localhost",
        "basic understanding of things",
        "Basic authentication required",
        "a bearer authentication scheme",
        "2024-01-01T00:00:00.123456+01:00",
        "550e8400-e29b-41d4-a716-446655440000",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "https://shop.test:8080/@handle/42?page=2",
        "10.0.0.1:8080",
        "version 1.2.3 of 4",
        "pk_live_0123456789abcdef",
        "-----BEGIN PUBLIC KEY-----",
        "aGVsbG8gd29ybGQsIGhvdyBhcmUgeW91",
        "100% of 50%",
        "%C3%A9t%C3%A9",
        "Zürich ist schön",
    ],
)
def test_ordinary_text_is_left_alone(scrub: Scrub, text: str) -> None:
    """Ids, dates, versions, addresses of machines and prose are returned as the object they are."""
    clean, found = scrub(text)
    assert clean is text
    assert found == []


def base64(text: str) -> str:
    """The text in base64."""
    return b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "hidden",
    [
        "ada%40example.com",
        "ada%2540example.com",
        "4111%201111%201111%201111",
        "ada\\u0040example.com",
        "ada\\x40example.com",
        base64("password=hunter2"),
        base64('{"card": "4111111111111111"}'),
        base64(base64("mail ada@example.com")),
        base64("to=ada%40example.com"),
    ],
)
def test_an_encoding_hides_nothing(scrub: Scrub, hidden: str) -> None:
    """Percent signs, escapes and base64 are undone, also twice; the whole encoded word goes."""
    clean, found = scrub(f"x {hidden} y")
    assert clean.replace("=", "") == "x [redacted] y"
    assert found


HEX, WORD = "0123456789abcdef" * 8, "aB3dE5gH7jK9mN2pQ4rS6tU8vW1xY0zA" * 4
OF_VENDORS = {
    "azure_key": ["AccountKey=" + WORD[:86] + "==", "abc8Q~" + WORD[:34]],
    "sendgrid_key": ["SG." + WORD[:22] + "." + WORD[:43]],
    "twilio_key": ["SK" + HEX[:32]],
    "npm_key": ["npm_" + WORD[:36]],
    "pypi_key": ["pypi-" + "AgEIcHlwaS5vcmc" + WORD[:60]],
    "digitalocean_key": ["dop_v1_" + HEX[:64]],
    "shopify_key": ["shpat_" + HEX[:32]],
    "huggingface_key": ["hf_" + "aBcDeFgHiJ" * 4],
    "vault_key": ["hvs." + WORD[:30]],
    "grafana_key": ["glsa_" + WORD[:32] + "_" + HEX[:8], "glc_" + WORD[:40]],
    "newrelic_key": ["NRAK-" + WORD.upper()[:27]],
    "sentry_key": ["sntrys_" + WORD[:60]],
    "telegram_key": ["123456789:AA" + WORD[:33]],
    "databricks_key": ["dapi" + HEX[:32]],
    "atlassian_key": ["ATATT3" + WORD[:80]],
    "linear_key": ["lin_api_" + WORD[:40]],
    "doppler_key": ["dp.pt." + WORD[:43]],
    "age_key": ["AGE-SECRET-KEY-1" + WORD.upper()[:58]],
    "square_key": ["sq0atp-" + WORD[:22]],
    "mailgun_key": ["key-" + HEX[:32]],
    "discord_key": ["discord.com/api/webhooks/" + "1" * 18 + "/" + WORD[:68]],
}


@pytest.mark.parametrize(("rule", "key"), [(rule, key) for rule, keys in OF_VENDORS.items() for key in keys])
def test_the_keys_of_vendors_are_found_in_any_text(rule: str, key: str) -> None:
    """Alone, in a sentence, in quotes; nothing of them is left."""
    for text in (key, f"used {key} today", f"'{key}'"):
        found: list[str] = []
        clean = Scrubber().text(text, "m", found)
        assert key[-12:] not in clean
        assert f"m: {rule}" in found


ONLY_BEGINNINGS = [
    "SKU-1234567890",
    "SK0123",
    "key-value",
    "key-1",
    "npm_config_cache",
    "hf_model",
    "dp.width",
    "SG.1",
    "shpat",
    "pypi-server",
    "glc_rate",
    "order:AA12",
    "api/webhooks/12",
    "SKIPPED",
    "dapidoc",
    "sq0",
    "lin_api",
]


@pytest.mark.parametrize("text", ONLY_BEGINNINGS)
def test_what_only_begins_like_a_key_stays(text: str) -> None:
    """A key has its vendor's length."""
    assert Scrubber().text(text, "m", []) is text
