"""Values that are sensitive whatever they are called: recognised by their form, checked where they can be."""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import unquote

import msgspec

from ezlogs.privacy.addresses import IP
from ezlogs.privacy.checksums import SSN, find_cards, find_ibans
from ezlogs.privacy.expressions import expression
from ezlogs.privacy.rule import REDACTED, Clue, Finder, Pattern, Rule, Span

_EIGHT_DIGITS: Final = b"0" * 8

_AT_DOMAIN = expression(
    r"[@\uff20](?:(?:[^\W_](?:[\w-]{0,62}[^\W_])?[.\u3002\uff0e\uff61]){1,8}[^\W\d_][\w-]{1,62}|\[[0-9A-Fa-f:.]{3,45}\])"
)
_LOCAL_PART_REVERSED = expression(r'"[^"\n]{1,64}"|[\w.+\-~!#$^*%\u00ad\u200b-\u200d]{1,64}')
#: https://token@host: the host of a URL, which is no address's domain.
_USERINFO_REVERSED = expression(r"""[^\s/?#"'<>]{1,256}//:""")


def _find_emails(text: str) -> Iterator[Span]:
    # From each @ outwards, the part before it read backwards: no start has to be tried twice.
    for match in _AT_DOMAIN.finditer(text):
        at = match.start()
        before = text[max(at - 300, 0) : at][::-1]
        local = _LOCAL_PART_REVERSED.match(before)
        if local is not None and not _USERINFO_REVERSED.match(before):
            yield at - local.end(), match.end()


def _is_token(found: str) -> bool:
    """A bearer token, not the next word of a sentence ("bearer authentication is required")."""
    token = found.split(None, 1)[1]
    return len(token) >= 24 or not token.isalpha() or not (token.islower() or token.istitle())


def _is_basic_credential(found: str) -> bool:
    decoded = _base64_text(found.split(None, 1)[1])
    return decoded is not None and ":" in decoded


def _secret_of(vendor: str, clues: tuple[Clue, ...], pattern: str) -> Pattern:
    return Pattern(f"{vendor}_key", clues, expression(rf"(?<![A-Za-z0-9])(?:{pattern})"))


EMAIL: Final = Finder("email", ("@", "\uff20"), _find_emails)
CARD: Final = Finder("card", (b"0" * 14,), find_cards)
IBAN: Final = Finder("iban", (b"00",), find_ibans)
SSN_RULE: Final = Pattern("ssn", (b"0" * 9,), SSN)

INTERNATIONAL_PHONE: Final = Pattern(
    "phone",
    (_EIGHT_DIGITS,),
    expression(r"(?<![\w+])\+[1-9](?:[ \u00a0\-./()]{0,2}\d){7,14}(?!\d)"),
)
NORTH_AMERICAN_PHONE: Final = Pattern(
    "phone",
    (_EIGHT_DIGITS,),
    expression(r"(?<![\w.\-])(?:\([2-9]\d\d\) ?|[2-9]\d\d([-. ]))[2-9]\d\d(?(1)\1|[-. ])\d{4}(?![\w-]|\.\d)"),
)

JWT: Final = Pattern(
    "jwt",
    ("eyJ",),
    expression(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{11,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){0,3}"),
)
PRIVATE_KEY: Final = Pattern(
    "private_key",
    ("PRIVATE KEY",),
    expression(r"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,48}-----|\Z)", re.S),
)
BEARER: Final = Pattern("bearer", (b"bearer",), expression(r"(?i:\bbearer)\s{1,8}[A-Za-z0-9._~+/-]{8,}=*"), _is_token)
BASIC: Final = Pattern(
    "basic_auth", (b"basic",), expression(r"(?i:\bbasic)\s{1,8}[A-Za-z0-9+/_-]{4,}=*"), _is_basic_credential
)
# A password may hold slashes and at signs that nobody escaped, so everything up to the last @ goes; what
# follows a port is a path, and an @ in it is none of ours.
URL_USERINFO: Final = Pattern(
    "url_credentials",
    ("://",),
    expression(r"""(?<=://)(?:[^\s/?#:@"'<>]{0,64}:(?!\d{1,5}[/?#])[^\s"'<>]{1,256}|[^\s/?#"'<>]{1,256})(?=@)"""),
    lambda userinfo: userinfo != REDACTED,
)

VENDOR_KEYS: Final = (
    _secret_of("aws", ("AKIA", "ASIA"), r"A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _secret_of("github", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{20,}"),
    _secret_of("github", ("github_pat_",), r"github_pat_\w{22,}"),
    _secret_of("gitlab", ("gl",), r"gl(?:pat|dt|rt|ptt|cbt|agent|oas|soat|imt|ft)-[\w-]{20,}"),
    _secret_of("slack", ("xox", "xapp-"), r"(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w-]{10,}"),
    _secret_of("slack", ("hooks.slack.com/",), r"hooks\.slack\.com/[a-z]{1,16}/[A-Za-z0-9/]{20,}"),
    _secret_of("stripe", ("_live_", "_test_"), r"[rs]k_(?:live|test)_[A-Za-z0-9]{10,}"),
    _secret_of("stripe", ("whsec_",), r"whsec_[A-Za-z0-9+/=]{16,}"),
    _secret_of("google", ("AIza", "ya29.", "GOCSPX-"), r"(?:AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,})"),
    _secret_of("openai", ("sk-",), r"sk-[A-Za-z0-9_-]{20,}"),  # and Anthropic's
    _secret_of("azure", ("AccountKey=", "SharedAccessKey="), r"(?:Account|SharedAccess)Key=[A-Za-z0-9+/]{40,}={0,2}"),
    _secret_of("azure", ("Q~",), r"[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31,34}"),
    _secret_of("sendgrid", ("SG.",), r"SG\.[\w-]{16,}\.[\w-]{16,}"),
    _secret_of("twilio", ("SK",), r"SK[0-9a-f]{32}(?![A-Za-z0-9])"),
    _secret_of("npm", ("npm_",), r"npm_[A-Za-z0-9]{36}"),
    _secret_of("pypi", ("pypi-",), r"pypi-AgE[\w-]{50,}"),
    _secret_of("digitalocean", ("_v1_",), r"do[opr]_v1_[0-9a-f]{64}"),
    _secret_of("shopify", ("shp",), r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    _secret_of("huggingface", ("hf_",), r"hf_[A-Za-z]{30,}"),
    _secret_of("vault", ("hvs.", "hvb.", "hvr."), r"hv[sbr]\.[\w-]{24,}"),
    _secret_of("grafana", ("glsa_", "glc_"), r"(?:glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}|glc_[A-Za-z0-9+/]{32,}={0,2})"),
    _secret_of("newrelic", ("NRAK-",), r"NRAK-[A-Z0-9]{27}"),
    _secret_of("sentry", ("sntrys_", "sntryu_"), r"sntry[su]_[A-Za-z0-9+/=_]{32,}"),
    _secret_of("telegram", (":AA",), r"\d{8,10}:AA[\w-]{33}(?![\w-])"),
    _secret_of("databricks", ("dapi",), r"dapi[0-9a-f]{32}(?![A-Za-z0-9])"),
    _secret_of("atlassian", ("ATATT3",), r"ATATT3[\w=-]{60,}"),
    _secret_of("linear", ("lin_api_",), r"lin_api_[A-Za-z0-9]{40}"),
    _secret_of("doppler", ("dp.",), r"dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{40,}"),
    _secret_of("age", ("AGE-SECRET-KEY-1",), r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _secret_of("square", ("sq0",), r"sq0(?:atp|csp|idp)-[\w-]{22,43}"),
    _secret_of("mailgun", ("key-",), r"key-[0-9a-f]{32}(?![A-Za-z0-9])"),
    _secret_of("discord", ("/webhooks/",), r"discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,}"),
)


class Encoded(msgspec.Struct, frozen=True):
    """Looks into what is written in an encoding: a finding inside makes the whole token one.

    Args:
        name: what is recorded.
        clues: see :attr:`ezlogs.privacy.rule.Rule.clues`.
        tokens: one encoded token a match; linear.
        decode: the text behind a token, or ``None`` where it is not encoded after all.
        rules: what is looked for in the decoded text.
    """

    name: str
    clues: tuple[Clue, ...]
    tokens: re.Pattern[str]
    decode: Callable[[str], str | None]
    rules: tuple[Rule, ...]

    def find(self, text: str) -> Iterator[Span]:
        """See :meth:`ezlogs.privacy.rule.Rule.find`."""
        for match in self.tokens.finditer(text):
            decoded = self.decode(match[0])
            if decoded is not None and any(True for rule in self.rules for _ in rule.find(decoded)):
                yield match.span()


def encodings_of(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Rules that find the same under percent signs, ``\\u`` escapes and base64."""
    return (
        Encoded("escaped", ("%", "\\u", "\\x"), _ESCAPED_WORD, _unescaped, rules),
        Encoded("base64", (), _BASE64, _base64_text, rules),
    )


_ESCAPE = expression(r"\\{1,4}(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2}))")
_IN_WORD = r"""[^\s"'<>&=?;,/]"""
_ANY_ESCAPE = r"(?:%[0-9A-Fa-f]{2}|\\[ux][0-9A-Fa-f]{2})"
_ESCAPED_WORD = expression(rf"(?<!{_IN_WORD})(?:(?!{_ANY_ESCAPE}){_IN_WORD})*{_ANY_ESCAPE}{_IN_WORD}*")
_BASE64 = expression(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{20,}")


def _unescaped(token: str) -> str | None:
    plain = _ESCAPE.sub(lambda escape: chr(int(escape[1] or escape[2], 16)), token)
    for _ in range(3):  # what was escaped twice, by a proxy or by a log of a log
        plain = unquote(plain)
    return plain if plain != token else None


def _base64_text(token: str) -> str | None:
    token = token.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        text = a2b_base64(token + "=" * (-len(token) % 4)).decode()
    except (Base64Error, UnicodeDecodeError):
        return None
    return text


DEFAULT_RULES: Final[tuple[Rule, ...]] = (
    EMAIL,
    CARD,
    IBAN,
    SSN_RULE,
    INTERNATIONAL_PHONE,
    NORTH_AMERICAN_PHONE,
    JWT,
    PRIVATE_KEY,
    BEARER,
    BASIC,
    URL_USERINFO,
    IP,
    *VENDOR_KEYS,
)
"""Every value rule. Names and addresses in free text are not among them."""
