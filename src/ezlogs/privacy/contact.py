"""How somebody is reached: e-mail addresses and telephone numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ezlogs.expressions import expression
from ezlogs.privacy.rule import Finder, Pattern, Rule, Span
from ezlogs.privacy.telling import Number, telling

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
        if local is None or local[0] == "tig":  # git@github.com:org/repository is nobody's address
            continue
        if not _USERINFO_REVERSED.match(before):
            yield at - local.end(), match.end()


EMAIL: Final = Finder("email", ("@", "\uff20"), _find_emails)
INTERNATIONAL_PHONE: Final = Pattern(
    "phone",
    (b"0" * 8,),
    expression(r"(?<![\w+])\+[1-9](?:[ \u00a0\-./()]{0,2}\d){7,14}(?!\d)"),
)
NORTH_AMERICAN_PHONE: Final = Pattern(
    "phone",
    (b"0" * 10,),
    expression(r"(?<![\w.\-])(?:\([2-9]\d\d\) ?|[2-9]\d\d([-. ]))[2-9]\d\d(?(1)\1|[-. ])\d{4}(?![\w-]|\.\d)"),
)

_PLACES: Final = r"(?:[ \u00a0\-./()]{0,2}\d)"
_ENDS: Final = r"(?![\w]|[.,:]\d|-\d)"
_NOUNS: Final = (
    r"(?:tele|mobile.?|cell.?|home.?|work.?)?(?:phone|fax)(?:.?(?:numbers?|no|nr))?s?|tel(?:ephone|efono|[eé]fono|efon|efoon)?"
    r"(?:.?n(?:umber|ummer|o|r))?|t[eé]l(?:[eé]phone)?|mob(?:ile|il|iel)?(?:.?n(?:umber|ummer|o|r))?|m[oó]vil|celular|"
    r"portable|handy(?:.?n(?:ummer|r))?|rufnummer|gsm|whatsapp|signal|viber|sms|msisdn|landline|festnetz|pager"
)
_VERBS: Final = (
    r"call(?:ed|ing|s)?|cell|dial(?:ed|ing|led|ling|s)?|reach(?:ed)?|anruf(?:en)?|appel(?:er|ez)?"
    r"|(?:ring|text) (?:me|us|him|her|them)"
)


def _is_phone(text: str) -> bool:
    return 9 <= sum(map(str.isdecimal, text)) <= 15


#: With the 0 of a national trunk, the 00 of international ones, or ten digits as in India and North America.
NATIONAL_PHONE: Final = Number(
    "phone",
    (b"0" * 9,),
    expression(
        rf"(?<![\w.,+\-/])\(?(?:0(?!\.){_PLACES}{{8,14}}|[6-9]\d{{4}}[ -]?\d{{5}}|[2-9]\d\d[2-9]\d{{6}}){_ENDS}"
    ),
    _is_phone,
    telling(rf"(?:{_NOUNS}|{_VERBS})(?!.?(?:ids?|ref|count|duration|code|log|stack|back)(?![a-z]))"),
)

CONTACT: Final[tuple[Rule, ...]] = (EMAIL, INTERNATIONAL_PHONE, NORTH_AMERICAN_PHONE, NATIONAL_PHONE)
