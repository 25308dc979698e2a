"""Rules of one expression that users write: what they find, what is refused, and what stands for the unusable."""

from __future__ import annotations

import random
import re
import string
import sys
import types
from collections.abc import Iterator
from functools import partial

import pytest
from tests.unit.privacy.worst_cases import grows, text_of

from ezlogs.privacy import Policy, Scrubber, users
from ezlogs.privacy.guard import WINDOW
from ezlogs.privacy.users import MOST_FINDINGS, GuardedPattern, PatternError, Unusable, UserPattern, rule_of, rules_of


@pytest.fixture(params=["google-re2", "re"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """With google-re2, and without: its import fails."""
    if request.param == "re":
        monkeypatch.setitem(sys.modules, "re2", None)
    else:
        pytest.importorskip("re2", reason="google-re2 has no wheel for this Python: see the extra re2")
    return str(request.param)


@pytest.fixture
def without_re2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its import fails."""
    monkeypatch.setitem(sys.modules, "re2", None)


def test_the_engine_is_google_re2_where_it_is_installed(engine: str) -> None:
    """And Python's own, guarded, where it is not."""
    rule = rule_of("badge", "BDG-[0-9]{6}")
    assert rule.engine == engine
    assert isinstance(rule, GuardedPattern) is (engine == "re")


@pytest.mark.usefixtures("engine")
def test_a_pattern_finds_what_it_matches() -> None:
    """Wherever it is, with letters of any script before it, and half a surrogate pair."""
    rule = rule_of("badge", "BDG-[0-9]{6}")
    text = "é密 BDG-123456, \ud800 BDG-654321."
    assert [text[start:end] for start, end in rule.find(text)] == ["BDG-123456", "BDG-654321"]
    assert list(rule.find("BDG-12345")) == []
    assert list(rule.find("")) == []


@pytest.mark.usefixtures("engine")
def test_only_the_group_called_value_is_redacted_where_there_is_one() -> None:
    """What leads up to it stays; a match in which it takes no part is no finding."""
    rule = rule_of("locker", "locker (?:(?P<value>[0-9]+)|none)")
    scrubber = Scrubber(further=lambda: [rule])
    found: list[str] = []
    assert scrubber.text("has locker 12 and locker none", "m", found) == "has locker [redacted] and locker none"
    assert found == ["m: locker"]


@pytest.mark.usefixtures("engine")
def test_findings_are_treated_as_those_of_every_rule() -> None:
    """By the name, and where that ends as the name of a key does nothing is shown."""
    shown = Scrubber(policy=Policy({"badge": "mask"}), further=lambda: rules_of({"badge": "BDG-[0-9]{6}"}))
    secret = Scrubber(policy=Policy({"acme_key": "keep"}), further=lambda: rules_of({"acme_key": "BDG-[0-9]{6}"}))
    assert shown.text("BDG-123456", "m", []) == "…456"
    assert secret.text("BDG-123456", "m", []) == "[redacted]"


@pytest.mark.usefixtures("engine")
def test_one_short_word_is_looked_at_too() -> None:
    """The shortcuts of the built-in rules know nothing of it."""
    scrubber = Scrubber(further=lambda: rules_of({"initials": "XQ"}))
    assert scrubber.value("note", "XQ", "m", []) == "[redacted]"


@pytest.mark.usefixtures("engine")
def test_too_many_findings_take_the_rest_along() -> None:
    """So that no pattern can be made to search again and again."""
    spans = list(rule_of("ones", "1").find("1 " * (MOST_FINDINGS + 5)))
    assert len(spans) == MOST_FINDINGS + 1
    assert spans[-2:] == [(2 * MOST_FINDINGS - 2, 2 * MOST_FINDINGS - 1), (2 * MOST_FINDINGS, 2 * MOST_FINDINGS + 10)]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("name", "pattern", "reason"),
    [
        ("Badge", "x", "'Badge' is no name for a rule; use lower-case letters, digits and underscores"),
        ("", "x", "is no name for a rule"),
        ("1st", "x", "is no name for a rule"),
        ("too_long", "x", "'too_long' is no name for a rule"),
        ("badge", "", "not a regular expression: it is empty"),
        ("badge", "(", "not a regular expression: missing ), unterminated subpattern at position 0"),
        ("badge", "a*", "it matches what is empty, and so every text"),
        ("badge", r"x|$", "it matches what is empty, and so every text"),
        ("badge", "(?=a", "not a regular expression: missing )"),
    ],
)
def test_what_is_refused_is_told_with_its_reason(name: str, pattern: str, reason: str) -> None:
    """The same with either engine."""
    with pytest.raises(PatternError, match=re.escape(reason)):
        rule_of(name, pattern)


@pytest.mark.usefixtures("without_re2")
@pytest.mark.parametrize("pattern", [r"(a+)+b", r"(\w+)=\1", r".*x.*y"])
def test_what_could_take_too_long_is_refused_with_the_way_out(pattern: str) -> None:
    """google-re2 takes time in proportion whatever the pattern."""
    with pytest.raises(PatternError, match=r"it could take too long; .*google-re2.*pip install 'ezlogs-.*\[re2\]'"):
        rule_of("badge", pattern)


def test_with_google_re2_any_pattern_takes_time_in_proportion() -> None:
    """Those too that are refused without it."""
    pytest.importorskip("re2", reason="google-re2 has no wheel for this Python: see the extra re2")
    for pattern in ("(a+)+b", ".*x.*y", "(?:a|aa)+?b"):
        rule = rule_of("own", pattern)
        assert rule.engine == "google-re2"
        for unit in ("a", "x", "ab"):
            assert not grows(lambda text, rule=rule: list(rule.find(text)), partial(text_of, "", unit, ""))


def test_what_google_re2_does_not_know_is_guarded() -> None:
    """Looking behind, and back-references; what is refused then says so."""
    pytest.importorskip("re2", reason="google-re2 has no wheel for this Python: see the extra re2")
    rule = rule_of("badge", r"(?<!\w)BDG([- ])[0-9]{3}\1[0-9]{3}")
    assert isinstance(rule, GuardedPattern)
    assert [*rule.find("BDG-123-456 XBDG-123-456")] == [(0, 11)]
    with pytest.raises(PatternError, match="google-re2 does not know all of it; do without looking ahead"):
        rule_of("badge", r"(\w+)=\1")


def test_another_package_by_the_same_name_is_not_taken_for_google_re2(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyre2 is imported as re2 too."""
    monkeypatch.setitem(sys.modules, "re2", types.ModuleType("re2"))
    assert isinstance(rule_of("badge", "x"), GuardedPattern)


@pytest.mark.usefixtures("without_re2")
def test_a_python_that_reads_expressions_in_another_way_takes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be checked is not run."""
    monkeypatch.setitem(sys.modules, "ezlogs.privacy.guard", None)
    with pytest.raises(PatternError, match="does not say how the expression is made: it could take too long"):
        rule_of("badge", "x")


@pytest.mark.usefixtures("without_re2")
def test_a_warning_that_is_an_error_is_a_reason() -> None:
    """Python warns of what it will read in another way one day."""
    with pytest.raises(PatternError, match="not a regular expression: Possible nested set"):
        rule_of("badge", "[[a]")


@pytest.mark.usefixtures("without_re2")
def test_windows_find_what_the_whole_text_has() -> None:
    """Every match of up to half a window, across every edge; and those that go on for longer to their end."""
    source = random.Random(7)
    for pattern in (r"BDG-[0-9]{6}", r"<[a-z]{1,80}>", r"key_[A-Za-z0-9]+", r"\bend\b", r"(?<!x)y[0-9]+(?![a-z])"):
        compiled = re.compile(pattern)
        rule = GuardedPattern("own", compiled)
        for _ in range(30):
            parts = ["BDG-123456", "<abcdefgh>", f"key_{'aB3' * source.randrange(400)}", "end", "y123", "xy5", "y1a"]
            fill = (
                "".join(source.choices(string.ascii_lowercase + " ", k=source.randrange(WINDOW))) for _ in range(20)
            )
            text = " ".join(f"{noise} {source.choice(parts)}" for noise in fill)
            assert [*rule.find(text)] == [match.span() for match in compiled.finditer(text)], pattern


@pytest.mark.usefixtures("without_re2")
def test_an_empty_match_within_a_pattern_ends() -> None:
    """Looking ahead matches nothing at all, at every place."""
    assert list(GuardedPattern("own", re.compile(r"(?=a)")).find("a" * 5000)) == []


def test_what_cannot_be_used_takes_whatever_it_may_have_found() -> None:
    """The others of the same setting stay in force."""
    rules = rules_of({"broken": "(", "badge": "BDG"})
    assert [type(rule) for rule in rules] in ([Unusable, UserPattern], [Unusable, GuardedPattern])
    scrubber, found = Scrubber(further=lambda: rules), []
    value = {"note": "anything at all", "word": "shipped", "code": "X-1", "other": "BDG"}
    clean = scrubber.value("m", value, "m", found)
    assert clean == {"note": "[redacted]", "word": "shipped", "code": "[redacted]", "other": "[redacted]"}
    assert found == ["m.note: broken", "m.code: broken", "m.other: badge"]
    assert users.rules_of({}) == ()
