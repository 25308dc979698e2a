"""What opens a door, however it is written, and what only looks so. Every secret here is put together on the spot."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

import pytest

Scrub = Callable[[str], tuple[str, list[str]]]

HEX, WORD = "0123456789abcdef" * 8, "aB3dE5gH7jK9mN2pQ4rS6tU8vW1xY0zA" * 4
PEM = "\n".join([*(WORD[:64] for _ in range(5)), WORD[:20] + "=="])
END = "-----END " + "RSA PRIVATE KEY-----"

FOUND = {
    "a digest": ("authorization", f'Digest username="bob", realm="x", qop=auth, response="{HEX[:32]}"'),
    "a digest in JSON": ("authorization", f'Digest username=\\"bob\\", response=\\"{HEX[:32]}\\"'),
    "Amazon's": (
        "authorization",
        f"AWS4-HMAC-SHA256 Credential=me/20130524/us/s3/aws4_request,SignedHeaders=host,Signature={HEX[:64]}",
    ),
    "Hawk": ("authorization", f'Hawk id="dh37", ts="1353832234", nonce="j4h3g2", mac="{WORD[:43]}="'),
    "OAuth 1": ("authorization", f'OAuth oauth_consumer_key="x", oauth_signature="{WORD[:27]}%3D"'),
    "a token in a parameter": ("authorization", f'Token token="{WORD[:20]}"'),
    "a token": ("authorization", "Token " + HEX[:40]),
    "a token that is a UUID": ("authorization", "token 550e8400-e29b-41d4-a716-446655440000"),
    "an API key": ("authorization", "ApiKey " + WORD[:40]),
    "Okta's": ("authorization", "SSWS 00" + WORD[:40]),
    "Kerberos": ("authorization", "Negotiate YIIJ" + WORD),
    "NTLM": ("authorization", "NTLM TlRMTVNTUAAB" + WORD[:40]),
    "an encrypted JWT": ("jwt", "eyJ" + WORD[:30] + ".." + WORD[:16] + "." + WORD + "." + WORD[:22]),
    "the end of a key": ("private_key", PEM + "\n" + END),
    "the end of a key, escaped": ("private_key", PEM.replace("\n", "\\n") + "\\n" + END),
    "a key of SSH2": ("private_key", "---- BEGIN SSH2 ENCRYPTED " + f"PRIVATE KEY ----\n{PEM}"),
    "a service account's key": ("private_key", "-----BEGIN " + f"PRIVATE KEY-----\\n{WORD[:64]}\\n"),
    "an AWS secret": ("aws_key", "AKIA" + "IOSFODNN7EXAMPLE," + WORD[:40]),
    "an AWS session": ("aws_key", "IQoJb3JpZ2lu" + WORD * 2),
    "Telegram's API": ("telegram_key", "123456789:AA" + WORD[:33]),
    "Notion's": ("notion_key", "ntn_" + WORD[:46]),
    "Notion's old": ("notion_key", "secret_" + WORD[:43]),
    "PlanetScale's": ("planetscale_key", "pscale_tkn_" + WORD[:43]),
    "Square's": ("square_key", "EAAA" + WORD[:60]),
    "Anthropic's": ("anthropic_key", "sk-" + "ant-api03-" + WORD[:90]),
    "OpenAI's": ("openai_key", "sk-" + "svcacct-" + WORD[:60]),
    "Hugging Face's": ("huggingface_key", "hf_" + WORD[:34]),
}


@pytest.mark.parametrize(("rule", "secret"), FOUND.values(), ids=FOUND.keys())
@pytest.mark.parametrize("before", ["", "got: ", "x\n"])
def test_a_credential_goes(scrub: Scrub, before: str, rule: str, secret: str) -> None:
    """Alone, in a sentence, on a line of its own; nothing of it is left."""
    clean, found = scrub(before + secret)
    assert clean.replace(",", "").replace("[redacted]", "") == before
    assert rule in found


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("bob:hunter2@tcp(db:3306)/shop", "[redacted]@tcp(db:3306)/shop"),
        ("bob:h(u:n)/t@r@tcp(db:3306)/shop", "[redacted]@tcp(db:3306)/shop"),
        ("bob:hunter2@unix(/run/mysql.sock)/shop", "[redacted]@unix(/run/mysql.sock)/shop"),
        ("cannot reach bob:hunter2@db:5432/shop", "cannot reach [redacted]@db:5432/shop"),
        ("bob:hunter2@10.0.0.7:6379", "[redacted]@10.0.0.7:6379"),
        ("jdbc:oracle:thin:scott/tiger@db:1521:shop", "jdbc:oracle:thin:[redacted]@db:1521:shop"),
        ("sqlplus scott/tiger@//db:1521/shop", "sqlplus [redacted]@//db:1521/shop"),
        ("mongodb+srv://bob:hunter2@c.mongodb.test/x", "mongodb+srv://[redacted]@c.mongodb.test/x"),
        ("amqps://bob:hunter2@mq//", "amqps://[redacted]@mq//"),
        ("smtp://bob@x.test:hunter2@mail:587", "smtp://[redacted]@mail:587"),
        (
            "https://api.telegram.org/bot123456789:AA" + WORD[:33] + "/send",
            "https://api.telegram.org/bot[redacted]/send",
        ),
        ("SharedAccessSignature sr=x&sig=" + WORD[:43] + "%3D&se=1", "SharedAccessSignature sr=x&sig=[redacted]&se=1"),
        ("aws secret access key is " + WORD[:40], "aws secret access key is [redacted]"),
    ],
)
def test_what_is_around_a_credential_stays(scrub: Scrub, text: str, clean: str) -> None:
    """Which host, which database: what tells the reader where it went wrong."""
    assert scrub(text)[0] == clean


def test_keys_one_after_the_other_all_go(scrub: Scrub) -> None:
    """Whole ones and those whose beginning was cut off."""
    whole = "-----BEGIN " + f"RSA PRIVATE KEY-----\n{PEM}\n{END}"
    clean, found = scrub(f"{PEM}\n{END}\nthen\n{whole}\nand\n{PEM}\n{END}\n{END}")
    assert clean.split() == ["[redacted]", "then", "[redacted]", "and", "[redacted]", *END.split()]
    assert set(found) == {"private_key"}


@pytest.mark.parametrize(
    "text",
    [
        "Digest of the week: response times",
        'Digest realm="x", nonce="n"',
        "the digest a=1, b=2",
        "Token refreshed-successfully-2024-01-01",
        "token src/application/v2/module123.py",
        "token expired after 3600 seconds",
        "api key rotation-is-due-on-2024-01-01-at",
        "negotiate the price with them today please",
        "Negotiate YIELD",
        "image nginx:1.25@sha256:" + HEX[:64],
        "localhost:8080@10:15",
        "react:18@next",
        "user/group@host",
        "a/b@c",
        "commit " + HEX[:40],
        "aws commit " + HEX[:40],
        "aws " + "A" * 40,
        "the object " + WORD[:40],
        "sk-fading-circle-animation-dot",
        "secret_santa_list",
        "ntn_1",
        "EAAAnother",
        "pscale_up",
        "PRIVATE KEY of the house",
        "text " + END,
    ],
)
def test_what_is_no_credential_stays(scrub: Scrub, text: str) -> None:
    """Challenges, digests of images, commits, paths and prose that begins as a credential does."""
    assert scrub(text) == (text, [])


def test_basic_is_checked_by_what_it_says(scrub: Scrub) -> None:
    """Only a name and a password, in base64."""
    assert scrub("basic " + b64encode(b"no colon in it").decode())[1] == []
    assert scrub("basic " + b64encode(b"bob:pw").decode())[1] == ["basic_auth"]
