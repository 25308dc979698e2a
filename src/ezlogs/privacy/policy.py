"""What is done with a finding: redacted, masked, hashed, dropped, kept, or whatever a function of the user's says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec

from ezlogs.patterns import matches
from ezlogs.privacy.addresses import masked_address
from ezlogs.privacy.rule import REDACTED

Word = Literal["redact", "mask", "hash", "drop", "keep"]
WORDS: Final[tuple[Word, ...]] = ("redact", "mask", "hash", "drop", "keep")

_SHOWN: Final = 4
_HASH_DIGITS: Final = 32
#: Rules whose findings give somebody access: nothing of them is ever shown, whatever is asked for.
_SECRETS: Final = frozenset(
    {
        "jwt",
        "bearer",
        "basic_auth",
        "url_credentials",
        "url_parameter",
        "sql",
        "row",
        "escaped",
        "base64",
        "command_line",
    }
)
_SECRET_ENDS: Final = ("_key", "_token", "_secret")
UNSEEN: Final = frozenset({"cycle", "depth", "size", "type", "error", "json", "too_long"})
"""What is recorded of values that could not be looked at: they are redacted, whatever the policy says."""
#: Numbers that are written with and without separators: equal ones must have equal hashes.
_SEPARATORS: Final = str.maketrans("", "", " -./()\u00a0\u202f")


class Finding(msgspec.Struct, frozen=True):
    """What a rule found: what a function that decides about it is given.

    Args:
        rule: Its name: ``"email"``, ``"card"``; ``"key"`` for a value whose name says that it is none to tell.
        path: Where it is: ``"metadata.order.note"``, ``"events[0].exception.message"``.
        text: What was found. It must not be logged.
        event_type: The type of the event that it is in; None in spans, logs and resources.
        secret: Whether it gives somebody access, so that nothing of it may be shown.
    """

    rule: str
    path: str
    text: str
    event_type: str | None = None
    secret: bool = False

    def __repr__(self) -> str:
        return f"<Finding {self.rule} at {self.path}>"


LABELS: Final = frozenset(("actor.label", "subject.label"))
"""Where an e-mail address is masked if nothing else is said: what readers know somebody by."""

Treatment = Word | Callable[[Finding], "str | None"]
"""What is done: a word, or a function that returns what stands in the finding's place, None for nothing."""


class Choice(msgspec.Struct, frozen=True):
    """One line of a policy: which findings it is about, and what is done with them.

    Args:
        where: A rule's name (``"email"``); a pattern of paths, which has a dot or an asterisk
            (``"metadata.customer.*"``); ``"*"`` for all. Before a slash, types of events that it is limited to:
            ``"payment.*/card"``.
        how: What is done.

    Raises:
        ValueError: A word that is none of `WORDS`.
    """

    where: str
    how: Treatment

    def __post_init__(self) -> None:
        if not callable(self.how) and self.how not in WORDS:
            raise ValueError(f"{self.how!r} is no treatment; use {', '.join(WORDS)} or a function")

    def may_be_about(self, rule: str) -> bool:
        """Tell whether this line can be about what a rule finds, somewhere."""
        target = self.where.rpartition("/")[2]
        return target == rule or "*" in target or "." in target

    def is_about(self, finding: Finding) -> bool:
        """Tell whether a finding is one of those that this line is about."""
        types, slash, target = self.where.rpartition("/")
        if slash and (finding.event_type is None or not matches((types,), finding.event_type)):
            return False
        if target in ("*", finding.rule):
            return True
        if "." not in target and "*" not in target:
            return False
        _, _, inside = finding.path.partition(".")  # of the surface: attributes.client.address is client.address
        return fnmatchcase(finding.path, target) or fnmatchcase(inside, target)


class Policy:
    """Decides what stands in the place of each finding; the first line that is about it counts.

    What gives somebody access - passwords, keys, tokens, whatever is always denied - is never shown in part: ``mask``
    and ``keep`` redact it, and the answer of a function is taken only where the secret is not in it.

    Args:
        choices: Lines, the first that fits counts; ``redact`` where none does, and ``mask`` for IP addresses.
        hash_key: The key of ``hash``, an HMAC-SHA256 (RFC 2104); without one it masks.

    Example:
        >>> policy = Policy({"email": "mask", "payment.*/card": "drop"})
        >>> policy.replaced(Finding("email", "metadata.note", "ada@example.com"))
        '…@example.com'
        >>> policy.replaced(Finding("key", "metadata.password", "hunter2", secret=True))
        '[redacted]'
    """

    def __init__(
        self, choices: Mapping[str, Treatment] | Iterable[Choice] = (), hash_key: str | bytes | None = None
    ) -> None:
        given = (
            [Choice(where, how) for where, how in choices.items()] if isinstance(choices, Mapping) else list(choices)
        )
        self.choices = (*given, *DEFAULT_CHOICES)
        self.by_event_type = any("/" in choice.where for choice in given)
        """Whether it matters which event a finding is in."""
        self._redacts: dict[str, bool] = {}
        self._alike: dict[str, bool] = {}
        self._hash_key = hash_key.encode() if isinstance(hash_key, str) else hash_key

    def redacts(self, rule: str, path: str) -> bool:
        """Tell whether all that a rule finds is redacted: no line can be about it, and nobody is named by it there."""
        known = self._redacts.get(rule)
        if known is None:
            known = self._redacts[rule] = not any(choice.may_be_about(rule) for choice in self.choices)
        return known and path not in LABELS

    def is_alike_everywhere(self, rule: str) -> bool:
        """Tell whether all that a rule finds is treated in one way, wherever it is and in whatever type of event."""
        known = self._alike.get(rule)
        if known is None:
            first = next((choice for choice in self.choices if choice.may_be_about(rule)), None)
            known = self._alike[rule] = first is not None and first.where in ("*", rule) and not callable(first.how)
        return known

    def replaced(self, finding: Finding) -> str | None:
        """Return what stands in the place of a finding, None for nothing at all.

        Raises:
            Exception: Whatever the user's function raised; nothing of the finding may leave then.
        """
        if finding.rule in UNSEEN:
            return REDACTED
        usual: Treatment = "mask" if finding.rule == "email" and finding.path in LABELS else "redact"
        how = next((choice.how for choice in self.choices if choice.is_about(finding)), usual)
        secret = finding.secret or is_secret(finding.rule)
        if callable(how):
            said = how(finding)
            if said is not None and not isinstance(said, str):
                raise TypeError(f"a treatment returns text or None, not {type(said).__qualname__}")
            return REDACTED if secret and said is not None and finding.text in said else said
        if how == "drop":
            return None
        if how == "hash" and self._hash_key:
            return hashed(finding.text, self._hash_key)
        if secret or how == "redact":
            return REDACTED
        return finding.text if how == "keep" else masked(finding.rule, finding.text)


def is_secret(rule: str) -> bool:
    """Tell whether what a rule finds gives somebody access; of others' rules their names say it by their ends.

    >>> is_secret("github_key"), is_secret("email")
    (True, False)
    """
    return rule in _SECRETS or rule.endswith(_SECRET_ENDS)


def masked(rule: str, text: str) -> str:
    """Return a finding so that its owner knows it again: the domain or the network of an address, the end of a number.

    A third of it at most is shown, and four characters. What is masked already stays as it is.

    >>> masked("email", "ada+news@example.com"), masked("card", "4111 1111 1111 1234"), masked("key", "12345678")
    ('…@example.com', '…1234', '…78')
    """
    if rule == "email" and "@" in text:
        return f"…@{text.rpartition('@')[2]}"
    if rule == "ip":
        return masked_address(text)
    if text.startswith("…"):
        return text if len(text) <= 1 + _SHOWN else f"…{text[-_SHOWN:]}"
    shown = min(_SHOWN, len(text) // 3)
    return f"…{text[-shown:]}" if shown else REDACTED


def hashed(text: str, key: bytes) -> str:
    """Return the keyed hash of a finding: equal ones have equal hashes, however they are spaced or capitalised.

    >>> hashed("4111 1111 1111 1111", b"k") == hashed("4111-1111-1111-1111", b"k")
    True
    """
    if is_hash(text):
        return text
    import hashlib
    import hmac

    plain = text.strip().casefold()
    joined = plain.translate(_SEPARATORS)
    if joined.isdecimal() or "@" not in plain:
        plain = joined
    return f"[hash:{hmac.new(key, plain.encode(errors='replace'), hashlib.sha256).hexdigest()[:_HASH_DIGITS]}]"


def is_hash(text: str) -> bool:
    """Tell whether a text is what `hashed` returned."""
    if not text.startswith("[hash:") or not text.endswith("]"):
        return False
    digits = text[6:-1]
    return len(digits) == _HASH_DIGITS and not digits.strip("0123456789abcdef")


DEFAULT_CHOICES: Final = (Choice("ip", "mask"),)
"""What holds where nothing else is said, before ``redact``."""

DEFAULT_POLICY: Final = Policy()
