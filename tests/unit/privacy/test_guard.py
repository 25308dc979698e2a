"""The guard takes expressions that are fast on every text, and names what makes others slow."""

from __future__ import annotations

import re
import sys

import pytest
from tests.unit.privacy.worst_cases import attacks, grows

from ezlogs.privacy.guard import trouble_in
from ezlogs.privacy.users import GuardedPattern

FAST = [
    r"BDG-[0-9]{6}",
    r"\d+",
    r"é+É",
    r"\s+$",
    r"\bACC-\d{4}-\d{4}\b",
    r"[A-Z]{2}\d{6}[A-D]?",
    r"[a-z.]+@example\.com",
    r"\w+@\w+\.com",
    r"\S+@\S+",
    r"\d+\s*\d+",
    r"\d+\w+",
    r"(?i)key\s*=\s*\w+",
    r"(?i:Key)\s*=\s*\w+;",
    r"(?:[a-z]+\.)+com",
    r"(?:\d{4}[ -]?){3}\d{4}",
    r"(?:foo|bar)\w+\d",
    r"(?:a|b|c)+d",
    r"(?:ab|ac)+d",
    r"(a*?b)*c",
    r"([- ])\d\1",
    r"<note>.*?</note>",
    r"(?=\w+x)a",
    r"(x)?(?(1)\d+|\w)z",
    r"(x)?(?(1)\d+)z",
    r"(?<![\w-])\d{9}(?![\w-])",
    r"[^a]+a",
    r"[^ab]+b",
    r"(?:^|b)a+c",
    r"x(?:(?:ab)?c)+[\u0660-\u0669]",
]

SLOW = {
    r"(a+)+b": "a repetition within a repetition",
    r"(a|aa)+b": "a repetition within a repetition",
    r"(?:a?b?)+c": "a repetition within a repetition",
    r"(?:(?:a+)?b?){600,}c": "a repetition within a repetition",
    r"(\w+)=\1": "a back-reference to a repetition",
    r"(\d*)x\1": "a back-reference to a repetition",
    r"(a{1,3}){2}\1": "a back-reference to a repetition",
    r"(a|aa){30}b": "repetitions that can take each other's characters",
    r"(?:(?:a?){20}){20}b": "repetitions that can take each other's characters",
    r"(?:bx?a|[bc]a){12}d": "repetitions that can take each other's characters",
    r"a{0,1000}a{0,1000}b": "repetitions that can take each other's characters",
    r".*x.*y": "repetitions that can take each other's characters",
    r"\d+\s*\d+x": "repetitions that can take each other's characters",
    r"\w+[a-z]{20}": "repetitions that can take each other's characters",
    r"(?i)é+É+x": "repetitions that can take each other's characters",
    r"(?i:k)+[\u212a]+x": "repetitions that can take each other's characters",
    r"x(?!\w+\w+y)": "repetitions that can take each other's characters",
    r"\w?b*?(?![ab]{1,80})c": "repetitions that can take each other's characters",
    r"a+(?:b|a+)c": "repetitions that can take each other's characters",
    r"a+(?:a?)+?b": "a repetition within a repetition",
    r"aa+(?:aaaaaaaaaaaa)x": "repetitions that can take each other's characters",
}


@pytest.mark.parametrize("pattern", FAST)
def test_what_is_fast_is_taken(pattern: str) -> None:
    """A place for each repetition to end, one repetition that nothing ends, choices that the next character makes."""
    assert trouble_in(pattern) == ""


@pytest.mark.parametrize("pattern", FAST)
def test_what_is_taken_is_fast(pattern: str) -> None:
    """Over the texts that make it work in vain."""
    rule = GuardedPattern("own", re.compile(pattern))
    slow = next(
        (make.args for make in attacks(pattern) if grows(lambda text: list(rule.find(text)), make, 4_000)), None
    )
    assert slow is None


@pytest.mark.parametrize(("pattern", "trouble"), SLOW.items())
def test_what_may_be_slow_is_named(pattern: str, trouble: str) -> None:
    """Nested repetitions, back-references to what may be long, and repetitions without a place to end."""
    assert trouble_in(pattern) == trouble


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no atomic groups")
@pytest.mark.parametrize(
    ("pattern", "trouble"),
    [
        (r"(?>a+)b", ""),
        (r"[ab]*+c", ""),
        (r"(?>a+)+b", ""),
        (r"(?>\w+\w+\w+y)x", "repetitions that can take each other's characters"),
    ],
)
def test_what_gives_nothing_back_is_one_way(pattern: str, trouble: str) -> None:
    """Atomic groups and possessive repetitions; what is tried in them counts all the same."""
    assert trouble_in(pattern) == trouble


def test_a_slow_one_would_be_seen() -> None:
    """The texts of these tests show it, where neither the guard is asked nor the window used."""
    slow = re.compile(r"\d+x")
    assert any(grows(lambda text: list(slow.finditer(text)), make, 2_000) for make in attacks(slow.pattern))
