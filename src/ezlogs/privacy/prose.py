"""Secrets that a sentence tells: *your verification code is 482913*, *the password for bob is hunter2*."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import ClassVar, Final

import msgspec

from ezlogs.privacy.credentials import is_random
from ezlogs.privacy.expressions import expression
from ezlogs.privacy.keys import KeyMatcher
from ezlogs.privacy.rule import Clue, Span


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SPACE = r"[ \t\r\n\u00a0\u3000]"
_GAP = rf"{_SPACE}{{1,2}}"
_WORD = r"[^\s:.!?]{1,24}"

_PURPOSE = (
    r"(?:one[- ]?time|single[- ]use|verification|verify|security|log[- ]?in|sign[- ]?[io]n"
    r"|auth(?:entication|orization)?|access|confirmation"
    r"|recovery|backup|(?:password[- ])?reset|activation|pairing|unlock|sms|e-?mail|mfa|2fa"
    r"|two[- ]factor|temporary|secret|otp|pin)"
)
#: What one-time codes and PINs are called; German compounds end in *code*, Romance names start with it.
_CODE_NAME = (
    rf"(?:{_PURPOSE}[- ](?:{_PURPOSE}[- ])?(?:pass)?code|(?:one[- ]?time|single[- ]use)[- ](?:password|pin)|t?otp"
    r"|passcode"
    r"|pin(?:[- ](?:code|number|nummer))?|cvv2?|cvc2?"
    r"|(?:best(?:ä|ae)tigungs|sicherheits|einmal|verifizierungs|anmelde|zugangs|freischalt|verificatie|beveiligings|inlog)"
    r"[ -]?code|einmal(?:passwort|kennwort)"
    r"|code (?:de )?(?:v[ée]rification|s[ée]curit[ée]|confirmation|connexion|secret|confidentiel|pin)"
    r"|c[óo]digo (?:de )?(?:verificaci[óo]n|seguridad|confirmaci[óo]n|acceso|verifica[çc][ãa]o|seguran[çc]a|acesso|pin)"
    r"|codice (?:di )?(?:verifica|sicurezza|conferma|accesso|pin)|kod weryfikacyjny|kod jednorazowy|do[ğg]rulama kodu"
    r"|код (?:подтверждения|доступа|безопасности)|пин(?:-код)?)"
)
_UNSPACED_CODE_NAME = (
    r"(?:验证码|驗證碼|校验码|動態碼|动态码|認証コード|確認コード|ワンタイムパスワード|인증 ?번호|인증 ?코드)"
)
_PASSWORD_NAME = (
    r"(?:pass[- ]?(?:word|wort|phrase|code)|passwd|pwd|kennwort|contrase(?:ñ|n)a|senha|wachtwoord|mot de passe|has[łl]o"
    r"|парол[ья]|[şs]ifre(?:niz|n)?)"
)
_TOKEN_NAME = (
    r"(?:(?:api|access|secret|private|signing|encryption|master|auth)[ -]?key"
    r"|(?:(?:access|auth|refresh|bearer|session|api|reset)[ -])?token|(?:(?:client|shared|api|app)[ -])?secret)"
)
_IS = r"(?:is|was|are|ist|lautet|war|est|es|é|è|jest|będzie)"
_FOR = (
    rf"(?:{_GAP}(?:for|to|from|of|at|on|für|zum|zur|pour|para|per|voor|dla|для)\b(?:{_GAP}{_WORD}){{1,6}}?"
    rf"|{_GAP}\([^()\n]{{1,32}}\))?"
)
_SAYS = (
    rf"(?:{_FOR}{_GAP}{_IS}(?:{_GAP}(?:now|set to|jetzt|nun))?{_SPACE}?:?{_GAP}"
    rf"|{_FOR}{_SPACE}?[:\uff1a=\u2013\u2014-]{_SPACE}{{0,2}})"
)

_UNITS = (
    rf"(?!{_SPACE}?-?(?:digit|char|letter|symbol|zeichen|ziffer|stellen|caract|attempt|tries|time|item|user|request|row"
    r"|byte|bit|ms|sec|min|hour|day|week|month|year|tage|jahr|[smhd]\b|kb|mb|%|€|\$|usd|eur))"
)
_DIGITS = (
    r"(?!\d{4}-\d\d-\d\d)(?:[A-Z]{1,3}-\d{4,8}|\d{2,4}(?:[ \u00a0-]\d{2,4}){1,3}|\d(?:[ -]\d){3,7}|\d{3,10})"
    rf"(?![\w%$€]|[.,:/]\d|-\w){_UNITS}"
)
_MIXED = r"(?=[A-Za-z]{0,11}\d)[A-Za-z0-9]{4,12}(?:-[A-Za-z0-9]{4,12}){0,3}(?![\w%$€]|[.,:/]\d|-\w)" + _UNITS
_BEFORE = r"(?<![\w\"'`.\-/=&?{$%])"

_CODE = expression(
    rf"{_BEFORE}(?P<name>{_CODE_NAME})s?(?:(?P<link>{_SAYS})(?P<said>{_DIGITS}|{_MIXED})|{_GAP}#?(?P<bare>{_DIGITS}))",
    re.IGNORECASE,
)
_UNSPACED_CODE = expression(
    rf"(?P<name>{_UNSPACED_CODE_NAME}){_SPACE}{{0,2}}(?:是|为|為|は|은|는|[:\uff1a=])?{_SPACE}{{0,2}}"
    r"(?P<said>\d{3,4}[ -]\d{3,4}|\d{4,8})(?!\d)"
)
#: Only *code*: of what, the word before it says, so there must be none but *your* or *the*.
_ANY_CODE = expression(
    rf"(?:\A|[.!?;:,(\n\u2013-]{_SPACE}{{0,3}}|\b(?P<whose>your|my|ihr|dein|mein|votre|mon|ton|tu|su|mi|seu|sua|tuo|uw|je|ваш"
    rf"|the|this|new|use|with|enter|del|el|le|il|o|der){_GAP})(?P<name>code|c[óo]digo|codice|kod|код)"
    rf"(?:{_SPACE}{{0,2}}:{_SPACE}{{0,2}}|{_SAYS})(?P<said>{_DIGITS})",
    re.IGNORECASE,
)
_CODE_FIRST = expression(
    rf"(?<![\w.,:/#$€+-])(?P<said>{_DIGITS}|{_MIXED}){_GAP}(?:is|ist|est|es|é|è|as|als|comme|como){_GAP}"
    rf"(?P<whose>your|my|the|an?|our|ihr|dein|votre|ton|tu|su|seu|il)\b"
    rf"(?P<what>(?:{_GAP}{_WORD}){{0,5}}?){_GAP}(?:(?P<name>{_CODE_NAME})|(?P<any>code|c[óo]digo|password|passwort))\b",
    re.IGNORECASE,
)
_CODE_TO_USE = expression(
    rf"\b(?:use|enter|type){_GAP}(?:(?:the|this){_GAP})?(?:(?:code|otp|pin):?{_GAP})?"
    rf"(?P<said>\d{{5,8}}|\d{{3}}[ -]\d{{3}})"
    rf"{_GAP}(?:to|for|as|on|when|within)\b(?:{_GAP}{_WORD}){{0,5}}?{_GAP}"
    r"(?P<name>code|otp|pin|pass\w{3,8}|verif\w{1,8}|log(?:ging)?[ -]?in|sign(?:ing)?[ -]?in"
    r"|confirm\w{0,8}|authenticat\w{1,4})\b",
    re.IGNORECASE,
)

_QUOTED = r"""(?P<open>["'`“„«])(?P<quoted>[^"'`“”„»\r\n]{1,128})["'`“”»]"""
_BARE_VALUE = r"""(?P<value>[^\s"'`“”„«»<>]{1,128})"""
_PASSWORD = expression(
    rf"{_BEFORE}(?P<name>{_PASSWORD_NAME})(?P<link>{_SAYS}|{_FOR}(?:{_GAP}(?:(?:was|is|has been){_GAP})?"
    rf"(?:changed|set|reset|updated))?{_GAP}(?P<to>to|auf|à|a){_GAP}|(?P<none>{_GAP}))(?:{_QUOTED}|{_BARE_VALUE})",
    re.IGNORECASE,
)
_UNSPACED_PASSWORD = expression(
    rf"(?P<name>密码|密碼|口令|パスワード|비밀번호)(?:是|为|為|は|은|는){_SPACE}{{0,2}}(?P<said>(?!\[)[!-+\--~]{{4,64}})"
)
_TOKEN = expression(
    rf"{_BEFORE}(?P<name>{_TOKEN_NAME})(?P<link>{_SAYS}|(?P<none>{_GAP}))(?:{_QUOTED}|{_BARE_VALUE})",
    re.IGNORECASE,
)

#: Codes that are no secrets, when one says *90210 is your zip code*.
_PUBLIC_CODES: Final = expression(
    r"\b(?:zip|post|postal|country|area|error|status|exit|product|promo\w{0,6}|coupon|discount|referral|voucher|gift|qr|bar"
    r"|source|currency|language|dial\w{0,3}|colou?r|hs|tax|booking|order|tracking|response|return|reason|branch|store|item"
    r"|airport|city|region|state|department|project|customer|part|article|reference|postleit\w{0,4})\b",
    re.IGNORECASE,
)
#: What passwords are said to be, in sentences that give none away.
_PREDICATES: Final = _words(
    """
    a an the not no now never always only too very also already still both either empty blank null none missing absent
    required mandatory optional needed necessary invalid valid incorrect correct wrong right bad good ok okay fine weak
    strong short long simple complex easy hard common unique different identical same similar equal old new current
    secret private public safe secure insecure unsafe sensitive temporary permanent default plain plaintext cleartext
    hidden unknown known unset set reset sent done due kept lost stored in on at of by for from to as with within
    without between under over above below after before being been be going about used unused stale fresh false true
    active inactive pending available here there this that these those what which who your my our their its his her it
    managed there one two three case-sensitive alphanumeric numeric text string hash hashed bcrypt argon scrypt md sha
    pbkdf base utf field value attempt try is was are must should may can cannot will would has have does do and or but
    if when while because login reset expire rotate use user users admin account accounts database server service
    system you me us them enter continue access protect encrypt change update match confirm proceed
    erforderlich falsch ungültig richtig korrekt leer nicht zu kurz lang schwach abgelaufen notwendig nötig
    incorrecta incorrecto obligatoria obligatorio inválida inválido requise requis incorrecte invalide vide trop muy
    demasiado obrigatória incorreta inválido wymagane nieprawidłowe неверный обязателен неправильный scaduta errata
    """
)
_PREDICATE_ENDINGS: Final = ("ed", "ing", "able", "ible", "less", "ly", "ful")
_CLAUSE_END: Final = expression(rf"{_SPACE}{{0,2}}(?:\Z|[.,;!?)\]\n]|(?:and|but|or|und|et|y|e)\b)")
_ALGORITHM: Final = expression(
    r"(?:sha|md|aes|utf|base|argon|oauth|http|win|x|pkcs|pbkdf|v|bcrypt)-?\d{1,4}[a-z]{0,3}", re.I
)
_STAND_IN: Final = expression(
    r"[*•.x_-]+|%s|\?|\$\d+|%\(.*|\$?\{.*|\[.*|\(.*|.*\[(?:redacted|filtered|scrubbed).*|https?:.*|.*[:=(]", re.I
)
_UNIT_FOLLOWS: Final = expression(rf"{_SPACE}?(?!{_UNITS})[a-z%€$]", re.IGNORECASE)
_RANGE: Final = expression(r"[\d.,]{1,8}(?:[-\u2013+/%]\d{0,8})?")
_SHORTEST_TOKEN: Final = 8
#: Directly after a name these make an assignment, with a rule of its own.
_ASSIGNS: Final = frozenset((":", "=", "\uff1a", "\uff1d"))


class Prose(msgspec.Struct, frozen=True):
    """The codes, passwords and tokens that sentences tell, in a dozen languages.

    A plain word after *password is* is taken for a password only at the end of a clause, and only if it is
    none of those that passwords are said to be (*required*, *expired*, *too short*).
    """

    keys: KeyMatcher
    name: ClassVar[str] = "key"
    clues: ClassVar[tuple[Clue, ...]] = (
        *(b"code", b"otp", b"pin", b"cvv", b"cvc", b"pass", b"pwd", b"kennwort", b"contrase", b"senha", b"wachtwoord"),
        *(b"haslo", b"sifre", b"token", b"secret", b"key", b"kod", b"codi", b"use0", b"enter0", b"type0"),
    )

    def find(self, text: str) -> Iterator[Span]:
        """See :meth:`ezlogs.privacy.rule.Rule.find`."""
        for pattern, span_of in _KINDS:
            for match in pattern.finditer(text):
                span = span_of(text, match)
                if span is not None and not self.keys.allows(match["name"] or ""):
                    yield span


def _code(text: str, match: re.Match[str]) -> Span | None:
    kind = match["name"].lower()
    group = "said" if match["said"] else "bare"
    code = match[group]
    if sum(map(str.isdigit, code)) < (3 if kind.startswith(("cv", "security")) else 4) and code.isdigit():
        return None
    if group == "bare" and kind == "pin" and match["name"] != "PIN":
        return None  # a verb: "pin 1000 posts"
    return None if _ALGORITHM.fullmatch(code) else match.span(group)


def _said(text: str, match: re.Match[str]) -> Span:
    return match.span("said")


def _any_code(text: str, match: re.Match[str]) -> Span | None:
    digits = sum(map(str.isdigit, match["said"]))
    whose = (match["whose"] or "").lower()
    least = 6 if whose in ("", "the", "this", "new", "use", "with", "enter", "del", "el", "le", "il", "o", "der") else 4
    return match.span("said") if digits >= least else None


def _code_first(text: str, match: re.Match[str]) -> Span | None:
    anybodys = match["whose"].lower() in ("the", "a", "an", "our", "il")
    if match["any"] and (anybodys or _PUBLIC_CODES.search(match["what"])):
        return None
    return match.span("said") if sum(map(str.isdigit, match["said"])) >= 4 else None


def _password(text: str, match: re.Match[str]) -> Span | None:
    if match["link"].strip() in _ASSIGNS:
        return None
    if match["quoted"]:
        quoted = match["quoted"]
        told = not (_is_plain(quoted) if match["none"] else all(map(_is_predicate, quoted.split())))
        return match.span("quoted") if told and not _STAND_IN.fullmatch(quoted) else None
    start, end = match.span("value")
    value = match["value"].rstrip(".,;:!?)]}")
    end = start + len(value)
    if match["name"].lower() == "pwd" and value.startswith("/"):
        return None  # the working directory
    if not value or _STAND_IN.fullmatch(match["value"]) or _STAND_IN.fullmatch(value) or _ALGORITHM.fullmatch(value):
        return None
    if _RANGE.fullmatch(value):
        least = 6 if match["none"] else 3
        return (start, end) if len(value) >= least and not _UNIT_FOLLOWS.match(text, end) else None
    if match["none"]:
        return (start, end) if _looks_chosen(value) else None
    if _is_plain(value):
        if match["to"] or _is_predicate(value) or not _CLAUSE_END.match(text, end):
            return None
    elif _is_predicate(value):
        return None
    return start, end


def _token(text: str, match: re.Match[str]) -> Span | None:
    if match["link"].strip() in _ASSIGNS:
        return None
    group = "quoted" if match["quoted"] else "value"
    start, _ = match.span(group)
    value = match[group].rstrip(".,;:!?)]}")
    if _STAND_IN.fullmatch(match[group]) or _RANGE.fullmatch(value) or not _MIX.search(value):
        return None
    if match["none"] and group == "value":
        return (start, start + len(value)) if is_random(value) else None
    if len(value) < _SHORTEST_TOKEN or not _TOKEN_TEXT.fullmatch(value):
        return None
    return start, start + len(value)


_MIX: Final = expression(r"\d[^\W\d]|[^\W\d]\d|\d[-_./+]|[-_./+]\d")
_TOKEN_TEXT: Final = expression(r"[\w.+/=~-]+")
_CHOSEN: Final = expression(r"[^\W\d_]\w{0,62}[\d!@#$%^&*+]\S{0,64}|\d\S{0,64}[^\W\d]\S{0,64}")
_NUMBERED: Final = expression(r"([^\W\d_]+)[_-]?\d{1,3}")


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


_KINDS: Final[tuple[tuple[re.Pattern[str], Callable[[str, re.Match[str]], Span | None]], ...]] = (
    (_CODE, _code),
    (_UNSPACED_CODE, _said),
    (_ANY_CODE, _any_code),
    (_CODE_FIRST, _code_first),
    (_CODE_TO_USE, _said),
    (_PASSWORD, _password),
    (_UNSPACED_PASSWORD, _said),
    (_TOKEN, _token),
)
