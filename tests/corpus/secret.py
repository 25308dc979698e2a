"""The secrets of the corpus: every kind in every place where such a value turns up."""

from __future__ import annotations

import json
import re
import string
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

from tests.corpus.kinds import KINDS, Kind, chars
from tests.corpus.sample import Sample

Placed = tuple[Mapping[str, Any], str]
"""Attributes, and the secret as it is written there."""

NEUTRAL = ("note", "comment", "reference", "payload item", "data", "extra")
"""Names that say nothing about a value."""


def in_case(name: str, random: Random) -> str:
    """The words of a name in one of the usual spellings."""
    words = name.split()
    camel = words[0] + "".join(map(str.title, words[1:]))
    return random.choice(("_".join(words), "-".join(words), ".".join(words), camel, "_".join(words).upper()))


def words_in(name: str) -> list[str]:
    """The words of a name in any of the spellings."""
    return re.sub(r"([a-z])([A-Z])|[-_.]", r"\1 \2", name).lower().split()


def snake(name: str) -> str:
    """The words of a name as databases write them."""
    return name.replace(" ", "_")


def _json(name: str, secret: str) -> Placed:
    written = json.dumps(secret)
    return {"log.body": f'{{"order": 42, "inner": {{"{name}": {written}, "ok": true}}}}'}, written[1:-1]


def _json_in_json(name: str, secret: str) -> Placed:
    inner = json.dumps({"id": 7, name: secret}, ensure_ascii=False)
    outer = json.dumps({"topic": "users", "body": inner}, ensure_ascii=False)
    return {"messaging.body": outer}, _escaped(_escaped(secret))


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _percent(name: str, secret: str) -> Placed:
    written = "".join(f"%{byte:02X}" for byte in secret.encode())
    return {"ezlogs.metadata.raw": f"{quote(name)}%3D{written}"}, written


def _unicode_escapes(name: str, secret: str) -> Placed:
    written = "".join(f"\\u{ord(character):04x}" for character in secret)
    return {"ezlogs.metadata.raw": f'{{\\"{name}\\": \\"{written}\\"}}'}, written


def _base64(name: str, secret: str) -> Placed:
    written = b64encode(f"{name}={secret}".encode()).decode()
    return {"ezlogs.metadata.raw": f"got {written} back"}, written


def _trace(text: str) -> str:
    return f'Traceback (most recent call last):\n  File "app.py", line 7, in pay\n    charge(order)\n{text}\n'


#: Where a name says what the value is.
TELLING: dict[str, Callable[[str, str], Placed]] = {
    "telling_key": lambda name, secret: ({f"ezlogs.metadata.{name}": secret}, secret),
    "foreign_attribute": lambda name, secret: ({f"app.{name}": secret}, secret),
    "assignment": lambda name, secret: ({"exception.message": f'login failed: {name}="{secret}" attempt 2'}, secret),
    "json": _json,
    "json_in_json": _json_in_json,
    "url_query": lambda name, secret: (
        {"url.full": f"https://shop.test/a?page=2&{quote(name)}={quote(secret, safe='')}&x=1"},
        quote(secret, safe=""),
    ),
    "form": lambda name, secret: (
        {"http.request.body": f"a=1&{quote(name)}={quote_plus(secret)}&b=2"},
        quote_plus(secret),
    ),
    "sql": lambda name, secret: (
        {"db.query.text": f"UPDATE users SET {name.replace('-', '_')} = '{secret}' WHERE id = 7"},
        secret,
    ),
    "sql_insert": lambda name, secret: (
        {"db.statement": f"INSERT INTO users (id, {name.replace('-', '_')}) VALUES (7, '{secret}')"},
        secret,
    ),
    "xml": lambda name, secret: ({"log.body": f"<user><{name}>{escape(secret)}</{name}></user>"}, escape(secret)),
    "dataclass": lambda name, secret: (
        {"ezlogs.metadata.user": f"User(id=7, {name.replace('-', '_')}={secret!r})"},
        repr(secret)[1:-1],
    ),
    "exception": lambda name, secret: (
        {"exception.stacktrace": _trace(f"KeyError: {{{name!r}: {secret!r}}}")},
        repr(secret)[1:-1],
    ),
    "nested": lambda name, secret: ({"ezlogs.metadata.order": {"items": [{"id": 1}, {name: secret}]}}, secret),
    "pairs": lambda name, secret: ({"ezlogs.metadata.headers": [["accept", "*/*"], [name, secret]]}, secret),
    "name_value": lambda name, secret: ({"ezlogs.metadata.tags": [{"name": name, "value": secret}]}, secret),
    "percent": _percent,
    "unicode_escapes": _unicode_escapes,
    "base64": _base64,
    "telling_sentence": lambda name, secret: (
        {"ezlogs.metadata.note": f"Dear Ada, your {' '.join(words_in(name))} is {secret}"},
        secret,
    ),
    "command_line": lambda name, secret: (
        {"process.command_args": ["run", f"--{name.replace('_', '-')}", secret, "-v"]},
        secret,
    ),
}

#: Where only the form of the value can tell.
NAMELESS: dict[str, Callable[[str], Placed]] = {
    "neutral_key": lambda secret: ({"ezlogs.metadata.note": secret}, secret),
    "sentence": lambda secret: ({"ezlogs.metadata.note": f"The customer wrote {secret} into the form."}, secret),
    "span_attribute": lambda secret: ({"app.state": f"[{secret}]"}, secret),
    "message": lambda secret: ({"exception.message": f"cannot charge '{secret}': declined"}, secret),
    "neutral_list": lambda secret: ({"ezlogs.metadata.seen": ["a", secret, 3]}, secret),
    "name_of_item": lambda secret: ({"ezlogs.metadata.by": {secret: 1}}, secret),
    "log_line": lambda secret: ({"log.body": f"2026-01-05 12:00:01,123 INFO app.pay user={secret} status=ok"}, secret),
}

#: What is a whole header or line, and nothing else: its name ends with the line.
HEADER_KINDS = frozenset({"bearer", "basic", "token", "secret", "cookie", "jwt", "github", "openai"})
DSN_SCHEMES = ("postgres", "mysql+pymysql", "mongodb+srv", "redis", "amqp", "postgresql+psycopg")
AUTHORIZATION = {
    "digest": "Digest username=bob, realm=shop, response={secret}",
    "aws4": "AWS4-HMAC-SHA256 Credential=20260101/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature={secret}",
    "token_scheme": "Token {secret}",
    "api_key_scheme": "ApiKey {secret}",
    "negotiate": "Negotiate {secret}",
}
USERINFO_KINDS = frozenset({"password", "token", "github", "gitlab", "secret"})


def _kind(kind: Kind, random: Random) -> Iterator[Sample]:
    for placement, place in TELLING.items():
        name = random.choice(kind.names)
        spelled = snake(name) if placement in {"sql", "sql_insert", "dataclass", "xml"} else in_case(name, random)
        yield Sample(kind.name, placement, *place(spelled, kind.make(random)))
        if kind.by_form:
            neutral = snake(random.choice(NEUTRAL))
            yield Sample(kind.name, f"{placement}, neutral name", *place(neutral, kind.make(random)))
    if kind.by_form:
        for placement, place_nameless in NAMELESS.items():
            yield Sample(kind.name, placement, *place_nameless(kind.make(random)))
    if kind.name in HEADER_KINDS:
        secret, name = kind.make(random), "-".join(random.choice(kind.names).split()).title()
        lines = f"Host: a.test\r\n{name}: {secret}\r\nAccept: */*\r\n"
        yield Sample(kind.name, "header_line", {"log.body": lines}, secret)
    if kind.name in USERINFO_KINDS:
        secret = kind.make(random)
        url = f"https://bob:{secret}@git.test/x.git"
        yield Sample(kind.name, "url_userinfo", {"url.full": url}, secret)
        yield Sample(kind.name, "url_userinfo in a sentence", {"log.body": f"cloning {url} failed"}, secret)


def _dsns(random: Random) -> Iterator[Sample]:
    """Credentials of a database: the host may stay, the password may not."""
    for placement, place in NAMELESS.items():
        scheme, password = random.choice(DSN_SCHEMES), chars(random, string.ascii_letters + string.digits, 12)
        value, _ = place(f"{scheme}://bob:{password}@db.test:5432/shop")
        yield Sample("dsn", placement, value, password)


def _schemes(random: Random) -> Iterator[Sample]:
    """What the ``Authorization`` header holds under every scheme."""
    secret = chars(random, "0123456789abcdef", 32)
    for scheme, credentials in AUTHORIZATION.items():
        line = credentials.format(secret=secret)
        yield Sample(scheme, "header_line", {"log.body": f"Host: a.test\nAuthorization: {line}\nAccept: */*\n"}, secret)
        yield Sample(scheme, "telling_key", {"http.request.header.authorization": [line]}, secret)
        yield Sample(scheme, "dictionary", {"log.body": f"sent {{'Authorization': '{line}', 'Accept': '*/*'}}"}, secret)


def secrets(rounds: int = 2, seed: int = 7) -> Iterator[Sample]:
    """Yield the secrets: each kind in each place, some times, with another value and another spelling."""
    random = Random(seed)
    for _ in range(rounds):
        for kind in KINDS:
            yield from _kind(kind, random)
        yield from _dsns(random)
        yield from _schemes(random)
