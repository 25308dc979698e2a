"""Which names say that their value is a secret: keys matched by their words, however they are written.

A name is cut into words (``userPassword``, ``user_password``, ``User-Password`` and ``user.password`` are all
*user password*) and judged like an English noun phrase: *api key* is a secret wherever it stands, *token
count* is a count, *has password* is a yes or no, and *secretary* is not a *secret*.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final
from urllib.parse import unquote

from ezlogs.expressions import BeingCompiledError, expression, long_expression
from ezlogs.privacy.expressions import any_of, listed
from ezlogs.privacy.memory import Verdicts

Words = tuple[str, ...]


def _phrases(text: str) -> frozenset[Words]:
    """One phrase a line or comma, its words separated by spaces."""
    return frozenset(tuple(phrase.split()) for phrase in re.split(r"[,\n]", text) if phrase.strip())


#: Denied even where the user allows them: nobody needs these in telemetry.
ALWAYS_DENIED: Final = _phrases(
    """
    password, passwords, passwd, pwd, passphrase, passcode, pass word, pass phrase, pass code, pass wd
    passwort, kennwort, contrasena, senha, wachtwoord, mot de passe, mat khau, haslo, sifre, mdp, pswd, psw, passw
    cvv, cvc, ccv, cvn, private key, seed phrase, recovery phrase, secret key, client secret
    card number, credit card number
    """
)

#: Denied wherever they stand in a name.
DENIED: Final = _phrases(
    """
    secret, secrets, token, tokens, credential, credentials, creds, apikey, ssn, iban, csrf, xsrf, jwt
    sessionid, jsessionid, phpsessid, sessid, authorization code, auth code, access code
    api key, api keys, access key, encryption key, signing key, master key, ssh key, auth key, service key
    account key, storage key, shared key, session key, host key, license key
    credit card, debit card, card no, card num, cc number, cc num, card security, security code
    social security, tax id, national id, national insurance, passport number, passport no, driver license
    bank account, account number, routing number, sort code, date of birth, birth date, birthdate, birthday
    pin code, pin number, otp code, one time code, verification code, recovery code, backup code, backup codes
    security answer, security question, connection string, conn string, conn str
    phone number, phone no, phone num, mobile number, mobile no, mobile phone, contact number, whatsapp number
    telephone number, telephone no, tel no, tel number, fax number, fax no, cell phone, cellphone, msisdn
    mfa code, fa code, sms code, login code, sign in code, signin code, verify code, confirmation code, reset code
    activation code, unlock code, pairing code, backup pin, reset link, recovery codes, magic link, wallet seed
    client assertion, code verifier
    oauth verifier, connect sid, app key, appkey, consumer key, subscription key, functions key, hmac key, passkey
    pass key, ccnum, cardnum, cardno, account no, account num, acct number, acct no, acct num
    drivers license, driver licence, drivers licence, driving licence, driving license, nino, aadhaar, cpf, pesel, bsn
    geheimnis, kartennummer, kreditkarte, kreditkartennummer, kontonummer, telefonnummer, handynummer, rufnummer
    mobilnummer, geburtsdatum, steuernummer, sozialversicherungsnummer, numero carte, numero de carte, carte bancaire
    numero telephone, numero de telephone, date de naissance, date naissance, code confidentiel, secreto
    clave secreta, clave privada, clave api, numero tarjeta, numero de tarjeta, tarjeta credito, tarjeta de credito
    fecha nacimiento, fecha de nacimiento, segredo, numero cartao, numero do cartao, cartao credito
    cartao de credito, data nascimento, data de nascimento, chave secreta, chave privada, chave api, segreto
    numero carta, numero di carta, carta credito, carta di credito, codice fiscale, data nascita, data di nascita
    parola d ordine, kaartnummer, telefoonnummer, geboortedatum, sekret, numer karty, numer telefonu, data urodzenia
    kart numarasi, telefon numarasi, gizli anahtar, tc kimlik, dogum tarihi
    bestatigungscode, bestaetigungscode, sicherheitscode, einmalcode, einmalpasswort, verifizierungscode, anmeldecode
    zugangscode, freischaltcode, verificatiecode, beveiligingscode, inlogcode, code de verification, code verification
    code de securite, code de confirmation, code de connexion, code pin, codigo de verificacion, codigo de seguridad
    codigo de confirmacion, codigo de acceso, codigo pin, codigo de verificacao, codigo de seguranca, codigo de acesso
    codice di verifica, codice di sicurezza, codice di conferma, codice di accesso, codice pin, kod weryfikacyjny
    kod jednorazowy, kod pin, dogrulama kodu, confirmation pin, login pin, one time pin, one time password
    """
)

#: Denied only as the thing that a name names: *cookie* and *session cookie*, not *cookie banner*.
DENIED_HEADS: Final = listed(
    "pw pass pin otp totp auth authz authorization bearer cookie cookies pan dsn dob signature phone telephone tel fax "
    "csc mnemonic passport geheim telefon telefono telefone telefoon handy celular cellulare parola"
)

#: Denied although they end as harmless names do: a *tax id* is no row's id, and a *birth date* no event's.
DENIED_ENDINGS: Final = _phrases("tax id, national id, birth date, steuer id, maiden name, net session id")

#: Denied only as the whole name: *mobile* is a number, *browser.mobile* a yes or no.
DENIED_ALONE: Final = _phrases("mobile, tarjeta, cartao")

#: Unmistakable even when written without any separator, as in ``newuserpassword``.
STEMS: Final = listed(
    "password passwd passphrase csrf xsrf apikey credential creditcard cardnumber secretkey privatekey accesskey "
    "accesstoken authtoken refreshtoken idtoken clientsecret appsecret connectionstring motdepasse pwd pswd"
)

#: Short words glued to the word that says whose they are: ``dbpass``, ``rootpw``.
_GLUED_PASS = expression(
    r"(?:db|database|user|usr|admin|root|my|sql|mysql|pg|postgres|redis|rabbit|amqp|mongo|smtp|imap|pop|mail|ftp|sftp|ssh"
    r"|ldap|bind|proxy|login|new|old|wifi|sudo|app|api|auth|web|http|key|store|trust|keystore|master|cert|ssl|vpn|sys|require)"
    r"(?:pass|pw|otp|pin)\d{0,4}"
)

_GLUED_ENDS: Final = ("pass", "pw", "otp")

#: Words for passwords, secrets, PINs, card and phone numbers in scripts that are not cut into words here.
_OTHER_SCRIPTS = expression(
    r"парол[ьяюе]|секрет(?!ар)|кодовое.?слово|код.(?:подтверждения|доступа|безопасности)"  # noqa: RUF001
    r"|(?<![^\W_])пин(?:.?код)?(?![^\W_])|номер.?карты|телефон(?!и)"
    r"|ключ.?доступа|токен|паспорт"
    r"|密[码碼](?!强度|強度|长度|学)|口令|[验驗][证證][码碼]|手机号|手機號|电话(?!会议)|電話(?!会議)|身份[证證]|[卡帐账]号|卡號|[动動][态態][码碼]|校[验驗][码碼]"
    r"|パスワード(?!ポリシー|強度)|暗証番号|カード番号|認証コード|確認コード|ワンタイム|秘密鍵|マイナンバー"
    r"|비밀번호|암호(?!화)|전화번호|휴대폰|카드번호|주민등록번호|계좌번호|인증.?번호|인증.?코드"
)
#: Of which one at least is in whatever the expression above finds.
_IN_OTHER_SCRIPTS: Final = (
    *("парол", "секрет", "кодов", "код ", "пин", "номер", "телефон", "ключ", "токен", "паспорт"),
    *("密", "口令", "验", "驗", "校", "态", "態", "手机", "手機", "电话", "電話", "身份", "号", "號"),
    *("パスワード", "暗証", "カード", "コード", "ワンタイム", "マイナンバー"),
    *("비밀", "암호", "전화", "휴대폰", "번호", "인증"),
)

#: Phrases that contain a denied word and mean something else.
INNOCENT: Final = _phrases(
    """
    page token, next token, input tokens, output tokens, prompt tokens, completion tokens
    total tokens, cached tokens, reasoning tokens, thinking tokens, audio tokens, text tokens, image tokens
    continuation token, pagination token, sync token, cancellation token, token bucket, token ring, secret santa
    boarding pass, ski pass, season pass, day pass, bus pass, train pass, render pass, single pass, first pass
    gpio pin, map pin, frying pan, function signature, method signature, type signature, call signature
    """
)

#: What a name is about when it ends so: *token count* is a count. The value itself is still scanned.
INNOCENT_HEADS: Final = listed(
    """
    count counts total length len size id ids type kind name names at date time timestamp expires expiry
    expired expiration ttl age valid invalid validity verified enabled disabled required optional present
    missing exists changed updated created reset status state strength policy rule rules version algorithm
    alg method mode scheme provider backend source usage used limit quota remaining rate index position
    format attempt attempts retries failure failures error errors exception warning shown visible hidden
    banner consent accepted endpoint class handler validator validators hasher table column middleware
    service module plugin feature flag budget cost price brand last issuer country currency by reason
    level event needed supported stored saved sent failed succeeded rotated revoked issued fingerprint
    arn path file filename outfile directory
    """
)

#: What a name is about when it starts so: *has password* is a yes or no, *max tokens* a number.
INNOCENT_STARTS: Final = listed("has is needs requires require should can show hide max min num number total count")

#: Words after the head that leave its meaning as it is: *pin value*, *auth header*, *cookie raw*.
TRANSPARENT: Final = listed(
    "value values header headers string str raw plain text from to old new before after input field param "
    "data b encoded decoded hash base"
)

_TRANSPARENT_IN_PROSE: Final = listed("value header string number no nr num")
_LONGEST_PHRASE: Final = 4
_POSSESSIVE: Final = expression(r"['\u2019]s\b")

_VERSIONS: Final = _phrases("version, release, build, revision, firmware")

#: Names too general to deny, except where their value looks drawn at random.
HINTS: Final = listed("key keys session sid sig sign hmac salt seed cred ident assertion")
NO_HINTS: Final = listed(
    "idempotency cache routing partition sort primary foreign object dedup deduplication row composite group unique "
    "message translation trace span request storage public flag s3"
)

#: Names too general to deny, except as parameters of a URL, where they carry signatures and one-time codes.
URL_DENIED: Final = listed("code key sig sign hmac sid assertion samlresponse samlrequest")

#: Denied names with one of these say who somebody is; they open no door.
PERSONAL: Final = listed(
    "phone telephone mobile ssn iban dob birth birthday birthdate birthdays social insurance passport license licence "
    "tax national account routing bank debit credit pan signature"
)

_CHUNK = expression(r"[A-Za-z0-9]+")
_WORD = expression(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
_LOOKALIKES: Final = str.maketrans(
    "аеорсхукмтнвіѕјԁһԛԝАЕОРСХУКМТНВІЅЈοαερνικτυΟΑΕΡΝΙΚΤΥłŁı",
    "aeopcxykmthbisjdhqwAEOPCXYKMTHBISJoaepviktuOAEPNIKTYlLi",
)


def plain_letters(name: str) -> str:
    """The name as a reader sees it: accents, invisible characters, escapes and look-alike letters undone."""
    if "%" in name:
        name = unquote(name)
    if name.isascii():
        return name
    decomposed = unicodedata.normalize("NFKD", name.translate(_LOOKALIKES)).translate(_LOOKALIKES)
    return "".join(ch for ch in decomposed if unicodedata.category(ch) not in ("Mn", "Cf"))


def words_of(name: str) -> Words:
    """The lower-case words of a name; numbers are left out.

    >>> words_of("X-Api-Key"), words_of("userPassword2"), words_of("HTTPAuthToken")
    (('x', 'api', 'key'), ('user', 'password'), ('http', 'auth', 'token'))
    """
    return tuple(word.lower() for word in _WORD.findall(plain_letters(name)))


@cache
def _default_clues() -> tuple[str, ...]:
    words = {*map("".join, (*ALWAYS_DENIED, *DENIED, *DENIED_ENDINGS)), *DENIED_HEADS, *STEMS}
    kept: list[str] = []
    for word in sorted(words, key=len):  # where there is a longer one, there is the shorter one that is in it
        for other in kept:
            if other in word:
                break
        else:
            kept.append(word)
    return (*kept, *_IN_OTHER_SCRIPTS)


class KeyMatcher:
    """Decides by its name whether a value must go.

    Order of judgement: always-denied phrases, the user's ``deny``, the user's ``allow``, the default lists.
    A phrase in ``deny`` matches wherever its words stand next to each other, without exceptions; a phrase
    in ``allow`` takes its words out of the name, and what is left is judged by the default lists.

    Args:
        deny: further names, in any spelling (``"salary"``, ``"medicalRecord"``).
        allow: names that the default lists would deny and that are harmless here (``"cart_token"``).

    Example:
        >>> keys = KeyMatcher(deny=["salary"], allow=["cart_token"])
        >>> [keys.denies(name) for name in ("yearlySalary", "cart_token", "X-Api-Key", "primary_key")]
        [True, False, True, False]
    """

    def __init__(self, deny: Iterable[str] = (), allow: Iterable[str] = ()) -> None:
        self._deny = frozenset(filter(None, map(words_of, deny)))
        self._deny_joined = frozenset("".join(phrase) for phrase in self._deny)
        self._allow = frozenset(filter(None, map(words_of, allow)))
        self._harmless_glued = {"passwordless", *("".join(phrase) for phrase in self._allow)}
        self._verdicts: Verdicts[bool] = Verdicts(self._judge)
        self._access: Verdicts[bool] = Verdicts(self._judge_access)
        self._versions: Verdicts[bool] = Verdicts(lambda name: words_of(name)[-1:] in _VERSIONS)
        self._hints: Verdicts[bool] = Verdicts(self._judge_hint)
        ends = {*(phrase[-1] for phrase in (*ALWAYS_DENIED, *DENIED, *DENIED_ENDINGS, *self._deny)), *DENIED_HEADS}
        stems = {*STEMS, *_GLUED_ENDS}
        self._all_ends = ends | stems
        self._ends = long_expression(lambda: f"(?P<stem>{any_of(stems)})|{any_of(ends - stems)}")
        self._told: Verdicts[str | None] = Verdicts(self._find_told)

    def denies(self, name: str) -> bool:
        """Whether the value under this name is redacted."""
        return self._verdicts[name]

    def gives_access(self, name: str) -> bool:
        """Whether the value under this denied name may give somebody access, so that nothing of it may be shown.

        What says something of a person, such as a phone number, and what only the user denies, does not.
        """
        return self._access[name]

    def denies_in_url(self, name: str) -> bool:
        """As :meth:`denies`, and for parameters that are secrets only in URLs: ``code``, ``sig``, ``key``."""
        if self.denies(name):
            return True
        words = words_of(name)
        return bool(words) and words[-1] in URL_DENIED and words not in self._allow

    def hints(self, name: str) -> bool:
        """Whether a value under this name is a secret if it looks drawn at random: a *key*, a *session*.

        >>> KeyMatcher().hints("key"), KeyMatcher().hints("cache_key")
        (True, False)
        """
        return self._hints[name]

    def is_version(self, name: str) -> bool:
        """Whether a value under this name says which version something is: four numbers are no address there."""
        return self._versions[name]

    def _judge_hint(self, name: str) -> bool:
        words = words_of(name)
        last = words[-1:]
        return bool(last) and last[0] in HINTS and NO_HINTS.isdisjoint(words) and words not in self._allow

    def tells(self, phrase: str) -> str | None:
        """Return the end of a phrase that names what is denied; None where it names something else.

        In a sentence a *password policy* is a policy, though a value of that name may hold one.

        >>> KeyMatcher().tells("your new API key"), KeyMatcher().tells("password policy")
        ('api key', None)
        """
        return self._told[phrase]

    def _find_told(self, phrase: str) -> str | None:
        words = words_of(_POSSESSIVE.sub("s", phrase))
        while words:
            for length in range(min(len(words), _LONGEST_PHRASE), 0, -1):
                end = words[-length:]
                if end in self._allow or end in INNOCENT:
                    return None
                if end in ALWAYS_DENIED or end in DENIED or end in DENIED_ENDINGS or end in self._deny:
                    return " ".join(end)
            last = words[-1]
            if last in DENIED_HEADS or self._holds_stem(last):
                return last
            if last not in _TRANSPARENT_IN_PROSE:
                break
            words = words[:-1]
        return phrase if not phrase.isascii() and _OTHER_SCRIPTS.search(_composed(phrase)) else None

    def may_tell(self, text: str) -> bool:
        """Whether a text holds a word that ends the name of something denied; what holds none names nothing."""
        if not text.isascii():
            return True
        text = text.lower()
        try:
            found = self._ends.finditer(text)
        except BeingCompiledError:
            return any(end in text for end in self._all_ends)
        for end in found:
            start = end.start()
            if end["stem"] or not (start and text[start - 1].isalpha()):
                return True
        return False

    @property
    def clues(self) -> tuple[str, ...]:
        """What every phrase that tells of something denied holds one of, as clues of a rule."""
        return (*_default_clues(), *map("".join, self._deny))

    def _judge(self, name: str) -> bool:
        words = words_of(name)
        if self._is_users(words):
            return True
        if not words:
            return False
        rest = _without(words, self._allow)
        if rest[-2:] in DENIED_ENDINGS or rest[-3:] in DENIED_ENDINGS or rest in DENIED_ALONE:
            return True
        if _is_innocent(words) or ("." in name and _is_innocent(words_of(name.rpartition(".")[2]))):
            return False
        if _contains_any(words, ALWAYS_DENIED):
            return True
        if not name.isascii() and words not in self._allow and _OTHER_SCRIPTS.search(_composed(name)):
            return True
        words = _without(_without(words, INNOCENT), self._allow)
        return _contains_any(words, DENIED) or _head(words) in DENIED_HEADS or self._holds_stem(name)

    def _judge_access(self, name: str) -> bool:
        words = words_of(name)
        if _contains_any(words, ALWAYS_DENIED) or self._holds_stem(name):
            return True
        return PERSONAL.isdisjoint(words) and (_contains_any(words, DENIED) or not self._is_users(words))

    def _is_users(self, words: Words) -> bool:
        return bool(self._deny) and (_contains_any(words, self._deny) or "".join(words) in self._deny_joined)

    def _holds_stem(self, name: str) -> bool:
        # Cut at separators only, so that no change of case inside a word hides it: pAsSwOrD.
        for chunk in _CHUNK.findall(plain_letters(name)):
            glued = chunk.lower()
            if glued in self._harmless_glued:
                continue
            if any(stem in glued for stem in STEMS) or _GLUED_PASS.fullmatch(glued):
                return True
        return False


def _composed(name: str) -> str:
    """The name in lower case, its letters composed, with the words of other scripts as they are listed."""
    return unicodedata.normalize("NFKC", name).lower()


def _is_innocent(words: Words) -> bool:
    if not words:
        return False
    return words[-1] in INNOCENT_HEADS or (len(words) > 1 and words[0] in INNOCENT_STARTS)


def _head(words: Words) -> str:
    for word in reversed(words):
        if word not in TRANSPARENT:
            return word
    return ""


def _contains_any(words: Words, phrases: frozenset[Words]) -> bool:
    return next(_occurrences(words, phrases), None) is not None


def _without(words: Words, phrases: frozenset[Words]) -> Words:
    gone: set[int] = set()
    for start, end in _occurrences(words, phrases):
        gone.update(range(start, end))
    return tuple(word for position, word in enumerate(words) if position not in gone)


def _occurrences(words: Words, phrases: frozenset[Words]) -> Iterator[tuple[int, int]]:
    lengths = {len(phrase) for phrase in phrases}
    for start in range(len(words)):
        for length in lengths:
            if words[start : start + length] in phrases:
                yield start, start + length
