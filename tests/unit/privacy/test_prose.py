"""Secrets that sentences tell, and sentences that sound like it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ezlogs.privacy import Scrubber
from ezlogs.privacy.keys import KeyMatcher
from ezlogs.privacy.prose import Prose

Scrub = Callable[[str], tuple[str, list[str]]]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("your verification code is 482913", "your verification code is [redacted]"),
        ("OTP 482913", "OTP [redacted]"),
        ("PIN is 1234", "PIN is [redacted]"),
        ("The PIN for card ending 4242 is 9182.", "The PIN for card ending 4242 is [redacted]."),
        ("password is hunter2", "password is [redacted]"),
        ("code: 482 913", "code: [redacted]"),
        ("Your code is 482913.", "Your code is [redacted]."),
        ("Passwort lautet Sommer2024!", "Passwort lautet [redacted]!"),
        ("Ihr Passwort ist geheim123", "Ihr Passwort ist [redacted]"),
        ("use 482913 as your login code", "use [redacted] as your login code"),
        ("482913 is your one-time code", "[redacted] is your one-time code"),
        ("482913 is your Acme verification code", "[redacted] is your Acme verification code"),
        ("G-482913 is your Google verification code.", "[redacted] is your Google verification code."),
        ("Your OTP for login is 482913. Do not share it.", "Your OTP for login is [redacted]. Do not share it."),
        ("Your one-time password is 482913", "Your one-time password is [redacted]"),
        ("one-time password: 482913", "one-time password: [redacted]"),
        ("Use code 482913 to log in", "Use code [redacted] to log in"),
        ("Enter 482913 to verify your account", "Enter [redacted] to verify your account"),
        ("My password is swordfish.", "My password is [redacted]."),
        ("my password is swordfish and my PIN is 1234", "my password is [redacted] and my PIN is [redacted]"),
        ("password for bob is hunter2", "password for bob is [redacted]"),
        ("Password for bob: hunter2x", "Password for bob: [redacted]"),
        ("password (again): hunter2x", "password (again): [redacted]"),
        ("password changed to Hunter2!", "password changed to [redacted]!"),
        ("reset the password to 'blue sky'", "reset the password to '[redacted]'"),
        ('new password "hunter2!"', 'new password "[redacted]"'),
        ("login with password hunter2", "login with password [redacted]"),
        ("password hunter2 rejected", "password [redacted] rejected"),
        ("Your temporary password is: Xk9!pQ", "Your temporary password is: [redacted]"),
        ("Votre code de vérification est 482913", "Votre code de vérification est [redacted]"),
        ("Tu código de verificación es 482913", "Tu código de verificación es [redacted]"),
        ("Seu código de segurança é 482913", "Seu código de segurança é [redacted]"),
        ("Il codice di verifica è 482913", "Il codice di verifica è [redacted]"),
        ("Ihr Bestätigungscode lautet 482913", "Ihr Bestätigungscode lautet [redacted]"),
        ("Ihr Code lautet 482913", "Ihr Code lautet [redacted]"),
        ("您的验证码是482913\uff0c请勿泄露", "您的验证码是[redacted]\uff0c请勿泄露"),
        ("認証コード\uff1a482913", "認証コード\uff1a[redacted]"),
        ("인증번호 482913", "인증번호 [redacted]"),
        ("Ваш код подтверждения: 482913", "Ваш код подтверждения: [redacted]"),
        ("La contraseña es Perro123", "La contraseña es [redacted]"),
        ("le mot de passe est Soleil77", "le mot de passe est [redacted]"),
        ("您的新密码是Abc12345, 谢谢您", "您的新密码是[redacted], 谢谢您"),
        ("security code is 123", "security code is [redacted]"),
        ("CVV 123", "CVV [redacted]"),
        ("cvv is 123", "cvv is [redacted]"),
        ("api key is 9f8e7d6c5b4a", "api key is [redacted]"),
        ("token is abc123def456", "token is [redacted]"),
        ("access token 9f8e7d6c5b4a39281", "access token [redacted]"),
        ("Your security code: 4-8-2-9-1-3", "Your security code: [redacted]"),
        ("verification code - 482913", "verification code - [redacted]"),
        ("passcode 482913", "passcode [redacted]"),
        ("Your recovery code is 8F3K-2Q9Z", "Your recovery code is [redacted]"),
        ('Password is "correct horse battery"', 'Password is "[redacted]"'),
        ("2FA code 482913", "2FA code [redacted]"),
        ("sms code is 8F3K2Q", "sms code is [redacted]"),
        ("Password ist: „ganz geheim“", "Password ist: „[redacted]“"),
        ("the code is 482913", "the code is [redacted]"),
        ("auth token 'tok_8f3k2q9z7x4w1'", "auth token '[redacted]'"),
        ("password 123456 rejected", "password [redacted] rejected"),
    ],
)
def test_a_secret_that_a_sentence_tells_is_redacted(scrub: Scrub, text: str, clean: str) -> None:
    """Only the secret goes, and what is left is left alone the next time."""
    assert scrub(text) == (clean, ["key"])
    assert scrub(clean) == (clean, [])


@pytest.mark.parametrize(
    "text",
    [
        "error code is 500",
        "status code 404",
        "country code is DE",
        "password is required",
        "Password is invalid",
        "the password is incorrect.",
        "password is too short",
        "password is required and must be 8 characters",
        "zip code 12345",
        "zip code is 12345",
        "postal code: 12345",
        "90210 is your zip code",
        "482913 is the order number",
        "Your order 482913 is ready",
        "password is 8 characters long",
        "Password must be at least 8 characters",
        "password is older than 90 days",
        "password is 90 days old",
        "OTP expired after 30000 ms",
        "The OTP delivery time is 3000 ms",
        "PIN is required",
        "pin 1000 posts",
        "pinned 1234 items",
        "shipping 123456",
        "exit code: 137",
        "HTTP code 404",
        "product code: 482913",
        "promo code is 482913",
        "code=5 returned",
        "password reset for user 12345",
        "password sha256 hash computed",
        "password is hashed with bcrypt",
        "password is bcrypt",
        "password is stored in the vault",
        "Password for user bob is expired",
        "token is expired",
        "token is invalid",
        "secret is missing",
        "token count is 12345678",
        "token bucket refilled 100 tokens",
        "used 12345 tokens",
        "password to access the portal",
        "the password to the account is required",
        "set password to expire in 90 days",
        "password is not set",
        "password is set",
        "token 12345 not found",
        "key 482913 is the primary key",
        "OTP sent at 2024-01-01 10:00",
        "PIN code entered 3 times",
        "Use 1000 to test throughput",
        "Use 10000 to test",
        "enter 12345 for the quantity",
        "password is [redacted]",
        "password is ****",
        "password is case-sensitive",
        "Password is REQUIRED",
        "verification code sent to user 123456",
        "verification code is invalid",
        "Invalid verification code",
        "verification code expired after 600 seconds",
        "access code is 6 digits",
        "Error. Code: 500",
        "Error code: 482913",
        "ORA code 12154",
        "error, code: 40401",
        "password is user's birthday",
        "client secret is required",
        "secret manager is us-east-1",
        "country code: 49",
        "area code 415",
        "The bar code is 4006381333931",
        "password field_2",
        "unknown password v2",
        "password policy v12345x",
        "api key is required",
        "access key rotated 90 days ago",
        "API key limit is 10000",
        "build 482913 is your latest",
        "the pass 482913",
        "security code path is x86_64",
        "Code 482913 lines",
        "pwd is /home/bob/work",
        "passenger code",
        "password user_12 field",
        "password attempt3 failed",
        "cvv 12",
        "PIN is 123",
        "the password is non-blank",
        "otp is sha256",
        "my code is 12",
        "482 is your lucky code",
        "password '{}' given",
        "password 'required'",
        "the password's 'missing'",
        "password is (none)",
        "token is short1",
        "token 'x'",
        "password to 'enter'",
        "set password to continue.",
        "password is untrusted.",
        "non-empty password is non-blank",
    ],
)
def test_a_sentence_that_tells_no_secret_is_kept(scrub: Scrub, text: str) -> None:
    """Codes of errors and countries, rules for passwords, and numbers that happen to stand near such words."""
    assert scrub(text) == (text, [])


def test_a_name_that_the_user_allows_is_no_secret_in_a_sentence() -> None:
    """As it is none as a key."""
    assert Scrubber(allow=["otp"]).text("Your OTP is 482913", "m", []) == "Your OTP is 482913"


WORST = (
    *("otp ", "pin for ", "pin for a a a a a a ", "your code ", "password to ", "password is ", "1234 is your a a "),
    *("1 2 ", "12-34-", "use 12345 to a a ", "token ", "token for a ", "otp a1-", "password '", "pin (", "a", "1", " "),
)


@pytest.mark.parametrize("unit", WORST)
def test_time_grows_with_the_length_of_the_text(unit: str) -> None:
    """Four times the text takes about four times as long, where a square would take sixteen."""
    rule = Prose(KeyMatcher())

    def seconds(text: str) -> float:
        start = time.thread_time()
        list(rule.find(text))
        return time.thread_time() - start

    short, long = unit * (4000 // len(unit)), unit * (16000 // len(unit))
    assert any(seconds(long) < 10 * min(seconds(short) for _ in range(3)) for _ in range(5))
