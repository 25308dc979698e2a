"""Whether what a sentence says of a password, a code or a number can be one, or only describes it."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from ezlogs.expressions import expression
from ezlogs.privacy.expressions import listed
from ezlogs.privacy.keys import KeyMatcher
from ezlogs.privacy.randomness import is_random
from ezlogs.privacy.rule import Span


class Kind(Enum):
    """What a name stands for, so far as it matters for what its value looks like."""

    CODE = "a few digits, now and then with letters"
    CARD_CODE = "three digits or four"
    PASSWORD = "anything, often a word"
    PHRASE = "some words"
    TOKEN = "letters and digits at random"
    PERSONAL = "a number or a date that belongs to somebody"


Link = str
"""How name and value are joined: ``verb``, ``mark``, ``to`` or ``none``."""

_CODES: Final = listed("code codes otp totp pin codigo codice kod")
_CODES_OF_CARDS: Final = listed("cvv cvc ccv cvn csc")
_PASSWORDS: Final = listed(
    "password passwords passwd pwd pw pass passcode passwort kennwort contrasena senha wachtwoord passe haslo sifre "
    "mdp pswd psw passw word wd einmalpasswort parola ordine geheim"
)
_PHRASES: Final = listed("passphrase phrase mnemonic")
_NAMES_OF_CODES: Final = expression(r"код|пин|[码碼]|コード|番号|番|인증|번호")


def kind_of(keys: KeyMatcher, told: str) -> Kind:
    """Return the kind of what a phrase names, from what `KeyMatcher.tells` returned."""
    words = told.split()
    last = words[-1]
    if last in _CODES_OF_CARDS or told in ("security code", "card security"):
        return Kind.CARD_CODE
    if last in _CODES or words[0] in _CODES or (last.endswith(("code", "kod")) and last != "passcode"):
        return Kind.CODE
    if last in _PHRASES:
        return Kind.PHRASE
    if not told.isascii():
        return Kind.CODE if _NAMES_OF_CODES.search(told) and "密" not in told else Kind.PASSWORD
    if last in _PASSWORDS or "password" in last or last.endswith(("pass", "pw", "pwd")):
        return Kind.PASSWORD
    return Kind.TOKEN if keys.gives_access(told) else Kind.PERSONAL


_QUOTED: Final = expression(r"""["'`“„«](?P<value>[^"'`“”„»\r\n]{1,128})["'`“”»]""")
_WORD: Final = expression(r"""[^\s"'`“”„«»<>]{1,128}""")
_CLOSING: Final = ".,;:!?)]}。\uff0c\uff01"
#: More of a number in groups, or of a date: *9513 6186 6601*, *AB 12 34 C*, *6 Oct 1978*.
_MORE: Final = expression(
    r"[ \u00a0](?:[\d][\d./-]{0,11}|[A-Z]{1,2}\d?|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6})"
    r"(?![\w])(?!\.\d)"
)
_UNIT: Final = expression(
    r"[ \u00a0]?-?(?:digit|char|letter|symbol|zeichen|ziffer|stellen|caract|attempt|tries|time|item|user|request|row"
    r"|line|byte|bit|ms|sec|min|hour|day|week|month|year|tage|jahr|post|note|page|[smhd]\b|kb|mb|gb|%|€|\$|usd|eur"
    r"|not\b|of\b|and\b)",
    re.IGNORECASE,
)
_DIGITS: Final = expression(
    r"(?!\d{4}-\d\d-\d\d)(?:[A-Z]{1,3}-\d{4,8}|\d{2,4}(?:[ \u00a0-]\d{2,4}){1,3}|\d(?:[ -]\d){3,7}|\d{3,10})"
    r"(?![\w%$€]|[.,:/]\d|-\w)"
)
_MIXED: Final = expression(r"(?=[A-Za-z]{0,11}\d)[A-Za-z0-9]{4,12}(?:-[A-Za-z0-9]{4,12}){0,3}(?![\w%$€]|[.,:/]\d|-\w)")
_MOST_WORDS: Final = 24
_COUNTED: Final = expression(r"[ \u00a0](?:old|\w{1,24}s)\b")
_FEWEST_DIGITS: Final = 4
_SHORTEST_TOKEN: Final = 8
_SHORTEST_PERSONAL: Final = 5

_ALGORITHM: Final = expression(
    r"(?:sha|md|aes|utf|base|argon|oauth|http|win|x|pkcs|pbkdf|v|bcrypt)-?\d{1,4}[a-z]{0,3}", re.IGNORECASE
)
_STAND_IN: Final = expression(
    r"[*•.x_-]+|%s|\?|\$\d+|%\(.*|\$?\{.*|\[.*|\(.*|.*\[(?:redacted|filtered|scrubbed).*|https?:.*|[\w.-]{0,32}[:=(]",
    re.IGNORECASE,
)
_RANGE: Final = expression(r"[\d.,]{1,8}(?:[-\u2013+/%]\d{0,8})?")
_CLAUSE_END: Final = expression(r"[ \t]{0,2}(?:\Z|[.,;!?)\]\n]|(?:and|but|or|und|et|y|e)\b)")
_CLAUSE: Final = expression(r"[^.;!?\r\n]{1,256}")
_MIX: Final = expression(r"\d[^\W\d]|[^\W\d]\d|\d[-_./+]|[-_./+]\d")
_TOKEN_TEXT: Final = expression(r"[\w.+/=~-]+")
_CHOSEN: Final = expression(r"[^\W\d_]\w{0,62}[\d!@#$%^&*+]\S{0,64}|\d\S{0,64}[^\W\d]\S{0,64}")
_NUMBERED: Final = expression(r"([^\W\d_]+)[_-]?\d{1,3}")

#: What passwords are said to be, in sentences that give none away.
_PREDICATES: Final = listed(
    """
    a an the not no now never always only too very also already still both either empty blank null none missing absent
    required mandatory optional needed necessary invalid valid incorrect correct wrong right bad good ok okay fine weak
    strong short long simple complex easy hard common unique different identical same similar equal old new current
    secret private public safe secure insecure unsafe sensitive temporary permanent default plain plaintext cleartext
    hidden unknown known unset set reset sent done due kept lost stored in on at of by for from to as with within
    without between under over above below after before being been be going about used unused stale fresh false true
    active inactive pending available here there this that these those what which who your my our their its his her it
    managed one two three case-sensitive alphanumeric numeric text string hash hashed bcrypt argon scrypt md sha
    pbkdf base utf field value attempt try is was are must should may can cannot will would has have does do and or but
    if when while because login expire rotate use user users admin account accounts database server service
    system you me us them enter continue access protect encrypt change update match confirm proceed
    erforderlich falsch ungültig richtig korrekt leer nicht zu kurz lang schwach abgelaufen notwendig nötig
    incorrecta incorrecto obligatoria obligatorio inválida inválido requise requis incorrecte invalide vide trop muy
    demasiado obrigatória incorreta wymagane nieprawidłowe неверный обязателен неправильный scaduta errata
    """
)
#: Before a code of which nothing else is said.
_NOBODYS: Final = listed("the this new use with enter del el le il o der")
_PREDICATE_ENDINGS: Final = ("ed", "ing", "able", "ible", "less", "ly", "ful")


def is_told(text: str, start: int, kind: Kind, link: Link | None) -> Span | None:
    """Return where a value is that a sentence tells, or None where it tells none.

    Args:
        text: The sentence.
        start: Where the value would begin.
        kind: What it would be.
        link: How it is joined to its name.
    """
    quoted = _QUOTED.match(text, start)
    if quoted is not None:
        return quoted.span("value") if _is_told_in_quotes(quoted["value"], kind, link) else None
    word = _WORD.match(text, start)
    if word is None or _STAND_IN.fullmatch(word[0]):
        return None
    value = word[0].rstrip(_CLOSING)
    if not value or _STAND_IN.fullmatch(value) or _ALGORITHM.fullmatch(value):
        return None
    end = start + len(value)
    if kind in (Kind.CODE, Kind.CARD_CODE):
        return _code(text, start, kind, link)
    if kind is Kind.PERSONAL:
        return _personal(text, start, end, link)
    if kind is Kind.PHRASE and link != "none" and (clause := _CLAUSE.match(text, start)) is not None:
        words = clause[0].split(None, _MOST_WORDS)[:_MOST_WORDS]
        if len(words) > 2 and sum(map(_is_predicate, words)) <= 1:
            return clause.span()
    told = _token(value, link) if kind is Kind.TOKEN else _password(text, start, end, link)
    return (start, end) if told else None


def end_of_groups(text: str, end: int) -> int:
    """Return the end of a number or a date that goes on after a space: ``9513 6186 6601``, ``6 Oct 1978``."""
    while (more := _MORE.match(text, end)) is not None:
        end = more.end()
    return end


def any_code(text: str, start: int, whose: list[str]) -> Span | None:
    """Return where a code is of which only *your code* was said: digits, and six of them if it is anybody's."""
    match = _DIGITS.match(text, start)
    if match is None or _UNIT.match(text, match.end()):
        return None
    named = bool(whose) and whose[0].lower() not in _NOBODYS
    return match.span() if sum(map(str.isdigit, match[0])) >= (_FEWEST_DIGITS if named else 6) else None


def _is_told_in_quotes(value: str, kind: Kind, link: Link | None) -> bool:
    if _STAND_IN.fullmatch(value):
        return False
    if kind is Kind.PERSONAL:
        return sum(map(str.isdigit, value)) >= _SHORTEST_PERSONAL - 1
    if kind in (Kind.CODE, Kind.CARD_CODE):
        return _DIGITS.fullmatch(value) is not None or _MIXED.fullmatch(value) is not None
    if kind is Kind.TOKEN:
        return len(value) >= _SHORTEST_TOKEN and bool(_MIX.search(value)) and _TOKEN_TEXT.fullmatch(value) is not None
    return not (_is_plain(value) if link == "none" else all(map(_is_predicate, value.split())))


def _code(text: str, start: int, kind: Kind, link: Link | None) -> Span | None:
    digits = _DIGITS.match(text, start)
    match = digits or (None if link == "none" else _MIXED.match(text, start))
    if match is None or _UNIT.match(text, match.end()) or _ALGORITHM.fullmatch(match[0]):
        return None
    fewest = (_FEWEST_DIGITS if kind is Kind.CODE else _FEWEST_DIGITS - 1) if digits else 1
    return match.span() if sum(map(str.isdigit, match[0])) >= fewest else None


def _personal(text: str, start: int, end: int, link: Link | None) -> Span | None:
    end = end_of_groups(text, end)
    value = text[start:end]
    digits = sum(map(str.isdigit, value))
    if digits < (_SHORTEST_PERSONAL if link == "none" else _SHORTEST_PERSONAL - 1) or _UNIT.match(text, end):
        return None
    return start, end


def _password(text: str, start: int, end: int, link: Link | None) -> bool:
    value = text[start:end]
    if value.startswith("/"):
        return False  # a path, as of the working directory
    if _RANGE.fullmatch(value):
        return len(value) >= (6 if link == "none" else 3) and not _UNIT.match(text, end) and not _goes_on(text, end)
    if link == "none":
        return _looks_chosen(value)
    if _is_plain(value):
        return link != "to" and not _is_predicate(value) and _CLAUSE_END.match(text, end) is not None
    return not _is_predicate(value)


def _goes_on(text: str, end: int) -> bool:
    """Whether a word follows that the number may count."""
    return _COUNTED.match(text, end) is not None


def _token(value: str, link: Link | None) -> bool:
    if link == "none":
        return is_random(value)
    if _RANGE.fullmatch(value) or not _MIX.search(value):
        return False
    return len(value) >= _SHORTEST_TOKEN and _TOKEN_TEXT.fullmatch(value) is not None


def _looks_chosen(value: str) -> bool:
    """Whether a word right after *password* is one, as *hunter2* is: letters and digits, and no numbered noun."""
    if len(value) < 6 or not any(map(str.isdigit, value)) or any(mark in value for mark in "=:/()[]{},"):
        return False
    numbered = _NUMBERED.fullmatch(value)
    if numbered is not None and (_is_predicate(numbered[1]) or not value[-2:].isalnum()):
        return False
    return "_" not in value and bool(_CHOSEN.fullmatch(value))


def _is_plain(value: str) -> bool:
    """Whether it may be any word of a sentence."""
    return value.replace("-", "").replace(" ", "").isalpha() and (value.islower() or value.istitle() or value.isupper())


def _is_predicate(value: str) -> bool:
    words = re.split(r"[- ]", value.lower())
    return any(word in _PREDICATES or (len(word) > 4 and word.endswith(_PREDICATE_ENDINGS)) for word in words[:2]) or (
        words[0] in ("non", "un", "pre", "well")
    )
