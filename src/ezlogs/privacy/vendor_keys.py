"""Keys whose vendors gave them a form of their own, and hashes of passwords, which are known in any text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ezlogs.expressions import expression
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


#: What is kept of a password so that it can be checked: as secret as the password, to who has a dictionary.
PASSWORD_HASH: Final = Pattern(
    "password_hash",
    ("$2a$", "$2b$", "$2y$", "$argon2", "pbkdf2", "$1$", "$5$", "$6$", "$y$", "scrypt", "bcrypt", "{ssha", "{sha}"),
    expression(
        r"(?<![\w$])(?:bcrypt(?:_sha256)?\$)?(?:\$2[abxy]\$\d\d\$[./A-Za-z0-9]{50,53}"
        r"|(?:argon2)?\$argon2(?:id|[id])\$[\w$=,+/.-]{20,512}"
        r"|\$?pbkdf2[:_-][\w-]{2,16}(?::\w{2,16})?[$:][\w.+/$=-]{16,512}"
        r"|\$[156y]\$(?:rounds=\d{1,9}\$)?[./A-Za-z0-9$]{8,128}"
        r"|scrypt[:$]\d{1,9}[:$][\w.+/$:=-]{20,512}|\{S?SHA\d{0,3}\}[A-Za-z0-9+/]{20,128}={0,2})"
    ),
)


def _find_aws_secrets(text: str) -> Iterator[Span]:
    for match in _AWS_SECRET.finditer(text):
        start, secret = match.start(), match[0]
        mixed = not secret.islower() and not secret.isupper() and any(map(str.isdigit, secret))
        if mixed and _OF_AWS.search(text, max(start - _LOOKED_BACK, 0), start):
            yield match.span()


VENDOR_KEYS: Final[tuple[Rule, ...]] = (
    PASSWORD_HASH,
    _secret_of("aws", ("AKIA", "ASIA"), r"A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _secret_of("aws", ("FwoGZXIvYXdz", "IQoJb3JpZ2lu"), r"(?:FwoGZXIvYXdz|IQoJb3JpZ2lu)[A-Za-z0-9+/]{40,}={0,2}"),
    Finder("aws_key", ("aws", "secret", "access", "AKIA", "ASIA"), _find_aws_secrets),
    _secret_of("github", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{20,}"),
    _secret_of("github", ("github_pat_",), r"github_pat_\w{22,}"),
    _secret_of(
        "gitlab",
        ("glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glagent-", "gloas-", "glsoat-", "glimt-", "glft-"),
        r"gl(?:pat|dt|rt|ptt|cbt|agent|oas|soat|imt|ft)-[\w-]{20,}",
    ),
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
    _secret_of("facebook", ("EAA",), r"EAA[A-Za-z0-9]{80,}"),
    _secret_of("docker", ("dckr_",), r"dckr_(?:pat|oat)_[\w-]{24,}"),
    _secret_of("google", ("1//0",), r"1//0[\w-]{40,}"),
    _secret_of("groq", ("gsk_",), r"gsk_[A-Za-z0-9]{40,}"),
    _secret_of("replicate", ("r8_",), r"r8_[A-Za-z0-9]{37,}"),
    _secret_of("xai", ("xai-",), r"xai-[A-Za-z0-9]{60,}"),
    _secret_of("perplexity", ("pplx-",), r"pplx-[A-Za-z0-9]{40,}"),
    _secret_of("figma", ("figd_",), r"figd_[\w-]{38,}"),
    _secret_of("rubygems", ("rubygems_",), r"rubygems_[0-9a-f]{48}"),
    _secret_of("postman", ("PMAK-",), r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    _secret_of("supabase", ("sbp_", "sb_secret_"), r"(?:sbp_[0-9a-f]{40}|sb_secret_[\w-]{20,})"),
    _secret_of("tailscale", ("tskey-",), r"tskey-[a-z]{2,12}-[\w-]{20,}"),
    _secret_of("fly", ("FlyV1", "fo1_"), r"(?:FlyV1 fm[12]\w?_[\w+/=,-]{40,}|fo1_[\w-]{40,})"),
    _secret_of("nuget", ("oy2",), r"oy2[a-z0-9]{43}(?![A-Za-z0-9])"),
    _secret_of("dropbox", ("sl.",), r"sl\.[A-Za-z][\w-]{100,}"),
    _secret_of("onepassword", ("ops_eyJ",), r"ops_eyJ[\w+/=-]{40,}"),
    _secret_of("brevo", ("xkeysib-",), r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    _secret_of("hubspot", ("pat-na", "pat-eu"), r"pat-(?:na|eu)\d-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    _secret_of("airtable", ("pat",), r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    _secret_of("mapbox", ("sk.eyJ",), r"sk\.eyJ[\w-]{40,}\.[\w-]{16,}"),
    _secret_of("netlify", ("nfp_",), r"nfp_[A-Za-z0-9]{36,}"),
    _secret_of("pulumi", ("pul-",), r"pul-[0-9a-f]{40}"),
    _secret_of("buildkite", ("bkua_",), r"bkua_[0-9a-f]{40}"),
    _secret_of("alibaba", ("LTAI",), r"LTAI[A-Za-z0-9]{17,21}(?![A-Za-z0-9])"),
    _secret_of("razorpay", ("rzp_",), r"rzp_(?:live|test)_[A-Za-z0-9]{14,}"),
    _secret_of("flutterwave", ("FLWSECK",), r"FLWSECK(?:_TEST)?-[A-Za-z0-9]{12,}"),
    _secret_of("readme", ("rdme_",), r"rdme_[a-z0-9]{60,}"),
    _secret_of("resend", ("re_",), r"re_[A-Za-z0-9]{6,10}_[A-Za-z0-9]{20,}"),
    _secret_of("vercel", ("vcp_", "vck_"), r"vc[pk]_[A-Za-z0-9]{24,}"),
    _secret_of("mailgun", ("key-",), r"key-[0-9a-f]{32}(?![A-Za-z0-9])"),
    _secret_of("discord", ("/webhooks/",), r"discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,}"),
)
