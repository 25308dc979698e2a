"""What opens a door in any text: tokens, private keys, the schemes of HTTP authentication, connection strings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ezlogs.expressions import expression
from ezlogs.privacy.encodings import base64_text
from ezlogs.privacy.randomness import is_random
from ezlogs.privacy.rule import REDACTED, Finder, Pattern, Rule, Span

_LONG_ENOUGH: Final = 24
_BEGIN_OF_PRIVATE_KEY = expression(r"BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY")
_END_OF_PRIVATE_KEY = expression(r"-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----")
_BASE64_REVERSED: Final = r"(?:[A-Za-mo-qs-z0-9+/]|[nr](?!\\))"
_NEW_LINE_REVERSED: Final = r"(?:[nr]\\{1,2}|\s){1,8}"
_LINES_REVERSED = expression(
    rf"{_NEW_LINE_REVERSED}={{0,2}}(?:{_BASE64_REVERSED}+{_NEW_LINE_REVERSED})?"
    rf"{_BASE64_REVERSED}{{40,}}(?:{_NEW_LINE_REVERSED}{_BASE64_REVERSED}{{40,}})*"
)
_LONGEST_KEY: Final = 16384


def _find_ends_of_private_keys(text: str) -> Iterator[Span]:
    done = 0
    for match in _END_OF_PRIVATE_KEY.finditer(text):
        before = text[max(done, match.start() - _LONGEST_KEY) : match.start()]
        lines = None if _BEGIN_OF_PRIVATE_KEY.search(before) else _LINES_REVERSED.match(before[::-1])
        if lines is not None:
            yield match.start() - lines.end(), match.end()
        done = match.end()


def _is_token(found: str) -> bool:
    """A bearer token, not the next word of a sentence ("bearer authentication is required")."""
    token = found.split(None, 1)[1]
    return len(token) >= _LONG_ENOUGH or not token.isalpha() or not (token.islower() or token.istitle())


def _is_basic_credential(found: str) -> bool:
    decoded = base64_text(found.split(None, 1)[1])
    return decoded is not None and ":" in decoded


def _is_random_token(found: str) -> bool:
    return is_random(found.split(None, 1)[1])


def _is_signed(found: str) -> bool:
    return _PROOF.search(found) is not None


#: user:password@tcp(host:3306) as drivers in Go have it, and user:password@host:5432 - no digest of a container image.
_AT_NETWORK = expression(r"@(?:tcp|unix|cloudsql)[46]?\(")
_AT_HOST = expression(r"@(?!sha\d)(?:[A-Za-z][\w-]{0,62}|\d{1,3}(?=\.))(?:\.[\w-]{1,63}){0,8}:\d{2,5}(?![\w.:-])")
_ANY_REVERSED = expression(r"""[^\s"'<>]{1,128}:[\w.%+-]{1,64}(?![\w.%+:/@-])""")
_PLAIN_REVERSED = expression(r"""[^\s:/@"'<>()\[\]{},;]{1,128}:[\w.%+-]{1,64}(?![\w.%+:/@-])""")
_LONGEST_USERINFO: Final = 194


def _find_bare_userinfo(text: str) -> Iterator[Span]:
    if ":" not in text:
        return
    # From each @ with a host outwards, what is before it read backwards, as for e-mail addresses.
    for at, userinfo in ((_AT_NETWORK, _ANY_REVERSED), (_AT_HOST, _PLAIN_REVERSED)):
        for match in at.finditer(text):
            end = match.start()
            found = userinfo.match(text[max(end - _LONGEST_USERINFO, 0) : end][::-1])
            if found is not None:
                yield end - found.end(), end


JWT: Final = Pattern(
    "jwt",
    ("eyJ",),
    expression(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{11,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){0,3}"),
)
PRIVATE_KEY: Final = Pattern(
    "private_key",
    ("PRIVATE KEY",),
    expression(
        r"-{4,5} ?BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)? ?-{4,5}.*?(?:-{4,5} ?END [A-Z0-9 ]{0,48}-{4,5}|\Z)", re.S
    ),
)
#: The end of a key whose beginning was cut off, as where only the last lines of an output are kept.
END_OF_PRIVATE_KEY: Final = Finder("private_key", ("PRIVATE KEY",), _find_ends_of_private_keys)
BEARER: Final = Pattern("bearer", ("bearer",), expression(r"(?i:\bbearer)\s{1,8}[A-Za-z0-9._~+/-]{8,}=*"), _is_token)
BASIC: Final = Pattern(
    "basic_auth", ("basic",), expression(r"(?i:\bbasic)\s{1,8}[A-Za-z0-9+/_-]{4,}=*"), _is_basic_credential
)

_PARAMETER: Final = r"""[A-Za-z][\w-]{0,31}=(?:\\{0,2}"[^"\n]{0,1024}"|[^\s,;"']{1,1024})"""
_PROOF = expression(r"(?i:(?:response|signature|mac|token|hmac)=)")
#: RFC 7616, RFC 9421's ancestors, OAuth 1, Hawk, Amazon's: a scheme and its parameters, one of which is the proof.
SIGNED: Final = Pattern(
    "authorization",
    ("response=", "signature=", "mac=", "token="),
    expression(
        r"(?i:(?<![\w-])(?:digest|hawk|oauth|mac|hmac|signature|token|apikey|aws4-hmac-sha256|[a-z0-9]{1,16}-hmac-sha256))"
        rf"\s{{1,8}}{_PARAMETER}(?:\s?,\s{{0,4}}{_PARAMETER}){{0,31}}"
    ),
    _is_signed,
)
#: RFC 4559 and NTLM, whose tokens all begin alike, and those of vendors.
NEGOTIATED: Final = Pattern(
    "authorization",
    ("negotiate", "ntlm"),
    expression(r"(?i:(?<![\w-])(?:negotiate|ntlm))\s{1,8}(?:TlRMTVNTUA|YI|oY|oX|oR)[A-Za-z0-9+/]{14,}={0,2}"),
)
API_TOKEN: Final = Pattern(
    "authorization",
    ("token", "apikey", "ssws", "geniekey", "api_key"),
    expression(
        r"(?i:(?<![\w-])(?:token|api[-_ ]?key|ssws|geniekey))\s{1,8}"
        r"(?=[\w.~+/-]{0,64}\d)[A-Za-z0-9_~+/-][\w.~+/-]{19,}={0,2}"
    ),
    _is_random_token,
)

# A password may hold slashes and at signs that nobody escaped, so everything up to the last @ goes; what
# follows a port is a path, and an @ in it is none of ours.
URL_USERINFO: Final = Pattern(
    "url_credentials",
    ("//",),
    expression(r"""(?<=//)(?:[^\s/?#:@"'<>]{0,64}:(?!\d{1,5}[/?#])[^\s"'<>]{1,256}|[^\s/?#"'<>]{1,256})(?=@)"""),
    lambda userinfo: userinfo not in (REDACTED, "git"),
)
BARE_USERINFO: Final = Finder("url_credentials", ("@",), _find_bare_userinfo)
#: jdbc:oracle:thin:scott/tiger@host, and scott/tiger@//host:1521/service.
ORACLE_USERINFO: Final = Pattern(
    "url_credentials",
    ("@//", ":thin:", ":oci:", ":oci8:"),
    expression(
        r"""(?:(?<=:thin:)|(?<=:oci:)|(?<=:oci8:)|(?<![^\s"'=])(?=[\w$#]{1,64}/[^\s/@"'<>]{1,64}@//))"""
        r"""[\w$#]{1,64}/[^\s/@"'<>]{1,64}(?=@)"""
    ),
)

CREDENTIALS: Final[tuple[Rule, ...]] = (
    JWT,
    PRIVATE_KEY,
    END_OF_PRIVATE_KEY,
    BEARER,
    BASIC,
    SIGNED,
    NEGOTIATED,
    API_TOKEN,
    URL_USERINFO,
    BARE_USERINFO,
    ORACLE_USERINFO,
)
