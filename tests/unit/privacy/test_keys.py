"""Names whose values are secrets, and names that only look like it."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ezlogs.privacy.keys import (
    ALWAYS_DENIED,
    DENIED,
    DENIED_ENDINGS,
    DENIED_HEADS,
    STEMS,
    KeyMatcher,
    words_of,
)

KEYS, INTERRUPTING = KeyMatcher(), KeyMatcher()
INTERRUPTING._ends._compiled_in = os.getpid()  # type: ignore[attr-defined]  # for ever, as it is for a handler


def _names(text: str) -> list[str]:
    return text.split()


SECRET_NAMES = _names(
    """
    password user_password userPassword USER-PASSWORD user.password password1 password_confirmation
    password_hash pwd pw pass pin otp token access_token refresh_token bearer cvv cvv2 X-Api-Key apiKey
    APIKey x_api_key pass_word pAsSwOrD newuserpassword clientSecret aws_secret_access_key OAuthToken
    sessionToken csrfmiddlewaretoken http.request.header.authorization http.response.header.set-cookie
    ezlogs.change.pin.from Authorization Cookie user[password] user%5Bpassword%5D pass%77ord --password
    card_number creditCardNumber phone_number ssn mật_khẩu motDePasse contraseña
    """
)

DISGUISED_NAMES = [
    "p\u0430ssword",  # a Cyrillic a
    "\u03c1\u03b1ssword",  # a Greek rho and alpha
    "pass\u200bword",  # a zero-width space
    "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44",  # full-width letters
]

INNOCENT_NAMES = _names(
    """
    primary_key session_id author authors authority authored_by secretary cookie_banner_shown
    token_count session_count max_tokens gen_ai.usage.input_tokens gen_ai.token.type has_password
    passwordless password_changed_at boarding_group auth_user_id compass keyboard tokenizer
    next_page_token card_brand card_last4 key name pins passenger pinned opinion shipping spinner
    """
)


@pytest.mark.parametrize("name", [*SECRET_NAMES, *DISGUISED_NAMES])
def test_a_name_that_tells_of_a_secret_is_denied_in_any_spelling(name: str) -> None:
    """Separators, case, escapes, accents, invisible and look-alike letters do not hide a secret's name."""
    assert KeyMatcher().denies(name)


@pytest.mark.parametrize("name", [*INNOCENT_NAMES, "", "42", "日付"])
def test_a_name_that_only_contains_such_letters_is_not(name: str) -> None:
    """Words are compared, not substrings, and a count of tokens is a count."""
    assert not KeyMatcher().denies(name)


def test_words_of_a_name_ignore_how_it_is_written() -> None:
    """Camel case, snake case, kebab case and dots give the same words."""
    assert words_of("userApiKey") == words_of("user_api_key") == words_of("User-Api-Key") == words_of("user.api.key2")


def test_the_user_can_deny_further_names() -> None:
    """A denied phrase matches as words anywhere and glued together, whatever else the name says."""
    keys = KeyMatcher(deny=["medicalRecord", "salary", "пароль"])
    assert [keys.denies(name) for name in ("medical-record-count", "medicalrecord", "yearlySalary", "Пароль")] == [
        True,
        True,
        True,
        True,
    ]
    assert not keys.denies("medical_center")


def test_the_user_can_allow_names_that_the_defaults_deny() -> None:
    """An allowed phrase is taken out of the name; what is left is still judged."""
    keys = KeyMatcher(allow=["cart_token", "apikey"])
    assert not keys.denies("cartToken")
    assert not keys.denies("apikey")
    assert keys.denies("cart_token_secret")
    assert keys.denies("token")


@pytest.mark.parametrize("name", ["password", "cvv", "private_key", "cardNumber"])
def test_some_names_cannot_be_allowed(name: str) -> None:
    """Passwords, card numbers and private keys are denied against the user's word."""
    assert KeyMatcher(allow=[name]).denies(name)


def test_deny_beats_allow() -> None:
    """A name that is both denied and allowed by the user is denied."""
    assert KeyMatcher(deny=["salary"], allow=["salary"]).denies("salary")


@pytest.mark.parametrize("name", ["code", "sig", "X-Amz-Signature", "key", "password"])
def test_a_url_denies_more(name: str) -> None:
    """Signatures and one-time codes are secrets in a URL."""
    assert KeyMatcher().denies_in_url(name)


@pytest.mark.parametrize("name", ["page", "state", "q", ""])
def test_a_url_keeps_ordinary_parameters(name: str) -> None:
    """What pages and filters are called is left alone."""
    assert not KeyMatcher().denies_in_url(name)


def test_a_parameter_can_be_allowed() -> None:
    """The user may know that ``code`` is a country's."""
    assert not KeyMatcher(allow=["code"]).denies_in_url("code")


def test_verdicts_stay_right_when_there_are_more_names_than_the_cache_holds() -> None:
    """Names from the network cannot grow the cache without end, nor wear its answers out."""
    keys = KeyMatcher()
    assert keys.denies("password")
    assert not any(keys.denies(f"field_{'x' * (number % 7)}{number}") for number in range(5000))
    assert keys.denies("password")
    assert len(keys._verdicts) <= 4096
    assert keys.denies("a" * 200 + "_password")


MORE_SECRET_NAMES = _names(
    """
    password2 pwd1 pswd passw userpwd dbpass DBPASS DB_PASS rootpw bindpw smtp_pass htpasswd usr_pwd pwd_hash cc_num
    ccnum cardno cvv2 csc cvn mfa_code mfaCode 2fa_code 2faCode totp_secret seed_phrase recoveryPhrase mnemonic
    private_key_pem x-amz-security-token x-vault-token proxy-authorization sas_token client_assertion code_verifier
    connect.sid magic_link smsCode loginCode verify_code confirmation_code app_key appsecret consumer_key
    Ocp-Apim-Subscription-Key x-functions-key hmacKey pass_key iban msisdn mobile fax tel phone_no cellphone
    telephoneNumber contact_number birth_date dob tax_id national_id nino passport drivers_license accountNo acct_num
    geheimnis kartennummer telefonnummer handynummer geburtsdatum motdepasse mdp numeroCarte numero_de_carte
    clave_secreta numero_tarjeta teléfono celular segredo cartão telefone segreto numero_carta cellulare kaartnummer
    telefoonnummer hasło haslo numer_karty şifre parola пароль парольПользователя секрет пин номер_карты
    номерКарты телефон 密码 用户密码 密碼 口令 手机号 电话 身份证 卡号
    パスワード 暗証番号 電話番号 カード番号 비밀번호 전화번호
    카드번호 주민등록번호
    """
)

MORE_INNOCENT_NAMES = _names(
    """
    foreign_key sort_key idempotency_key cache_key partition_key routing_key public_key object_key gpg_key passage
    bypass pass_rate passed pass_count passthrough boarding_pass ski_pass token_bucket continuation_token token_type
    secretariat secret_santa spin unpin gpio_pin pin_count hash commit_hash content_hash nonce etag checksum seed
    account_type address_line phone_model mobile_app mobile_device browser.mobile is_mobile cell cell_count pan_zoom
    csrf_enabled csrf_failed sessionStorage zip_code country_code status_code error_code exit_code product_code hotel
    telemetry tel_aviv cc cc_list sid cid vat_id tax_rate method_signature ssh_key_fingerprint design assignment
    секретарь телефония 암호화
    """
)


@pytest.mark.parametrize("name", MORE_SECRET_NAMES)
def test_abbreviations_glued_words_and_other_languages_are_known(name: str) -> None:
    """A dozen languages, and what programmers make of words that are too long for them."""
    assert KeyMatcher().denies(name)


@pytest.mark.parametrize("name", MORE_INNOCENT_NAMES)
def test_neighbours_of_those_names_are_not_denied(name: str) -> None:
    """Other kinds of keys, passes, pins, codes and tokens; a random value alone makes no name a telling one."""
    assert not KeyMatcher().denies(name)


@pytest.mark.parametrize("name", ["tax_id", "mobile", "телефон", "dbtoken"])
def test_what_is_denied_by_default_can_be_allowed(name: str) -> None:
    """Whatever list it is on, unless it is always denied."""
    assert not KeyMatcher(allow=[name]).denies(name)


def test_what_is_allowed_is_allowed_within_a_name_that_ends_so() -> None:
    """A *tax id* is denied although it is an id; who allows it, allows a customer's."""
    assert KeyMatcher().denies("customer_tax_id")
    assert not KeyMatcher(allow=["tax_id"]).denies("customer_tax_id")
    assert not KeyMatcher(allow=["mobile"]).denies("mobile")


def test_the_clues_of_names_are_the_words_that_hold_no_other() -> None:
    """Where there is a longer one, there is the shorter one: as a comparison of each with each tells, which is slow."""
    words = {*map("".join, (*ALWAYS_DENIED, *DENIED, *DENIED_ENDINGS)), *DENIED_HEADS, *STEMS}
    plain = {word for word in words if not any(other in word for other in words - {word})}
    assert {clue for clue in KeyMatcher().clues if clue.isascii()} == plain


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*SECRET_NAMES, *INNOCENT_NAMES, "the", "is", "x", "-"]), max_size=6).map(" ".join))
def test_who_interrupts_the_first_look_misses_no_name(text: str) -> None:
    """While what names end with is compiled, any of the endings anywhere is enough for a closer look."""
    assert INTERRUPTING.may_tell(text) >= KEYS.may_tell(text)
    assert not INTERRUPTING.may_tell("the x is -")
