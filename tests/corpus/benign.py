"""What is no secret and looks like one: the business values and the prose that telemetry is made of."""

from __future__ import annotations

import string
from base64 import b64encode
from collections.abc import Callable, Iterator
from random import Random
from uuid import UUID

from tests.corpus.kinds import card_number, chars
from tests.corpus.sample import Sample

_HEX = "0123456789abcdef"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def _ean(random: Random) -> str:
    digits = random.choice(("400", "501", "978")) + chars(random, string.digits, 9)
    odd, even = sum(map(int, digits[::2])), sum(map(int, digits[1::2]))
    return digits + str(-(odd + 3 * even) % 10)


def _isbn(random: Random) -> str:
    ean = _ean(random)
    return f"978-{ean[3]}-{ean[4:7]}-{ean[7:12]}-{random.randrange(10)}"


def _invoice(random: Random) -> str:
    """As long as a card number, and its checksum is wrong."""
    number = card_number(random)
    return number[:-1] + str((int(number[-1]) + random.randrange(1, 9)) % 10)


def _iso(random: Random) -> str:
    date = f"20{random.randrange(10, 39)}-{random.randrange(1, 13):02d}-{random.randrange(1, 29):02d}"
    time = f"{random.randrange(24):02d}:{random.randrange(60):02d}:{random.randrange(60):02d}"
    return date + random.choice(("", f"T{time}Z", f"T{time}.{random.randrange(10**6):06d}+02:00", f" {time}"))


def _tracking(random: Random) -> str:
    return random.choice(
        (
            "1Z" + chars(random, string.digits + string.ascii_uppercase, 16),
            "94001" + chars(random, string.digits, 17),
            f"RR{chars(random, string.digits, 9)}DE",
            "JJD" + chars(random, string.digits, 17),
        )
    )


def _coordinates(random: Random) -> str:
    return f"{random.uniform(-90, 90):.6f},{random.uniform(-180, 180):.6f}"


def _user_agent(random: Random) -> str:
    version = f"{random.randrange(80, 140)}.0.{random.randrange(7000)}.{random.randrange(200)}"
    return random.choice(
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            f"Chrome/{version} Safari/537.36",
            f"python-requests/2.{random.randrange(40)}.1",
            f"curl/8.{random.randrange(12)}.0",
            f"okhttp/4.{random.randrange(12)}.0 (Android 14)",
        )
    )


def _sql(random: Random) -> str:
    table, number = random.choice(("orders", "items", "users", "carts")), random.randrange(9999)
    return random.choice(
        (
            f"SELECT id, total FROM {table} WHERE id = {number} ORDER BY created_at LIMIT 20",
            f"UPDATE {table} SET state = 'shipped', version = {number} WHERE id = %s",
            f"INSERT INTO {table} (sku, quantity) VALUES ('AB-{number}', 3)",
            f"SELECT password_hash FROM {table} WHERE id = %(id)s",
            f"DELETE FROM {table} WHERE updated_at < '2024-01-01' AND id <> {number}",
        )
    )


_PROSE = (
    "the token bucket is empty, retry in {n} ms",
    "password reset mail number {n} was queued",
    "{n} tests pass, none fails",
    "primary key violated by {n} rows in orders",
    "session {n} expired after 30 minutes",
    "the author of post {n} was notified",
    "authentication took {n} ms",
    "parsed {n} tokens from the template",
    "compass heading {n}, passenger list loaded",
    "a passport photo of {n} kB was uploaded",
    "key rotation finished in {n} s",
    "no password was given {n} times",
    "secretary desk {n} booked",
    "keyboard layout {n} selected",
    "cookie banner shown {n} times",
    "bearer authentication is required, attempt {n}",
    "the pin board has {n} notes",
    "please enter your password to continue to step {n}",
    "invalid credentials, {n} attempts left",
    "monkey patched {n} modules",
    "expected token at line {n}, column 5",
    "signature verification took {n} ms",
    "the secret santa list has {n} names",
    "order {n} passed to the courier",
    "the card was declined for order {n}",
)

_LOCALES = ("de-DE,de;q=0.9,en;q=0.8", "en-US", "pt-BR,pt;q=0.7", "zh-Hans-CN", "fr-CH, fr;q=0.9", "*;q=0.5")
_PATHS = ("/srv/app/auth/tokens.py", "C:\\Users\\Public\\keys.txt", "/etc/ssl/certs/ca.pem", "src/session/key_{n}.rs")
_RANGES = (">=1.{n},<2.0", "^{n}.2.0", "~={n}.1", "1.x || >=2.{n}.0", "!=3.{n}.1", "<={n}.0.0-rc.1")
_PLAIN = (
    "the quick brown fox jumps over {n} dogs",
    "order {n} was shipped to the shop in time",
    "hello world, {n} times",
)
_HOSTS = (
    "db-{n}.prod.svc.cluster.local",
    "ip-10-0-3-{n}.ec2.internal",
    "api{n}.shop.test",
    "cache-{n}.eu-west-1.internal",
)
_URLS = (
    "https://shop.test/orders/{n}?page=2&sort=price",
    "/api/v2/tokens/count?limit={n}",
    "https://shop.test/@ada/{n}",
)


def _of(templates: tuple[str, ...], greatest: int = 250) -> Callable[[Random], str]:
    return lambda random: random.choice(templates).format(n=random.randrange(1, greatest))


#: What it is, and what it is usually called.
BENIGN: dict[str, tuple[Callable[[Random], str], str]] = {
    "order_number": (lambda r: f"{r.choice(('', 'ORD-', 'SO', '#'))}{r.randrange(10**7, 10**10)}", "order_number"),
    "sku": (lambda r: f"{chars(r, string.ascii_uppercase, 3)}-{r.randrange(10**4)}-{r.choice('SMLX')}", "sku"),
    "ean": (_ean, "ean"),
    "isbn": (_isbn, "isbn"),
    "price": (lambda r: f"{r.choice(('EUR ', '$', ''))}{r.randrange(10**5):,}.{r.randrange(100):02d}", "price"),
    "uuid": (lambda r: str(UUID(int=r.getrandbits(128), version=4)), "cart_id"),
    "ulid": (lambda r: "01" + chars(r, _CROCKFORD, 24), "event_id"),
    "sha1": (lambda r: chars(r, _HEX, 40), "checksum"),
    "sha256": (lambda r: "sha256:" + chars(r, _HEX, 64), "digest"),
    "git_id": (lambda r: chars(r, _HEX, r.choice((7, 12, 40))), "commit"),
    "trace_id": (lambda r: f"00-{chars(r, _HEX, 32)}-{chars(r, _HEX, 16)}-01", "traceparent"),
    "version": (lambda r: f"v{r.randrange(20)}.{r.randrange(40)}.{r.randrange(90)}", "app_version"),
    "build": (lambda r: f"version {r.randrange(1, 20)}.{r.randrange(9)}.{r.randrange(99)}.{r.randrange(99)}", "build"),
    "timestamp": (_iso, "created_at"),
    "epoch": (lambda r: str(r.randrange(10**12, 2 * 10**12)), "updated_ms"),
    "epoch_ns": (lambda r: str(r.randrange(10**18, 2 * 10**18)), "start_ns"),
    "tracking": (_tracking, "tracking_number"),
    "coordinates": (_coordinates, "position"),
    "mac": (lambda r: ":".join(chars(r, _HEX, 2) for _ in range(6)), "device"),
    "path": (_of(_PATHS), "file"),
    "user_agent": (_user_agent, "user_agent"),
    "sql": (_sql, "db.query.text"),
    "prose": (_of(_PROSE, 9999), "message"),
    "colour": (lambda r: "#" + chars(r, _HEX, r.choice((3, 6, 8))), "colour"),
    "host": (_of(_HOSTS), "host"),
    "kubernetes": (
        lambda r: f"shop-api-{chars(r, 'bcdfghjklmnpqrstvwxz2456789', 10)}-{chars(r, 'bcdfg2456', 5)}",
        "pod",
    ),
    "range": (_of(_RANGES, 9), "requires"),
    "locale": (_of(_LOCALES), "language"),
    "base64_text": (lambda r: b64encode(_of(_PLAIN, 999)(r).encode()).decode(), "blob"),
    "invoice": (_invoice, "invoice_number"),
    "private_ip": (lambda r: f"10.{r.randrange(255)}.{r.randrange(255)}.{r.randrange(1, 255)}:8080", "peer"),
    "url": (_of(_URLS, 9999), "url.full"),
    "duration": (lambda r: f"P{r.randrange(9)}DT{r.randrange(24)}H", "ttl"),
    "iban_like": (
        lambda r: f"DE{r.randrange(10, 99)}-{chars(r, string.ascii_uppercase, 4)}-{r.randrange(999)}",
        "batch",
    ),
    "mention": (lambda r: f"thanks @ada{r.randrange(99)} and lib@{r.randrange(9)}.1.0", "comment"),
    "ratio": (lambda r: f"0.{chars(r, string.digits, 16)}", "ratio"),
}

#: Names with a word that is elsewhere a secret, and values that are none.
NAMES: dict[str, object] = {
    "token_count": 17, "max_tokens": 4096, "has_password": True, "password_changed_at": "2026-01-02", "primary_key": 42,
    "author": "Ada", "keyboard": "de", "session_count": 3, "cookie_banner": "shown", "passenger": "Grace",
    "secretary": "Joan", "compass": "north", "sort_key": "price", "partition_key": "eu-1", "auth_method": "oidc",
    "card_type": "visa", "card_brand": "mastercard", "pinned": True, "pineapple": 2, "ssn_required": False,
    "token_type": "refresh", "password_policy": "strong", "monkey": "see", "shipping": "express", "keynote": "opening",
    "email_verified": True, "phone_verified": False, "signature_valid": True, "bypass": "no", "passes": 4,
    "secret_version": 3, "api_key_id": 9, "otp_enabled": True, "page_token_size": 5, "tokenizer": "bpe",
    "cardinality": 88,
}  # fmt: skip


def benign(rounds: int = 8, seed: int = 11) -> Iterator[Sample]:
    """Yield the look-alikes, each under its own name, in a sentence, in JSON and in a list."""
    random = Random(seed)
    for _ in range(rounds):
        for kind, (make, name) in BENIGN.items():
            key = name if "." in name else f"ezlogs.metadata.{name}"
            yield Sample(kind, "own_name", {key: make(random)})
            yield Sample(kind, "sentence", {"log.body": f"handled {make(random)} in time"})
            yield Sample(kind, "nested", {"ezlogs.metadata.order": {"lines": [{name: make(random)}, make(random)]}})
            text = make(random).replace("\\", "/").replace('"', "'")
            yield Sample(kind, "json", {"ezlogs.metadata.raw": f'{{"id": 7, "{name}": "{text}"}}'})
    for name, value in NAMES.items():
        yield Sample("name", "own_name", {f"ezlogs.metadata.{name}": value})
        yield Sample("name", "nested", {"ezlogs.metadata.order": {"state": [{name: value}]}})
        yield Sample("name", "log_line", {"log.body": f"2026-01-05 INFO {name}={value} status=ok"})
