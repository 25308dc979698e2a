"""Secrets that a sentence tells: *your verification code is 482913*, *the password for bob is hunter2*.

Whether words name something that is none to tell, `KeyMatcher.tells` says, as it does for keys. Here is how a name and
its value are joined in a sentence - by a verb, by a mark, by nothing, the value first - and `plausible` says whether
what stands there can be such a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

import msgspec

from ezlogs.expressions import expression
from ezlogs.privacy.expressions import listed
from ezlogs.privacy.keys import KeyMatcher
from ezlogs.privacy.plausible import Kind, any_code, is_told, kind_of
from ezlogs.privacy.rule import BY_NAME, Clue, Span

_SPACE: Final = r"[ \t\u00a0\u3000]"
_GAP: Final = r"(?:[ \t\u00a0\u3000]|\r?\n){1,2}"
_IS: Final = r"(?:is|are|was|were|reads|ist|war|lautet|est|es|é|è|jest|będzie)"
_LOOKED_BACK: Final = 96
_MOST_WORDS: Final = 8

#: What joins a name to its value: a verb, a mark, or *to*.
_LINK: Final = expression(
    rf"{_GAP}(?P<verb>{_IS})(?:{_GAP}(?:now|set{_GAP}to|jetzt|nun))?{_SPACE}?[:=]?{_GAP}(?=\S)"
    rf"|{_GAP}(?P<to>to|auf|à|a){_GAP}(?=\S)"
    rf"|(?P<mark>{_SPACE}?(?:[:=]>?|->|\u2192|[\uff1a\uff1d]|(?<=[ ])[\u2013\u2014-](?=[ ])){_SPACE}{{0,2}})(?=\S)",
    re.IGNORECASE,
)
#: What may be a value right after its name: something with a digit, or in quotes.
_NEXT: Final = expression(rf"""(?<=[^\W\d_]|[.:#]){_GAP}#?(?=[A-Za-z+(/-]{{0,24}}\d|["'`“„«]\S)""")
#: 482913 is your one-time code.
_FIRST: Final = expression(
    rf"(?<![\w.,:/#$€+-])"
    rf"(?P<value>(?:[A-Z]{{1,3}}-)?\d[\d -]{{2,10}}\d|[A-Z\d]{{4,12}}(?:-[A-Z\d]{{4,12}}){{0,3}}){_GAP}"
    rf"(?:is|ist|est|es|é|è|as|als|comme|como){_GAP}"
    rf"(?P<whose>your|my|the|an?|our|ihr|dein|votre|ton|tu|su|seu|il){_GAP}(?P<what>[^\r\n.!?;]{{2,64}})",
    re.IGNORECASE,
)
#: Use 482913 to log in.
_USE: Final = expression(
    rf"\b(?:use|enter|type){_GAP}(?:(?:the|this){_GAP})?(?:(?:code|otp|pin):?{_GAP})?"
    rf"(?P<value>\d{{5,8}}|\d{{3}}[ -]\d{{3}}){_GAP}(?:to|for|as|on|when|within)\b(?:{_GAP}[^\s:.!?]{{1,24}}){{0,5}}?"
    rf"{_GAP}(?:code|otp|pin|pass\w{{3,8}}|verif\w{{1,8}}|log(?:ging)?[ -]?in|sign(?:ing)?[ -]?in|confirm\w{{0,8}}"
    r"|authenticat\w{1,4})\b",
    re.IGNORECASE,
)
#: 密码是Abc12345: scripts that put no spaces between words.
_UNSPACED: Final = expression(
    r"(?P<name>[^\x00-\x7f\W]{2,24}?)[ \u3000]{0,2}(?:是|为|為|は|은|는|[:=\uff1a\uff1d])?[ \u3000]{0,2}"
    r"(?P<value>(?![\[*])[!-~]{4,64})"
)

#: Where what was said before has nothing to do with what follows; not the point of *no.* or *tel.*
_BOUNDARY: Final = expression(r"""(?<!no)(?<!nr)(?<!tel)[.!?][\s)"']|[;\n\r,\[\]{}<>|"“”`]""", re.IGNORECASE)
_ASIDE: Final = expression(r"\s?\([^()]{0,32}\)\Z")
_OF: Final = listed("for to from of at on für zum zur pour para per voor dla для von de")
_DONE: Final = listed("was is has been changed set reset updated")
_VERBS: Final = listed("pin pass")  # pin 1000 posts, pass it to them
_ANYBODYS: Final = listed("the a an our il")
_DETERMINERS: Final = listed(
    "your my ihr dein mein votre mon ton tu su mi seu sua tuo uw je ваш the this new use with enter del el le il o der"
)
_PUBLIC_CODES: Final = listed(
    "zip post postal country area error status exit product promo promotion coupon discount referral voucher gift qr "
    "bar source currency language dial color colour hs tax booking order tracking response return reason"
)
_CODE: Final = listed("code codigo código codice kod код")
_ANY_CODE: Final = expression(r"(?i:code|c[oó]digo|codice|kod|код|\b(?:use|enter|type)\s)")
_CLUES: Final = ("code", "codigo", "codice", "kod", "код", "use0", "enter0", "type0")


class Prose(msgspec.Struct, frozen=True):
    """The codes, passwords, tokens and numbers of people that sentences tell, in a dozen languages.

    A plain word after *password is* is taken for a password only at the end of a clause, and only if it is
    none of those that passwords are said to be (*required*, *expired*, *too short*).
    """

    keys: KeyMatcher
    name: ClassVar[str] = BY_NAME

    @property
    def clues(self) -> tuple[Clue, ...]:
        """See :attr:`ezlogs.privacy.rule.Rule.clues`."""
        return (*self.keys.clues, *_CLUES)

    def find(self, text: str) -> Iterator[Span]:
        """See :meth:`ezlogs.privacy.rule.Rule.find`."""
        if not self.keys.may_tell(text) and not _ANY_CODE.search(text):
            return
        yield from self._joined(text)
        yield from self._next(text)
        for match in _FIRST.finditer(text):
            if self._is_told_first(match):
                yield match.span("value")
        for match in _USE.finditer(text):
            if self.keys.tells("otp"):
                yield match.span("value")
        if not text.isascii():
            for match in _UNSPACED.finditer(text):
                name = match["name"]
                if self.keys.denies(name) and (
                    span := is_told(text, match.start("value"), kind_of(self.keys, name), "verb")
                ):
                    yield span

    def _joined(self, text: str) -> Iterator[Span]:
        for link in _LINK.finditer(text):
            words, how = _words_before(text, link.start()), link.lastgroup
            if how == "mark" and words and text[link.start() - 1].isalnum() and self.keys.denies(words[-1]):
                continue  # an assignment
            kind = self._named(words, how)
            span = is_told(text, link.end(), kind, how) if kind else None
            if span is None and _is_any_code(words):
                span = any_code(text, link.end(), words[-2:-1])
            if span is not None:
                yield span

    def _next(self, text: str) -> Iterator[Span]:
        for gap in _NEXT.finditer(text):
            words = _words_before(text, gap.start())
            told = self.keys.tells(" ".join(words[-4:])) if words else None
            if told in _VERBS and not words[-1].isupper():
                continue
            how = "mark" if told and "_" in words[-1] and kind_of(self.keys, told) is Kind.TOKEN else "none"
            span = is_told(text, gap.end(), kind_of(self.keys, told), how) if told else None
            if span is not None:
                yield span

    def _named(self, words: list[str], how: str | None) -> Kind | None:
        """Return what the end of some words names, or what stands before *for whom*: *the PIN for card 4242*."""
        if how == "to":
            while words and words[-1].lower() in _DONE:
                words = words[:-1]
        told = self.keys.tells(" ".join(words[-4:])) if words else None
        for position in range(len(words) - 1, 0, -1):
            if told is not None:
                break
            if words[position].lower() in _OF:
                told = self.keys.tells(" ".join(words[max(position - 4, 0) : position]))
                told = None if told == "pass" else told  # pass it to them
        return None if told is None or (how == "to" and told in _VERBS) else kind_of(self.keys, told)

    def _is_told_first(self, match: re.Match[str]) -> bool:
        words, value = match["what"].split(), match["value"]
        if sum(map(str.isdigit, value)) < 4:
            return False
        for length in range(1, min(len(words), 7) + 1):
            word = words[length - 1].strip(",:").lower()
            told = self.keys.tells(" ".join(words[max(length - 4, 0) : length]))
            if told is not None:
                return kind_of(self.keys, told) is not Kind.PERSONAL or match["whose"].lower() not in _ANYBODYS
            if word in _CODE:
                return match["whose"].lower() not in _ANYBODYS and length == 1
        return False


def _words_before(text: str, end: int) -> list[str]:
    """The last words before a position, within the sentence."""
    before = text[max(end - _LOOKED_BACK, 0) : end]
    before = before[before.find(" ") + 1 :] if end > _LOOKED_BACK else before
    aside = _ASIDE.search(before)
    if aside is not None:
        before = before[: aside.start()]
    start = 0
    for boundary in _BOUNDARY.finditer(before):
        start = boundary.end()
    words = before[start:].split()[-_MOST_WORDS:]
    return words if words and any(map(str.isalnum, words[-1])) else []


def _is_any_code(words: list[str]) -> bool:
    """Whether some words end in *code*, and do not say of what."""
    if not words or words[-1].lower() not in _CODE:
        return False
    if len(words) == 1 or words[-2].lower() in _DETERMINERS:
        return True
    # Your Acme code: but your ZIP code is no secret.
    return (
        len(words) > 2
        and words[-3].lower() in _DETERMINERS
        and words[-2].lower() not in _PUBLIC_CODES
        and words[-2].istitle()
    )
