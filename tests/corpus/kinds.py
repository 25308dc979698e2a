"""The kinds of secrets: how to make one, and what its value is called."""

from __future__ import annotations

import string
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

_ALPHANUMERIC = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"

#: Prefixes and lengths of payment cards.
_ISSUED = tuple(
    (prefix, length)
    for length, prefixes in ((16, "4 51 5412 2221 2720 6011 3530 6212"), (15, "34 37"), (14, "36"), (19, "4"))
    for prefix in prefixes.split()
)
#: Countries and the form of the account numbers in their IBANs: A for a letter, 0 for a digit.
_ACCOUNTS = tuple(
    (country, "A" * letters + "0" * digits)
    for country, letters, digits in (
        *(("DE", 0, 18), ("GB", 4, 14), ("FR", 0, 23), ("NL", 4, 10), ("ES", 0, 20)),
        *(("NO", 0, 11), ("CH", 0, 17), ("PL", 0, 24), ("IT", 1, 22)),
    )
)


@dataclass(frozen=True)
class Kind:
    """A kind of secret.

    Args:
        name: what it is called in the corpus.
        make: makes one.
        names: what such a value is called, as words.
        by_form: whether it is recognised whatever it is called.
    """

    name: str
    make: Callable[[Random], str]
    names: tuple[str, ...]
    by_form: bool = False


def chars(random: Random, alphabet: str, count: int) -> str:
    """Some characters of an alphabet."""
    return "".join(random.choices(alphabet, k=count))


def luhn_digit(digits: str) -> str:
    """The digit that makes digits pass ISO/IEC 7812's checksum."""
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits))]
    return str(-sum(sum(divmod(digit, 10)) for digit in doubled) % 10)


def card_number(random: Random) -> str:
    """A payment card of an issuer's range and length."""
    prefix, length = random.choice(_ISSUED)
    digits = prefix + chars(random, string.digits, length - len(prefix) - 1)
    return digits + luhn_digit(digits)


def _card(random: Random) -> str:
    digits = card_number(random)
    sizes = {15: (4, 6, 5), 14: (4, 6, 4), 16: (4, 4, 4, 4), 19: (4, 4, 4, 4, 3)}[len(digits)]
    separator, groups, start = random.choice(("", "", " ", "-")), [], 0
    for size in sizes:
        groups.append(digits[start : start + size])
        start += size
    return separator.join(groups)


def _iban(random: Random) -> str:
    country, form = random.choice(_ACCOUNTS)
    account = "".join(random.choice(string.digits if place == "0" else string.ascii_uppercase) for place in form)
    number = int("".join(str(int(character, 36)) for character in account + country + "00"))
    iban = f"{country}{98 - number % 97:02d}{account}"
    return iban if random.random() < 0.5 else " ".join(iban[start : start + 4] for start in range(0, len(iban), 4))


def _email(random: Random) -> str:
    local = random.choice(("ada", "grace.hopper", "j_smith", "o.brien-x", "müller", "m")) + str(random.randrange(999))
    tag = random.choice(("", "", "+shop", "+news.2"))
    return f"{local}{tag}@{random.choice(('example.com', 'mail.example.co.uk', 'exämple.de', 'sub.example.museum'))}"


def _international_phone(random: Random) -> str:
    country, groups = random.choice((("44", (2, 4, 4)), ("49", (3, 8)), ("1", (3, 3, 4)), ("33", (1, 2, 2, 2, 2))))
    separator = random.choice(("", " ", "-"))
    numbers = [str(random.randrange(10 ** (size - 1), 10**size)) for size in groups]
    return f"+{country}{separator}{separator.join(numbers)}"


def _national_phone(random: Random) -> str:
    return random.choice(("020 7946 0", "030/123 4", "01 42 68 5", "0171-555 ")) + chars(random, string.digits, 3)


def _ssn(random: Random) -> str:
    return f"{random.randrange(100, 665)}-{random.randrange(1, 99):02d}-{random.randrange(1, 9999):04d}"


def _ip(random: Random) -> str:
    if random.random() < 0.3:
        return "2001:db8:" + ":".join(f"{random.randrange(4096, 65536):x}" for _ in range(6))
    return f"203.0.113.{random.randrange(10, 250)}"


def _jwt(random: Random) -> str:
    header = urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    body = urlsafe_b64encode(f'{{"sub":"{random.randrange(10**9)}"}}'.encode()).decode().rstrip("=")
    return f"{header}.{body}.{chars(random, _ALPHANUMERIC + '-_', 43)}"


def _pem(random: Random) -> str:
    title = random.choice(("", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ")) + "PRIVATE KEY"
    lines = "\n".join(chars(random, _ALPHANUMERIC + "+/", 64) for _ in range(3))
    return f"-----BEGIN {title}-----\n{lines}\n-----END {title}-----"


def _vendor(prefix: str, alphabet: str, count: int) -> Callable[[Random], str]:
    return lambda random: prefix + chars(random, alphabet, count)


def _sendgrid(random: Random) -> str:
    return ".".join(("S" + "G", chars(random, _ALPHANUMERIC, 22), chars(random, _ALPHANUMERIC, 43)))


def _basic(random: Random) -> str:
    return "Basic " + b64encode(f"bob:{chars(random, _ALPHANUMERIC, 12)}".encode()).decode()


def _password(random: Random) -> str:
    return random.choice(("hunter", "Tr0ub4dor", "sommer", "qwertz", "S3cr", "zxcvb")) + chars(random, _ALPHANUMERIC, 5)


def _token(random: Random) -> str:
    return chars(random, _ALPHANUMERIC, 32)


def _aadhaar(random: Random) -> str:
    return f"{random.randrange(2000, 9999)} {random.randrange(1000, 9999)} {random.randrange(1000, 9999)}"


def _nino(random: Random) -> str:
    return f"AB {random.randrange(10, 99)} {random.randrange(10, 99)} {random.randrange(10, 99)} C"


def _birth(random: Random) -> str:
    return f"19{random.randrange(40, 99)}-{random.randrange(1, 12):02d}-{random.randrange(1, 28):02d}"


KINDS = (
    Kind("card", _card, ("card number", "pan", "credit card"), by_form=True),
    Kind("iban", _iban, ("iban", "bank account"), by_form=True),
    Kind("email", _email, ("email", "contact address"), by_form=True),
    Kind("phone", _international_phone, ("phone number", "mobile number"), by_form=True),
    Kind("ssn", _ssn, ("ssn", "social security number"), by_form=True),
    Kind("ip", _ip, ("client ip", "remote addr"), by_form=True),
    Kind("jwt", _jwt, ("id token", "jwt"), by_form=True),
    Kind("pem", _pem, ("private key", "signing key"), by_form=True),
    Kind("bearer", lambda random: "Bearer " + _token(random), ("authorization", "auth header"), by_form=True),
    Kind("basic", _basic, ("authorization", "proxy authorization"), by_form=True),
    Kind("aws_id", _vendor("AK" + "IA", string.ascii_uppercase + "234567", 16), ("access key",), by_form=True),
    Kind("gcp", _vendor("AI" + "za", _ALPHANUMERIC + "-_", 35), ("api key",), by_form=True),
    Kind("github", _vendor("gh" + "p_", _ALPHANUMERIC, 36), ("access token",), by_form=True),
    Kind("github_pat", _vendor("github" + "_pat_", _ALPHANUMERIC, 60), ("access token",), by_form=True),
    Kind("gitlab", _vendor("gl" + "pat-", _ALPHANUMERIC, 20), ("access token",), by_form=True),
    Kind("slack", _vendor("xo" + "xb-", string.digits, 12), ("bot token",), by_form=True),
    Kind("stripe", _vendor("sk" + "_live_", _ALPHANUMERIC, 24), ("secret key",), by_form=True),
    Kind("openai", _vendor("sk" + "-proj-", _ALPHANUMERIC, 48), ("api key",), by_form=True),
    Kind("anthropic", _vendor("sk" + "-ant-api03-", _ALPHANUMERIC, 80), ("api key",), by_form=True),
    Kind("sendgrid", _sendgrid, ("api key",), by_form=True),
    Kind("npm", _vendor("np" + "m_", _ALPHANUMERIC, 36), ("auth token",), by_form=True),
    *(
        Kind(name, _vendor("".join(prefix), alphabet, count), ("access token", "api key"), by_form=True)
        for name, prefix, alphabet, count in (
            ("docker", ("dckr", "_pat_"), _ALPHANUMERIC, 28),
            ("groq", ("gs", "k_"), _ALPHANUMERIC, 52),
            ("replicate", ("r", "8_"), _ALPHANUMERIC, 37),
            ("xai", ("xa", "i-"), _ALPHANUMERIC, 80),
            ("figma", ("fi", "gd_"), _ALPHANUMERIC, 40),
            ("facebook", ("EA", "AC"), _ALPHANUMERIC, 120),
            ("google_refresh", ("1/", "/0g"), _ALPHANUMERIC, 60),
            ("huggingface", ("h", "f_"), _ALPHANUMERIC, 34),
            ("digitalocean", ("dop", "_v1_"), _HEX, 64),
            ("shopify", ("shp", "at_"), _HEX, 32),
            ("supabase", ("sb", "p_"), _HEX, 40),
            ("tailscale", ("tskey", "-auth-"), _ALPHANUMERIC, 32),
            ("linear", ("lin", "_api_"), _ALPHANUMERIC, 40),
            ("stripe_hook", ("wh", "sec_"), _ALPHANUMERIC, 32),
            ("bcrypt", ("$2", "b$12$"), _ALPHANUMERIC + "./", 53),
        )
    ),
    Kind("password", _password, ("password", "user password", "pwd", "passwd", "db pass", "passwort", "passphrase")),
    Kind("token", _token, ("token", "refresh token", "csrf token", "api token", "x auth token", "reset token")),
    Kind(
        "secret", _token, ("client secret", "api key", "x api key", "webhook secret", "encryption key", "credentials")
    ),
    Kind("aws_secret", _vendor("", _ALPHANUMERIC + "+/", 40), ("aws secret access key", "secret access key")),
    Kind("azure_key", lambda r: chars(r, _ALPHANUMERIC + "+/", 86) + "==", ("account key", "storage key")),
    Kind("cookie", lambda r: chars(r, _HEX, 32), ("session cookie", "jsessionid", "phpsessid", "sessionid")),
    Kind("otp", lambda r: chars(r, string.digits, 6), ("otp", "verification code", "totp", "one time code", "pin")),
    Kind("cvv", lambda r: chars(r, "123456789", 4), ("cvv", "cvc", "card cvv", "security code")),
    Kind("national_phone", _national_phone, ("phone", "mobile number", "customer phone", "telephone")),
    Kind("national_id", _aadhaar, ("national id", "tax id", "passport number")),
    Kind("national_insurance", _nino, ("national insurance number",)),
    Kind("birth_date", _birth, ("date of birth", "dob", "birth date")),
)
