"""Keys whose vendors gave them a form of their own, so that they are known in any text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ezlogs.privacy.expressions import expression
from ezlogs.privacy.rule import Clue, Finder, Pattern, Rule, Span

_AWS_SECRET = expression(r"(?<![A-Za-z0-9+/=_.-])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=_-])")
#: What stands before an AWS secret key: forty characters alone could be anything.
_OF_AWS = expression(r"(?i:aws|secret|access.?key)|A[KS]IA[A-Z0-9]{16}")
_LOOKED_BACK: Final = 64


def _secret_of(
    vendor: str, clues: tuple[Clue, ...], pattern: str, check: Callable[[str], bool] | None = None
) -> Pattern:
    return Pattern(f"{vendor}_key", clues, expression(rf"(?<![A-Za-z0-9])(?:{pattern})"), check)


def _is_no_phrase(key: str) -> bool:
    """Not sk-fading-circle-animation, which is a class in a style sheet."""
    return not key.islower() or any(character.isdigit() for character in key)


def _find_aws_secrets(text: str) -> Iterator[Span]:
    for match in _AWS_SECRET.finditer(text):
        start, secret = match.start(), match[0]
        mixed = not secret.islower() and not secret.isupper() and any(map(str.isdigit, secret))
        if mixed and _OF_AWS.search(text, max(start - _LOOKED_BACK, 0), start):
            yield match.span()


VENDOR_KEYS: Final[tuple[Rule, ...]] = (
    _secret_of("aws", ("AKIA", "ASIA"), r"A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _secret_of("aws", ("FwoGZXIvYXdz", "IQoJb3JpZ2lu"), r"(?:FwoGZXIvYXdz|IQoJb3JpZ2lu)[A-Za-z0-9+/]{40,}={0,2}"),
    Finder("aws_key", (b"aws", b"secret", b"access", "AKIA", "ASIA"), _find_aws_secrets),
    _secret_of("github", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{20,}"),
    _secret_of("github", ("github_pat_",), r"github_pat_\w{22,}"),
    _secret_of("gitlab", ("gl",), r"gl(?:pat|dt|rt|ptt|cbt|agent|oas|soat|imt|ft)-[\w-]{20,}"),
    _secret_of("slack", ("xox", "xapp-"), r"(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w-]{10,}"),
    _secret_of("slack", ("hooks.slack.com/",), r"hooks\.slack\.com/[a-z]{1,16}/[A-Za-z0-9/]{20,}"),
    _secret_of("stripe", ("_live_", "_test_"), r"[rs]k_(?:live|test)_[A-Za-z0-9]{10,}"),
    _secret_of("stripe", ("whsec_",), r"whsec_[A-Za-z0-9+/=]{16,}"),
    _secret_of("google", ("AIza", "ya29.", "GOCSPX-"), r"(?:AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,})"),
    _secret_of("openai", ("sk-",), r"sk-(?!ant-)[A-Za-z0-9_-]{20,}", _is_no_phrase),
    _secret_of("anthropic", ("sk-",), r"sk-ant-[A-Za-z0-9_-]{20,}", _is_no_phrase),
    _secret_of("azure", ("AccountKey=", "SharedAccessKey="), r"(?:Account|SharedAccess)Key=[A-Za-z0-9+/]{40,}={0,2}"),
    _secret_of("azure", ("Q~",), r"[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31,34}"),
    _secret_of("sendgrid", ("SG.",), r"SG\.[\w-]{16,}\.[\w-]{16,}"),
    _secret_of("twilio", ("SK",), r"SK[0-9a-f]{32}(?![A-Za-z0-9])"),
    _secret_of("npm", ("npm_",), r"npm_[A-Za-z0-9]{36}"),
    _secret_of("pypi", ("pypi-",), r"pypi-AgE[\w-]{50,}"),
    _secret_of("digitalocean", ("_v1_",), r"do[opr]_v1_[0-9a-f]{64}"),
    _secret_of("shopify", ("shp",), r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    _secret_of("huggingface", ("hf_",), r"hf_[A-Za-z0-9]{30,}"),
    _secret_of("vault", ("hvs.", "hvb.", "hvr."), r"hv[sbr]\.[\w-]{24,}"),
    _secret_of("grafana", ("glsa_", "glc_"), r"(?:glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}|glc_[A-Za-z0-9+/]{32,}={0,2})"),
    _secret_of("newrelic", ("NRAK-",), r"NRAK-[A-Z0-9]{27}"),
    _secret_of("sentry", ("sntrys_", "sntryu_"), r"sntry[su]_[A-Za-z0-9+/=_]{32,}"),
    # Before it there may be "bot", as in the paths of Telegram's API.
    Pattern("telegram_key", (":AA",), expression(r"(?<!\d)\d{8,10}:AA[\w-]{33}(?![\w-])")),
    _secret_of("databricks", ("dapi",), r"dapi[0-9a-f]{32}(?![A-Za-z0-9])"),
    _secret_of("atlassian", ("ATATT3",), r"ATATT3[\w=-]{60,}"),
    _secret_of("notion", ("ntn_", "secret_"), r"(?:ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{43}(?![A-Za-z0-9]))"),
    _secret_of("linear", ("lin_api_",), r"lin_api_[A-Za-z0-9]{40}"),
    _secret_of("doppler", ("dp.",), r"dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{40,}"),
    _secret_of("planetscale", ("pscale_",), r"pscale_(?:tkn|oauth|pw)_[\w.=-]{32,}"),
    _secret_of("age", ("AGE-SECRET-KEY-1",), r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _secret_of("square", ("sq0", "EAAA"), r"(?:sq0(?:atp|csp|idp)-[\w-]{22,43}|EAAA[\w-]{60}(?![\w-]))"),
    _secret_of("mailgun", ("key-",), r"key-[0-9a-f]{32}(?![A-Za-z0-9])"),
    _secret_of("discord", ("/webhooks/",), r"discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,}"),
)
