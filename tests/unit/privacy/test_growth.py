"""No text makes privacy hang: every expression, every rule and the scrubber as a whole take time in proportion."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import partial

import pytest
from tests.unit.privacy import worst_cases
from tests.unit.privacy.worst_cases import attacks, expressions, grows, text_of, use_of

from ezlogs.expressions import expression
from ezlogs.privacy import DEFAULT_RULES, Pattern, Rule, Scrubber, urls
from ezlogs.privacy.rule import Clue

EXPRESSIONS = expressions()
RULES = {f"{rule.name}#{number}": rule for number, rule in enumerate(Scrubber().search(in_url=True).rules)}

#: What begins many things and ends none, what nests, and what nearly is something.
UNITS = (
    *("a", "1", " ", "\n", "\\", "_", "-", ".", "/", "%", "'", '"', "`", "(", "[", "{", "<", "=", ":", "@", ",", "+"),
    *("é", "密", "a1", "1 ", "1-", "1.", "a.", "a-", "a@", "@a.", "a=", "a: ", "a,", "--a ", "%41", "\\'", "''", '\\"'),
    *("\\\\u0041", "\r\n", "<a>", "</a", "<a ", "[[", "({", "()", "['", "('a', ", "{'a': ", '"a": "', "$a$", "$$"),
    *("password=", "password='", 'password="a', "password=(", "password=[{", "password: ", "<password>", "`'\""),
    *("'password', ", "your password is ", "otp for a ", "12345 is your ", "pin ", "password=\\", 'password=\\"', "b'"),
    *("authorization: ", "Bearer ", "Basic YWFh", "Digest a=b, ", 'Digest a="', "://a:", "://a@", "a:b@", "a/b@//"),
    *("insert into a (password) values ('", "select password from a where b = '", "key (password)=(", "--password "),
    *(
        "duplicate entry 'a",
        "-----BEGIN PRIVATE KEY-----\n",
        "-----END PRIVATE KEY-----",
        "PRIVATE KEY",
        "a" * 44 + "\n",
    ),
    *(
        "4111 1111 ",
        "4111-",
        "GB82 WEST ",
        "DE89",
        "123-45-",
        "+44 ",
        "(020) ",
        "203.0.113.",
        "2001:db8:",
        "::",
        "1:2:",
    ),
    *("eyJhbGciOi", "eyJ.", "ghp_", "sk-", "AKIA", "xoxb-", "SG.", "AccountKey=", "?token=", "&sig=", "#code=", ";a="),
    b64encode(b"password=hunter2 ").decode(),
    b64encode(b"a" * 30).decode() + " ",
)


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_an_expression_takes_time_in_proportion(place: str) -> None:
    """Whatever text is made from its own parts."""
    pattern = EXPRESSIONS[place]
    run = use_of(place, pattern)
    bad = next((attack.args for attack in attacks(pattern.pattern, pattern.flags) if grows(run, attack)), None)
    assert bad is None, f"{pattern.pattern!r} takes more than in proportion for {bad!r}"


@pytest.mark.parametrize("name", RULES)
def test_a_rule_takes_time_in_proportion(name: str) -> None:
    """For whatever its clues and ordinary text are made of, over and over."""
    rule = RULES[name]
    some = rule.clues[:: 1 + len(rule.clues) // 30]  # names are many, and many alike
    units = dict.fromkeys((*UNITS, *(spelled for clue in some for spelled in near(clue))))
    bad = next(
        (unit for unit in units if grows(lambda text: list(rule.find(text)), partial(text_of, "", unit, ""))), None
    )
    assert bad is None, f"the rule {rule.name} takes more than in proportion for {bad!r}, over and over"


@pytest.mark.parametrize("unit", UNITS)
def test_a_text_is_scrubbed_in_proportion(unit: str) -> None:
    """With every rule, in every encoding that is looked into, as text and as a URL."""
    scrubber = Scrubber()
    scrubber.search()
    for scrub in (scrubber.text, scrubber.url):
        assert not grows(partial(scrub, path="m", found=[]), partial(text_of, "", unit, "")), scrub.__name__


def near(clue: Clue) -> tuple[str, ...]:
    """What nearly is what a clue stands for."""
    text = clue.decode() if isinstance(clue, bytes) else clue
    return text, f"{text} ", f"{text}=", f"{text}a1", text.replace("0", "4 ")


def test_expressions_are_found_wherever_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a module itself, in rules, in tuples and mappings, in what a function encloses or a method belongs to."""
    new = [expression(f"new{number}") for number in range(8)]

    def enclosing(text: str, default: object = new[1]) -> bool:
        return bool(new[0].search(text)) and default is None

    places = {
        "_A": enclosing,
        "_B": (Pattern("b", (), new[2]),),
        "_C": {"c": new[3]},
        "_D": new[4].fullmatch,
        "_E": partial(re.split, new[5]),
        "_F": type("Held", (), {"__module__": "ezlogs.privacy.urls", "held": new[6]}),
        "_G": re.compile("new7"),
    }
    for name, value in places.items():
        monkeypatch.setattr(urls, name, value, raising=False)
    assert {f"new{number}" for number in range(8)} <= {pattern.pattern for pattern in expressions().values()}


def test_every_module_with_expressions_is_looked_into() -> None:
    """Those that are known to have some."""
    modules = {place.partition(".")[0] for place in EXPRESSIONS}
    assert len(EXPRESSIONS) > 100
    assert {"assignments", "contact", "credentials", "national_ids", "prose", "sql", "urls", "vendor_keys"} <= modules


def test_what_is_only_matched_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A match is tried at one place, a search at all; whoever does both is taken at the worst."""
    monkeypatch.setattr(worst_cases, "_sources", lambda: "_ONE.match(a) _BOTH.match(a) _BOTH.search(a) X_ONE.sub(a)")
    squared, text = re.compile("a+b"), partial(text_of, "", "a", "")
    assert not grows(use_of("urls._ONE#1", squared), text, 2_000)
    assert grows(use_of("urls._BOTH#1", squared), text, 2_000)
    assert grows(use_of("urls._UNKNOWN#1", squared), text, 2_000)


def test_rules_are_found() -> None:
    """Those that are built in, and those that work by name."""
    assert {"card", "email", "jwt", "key", "sql", "url_parameter"} <= {rule.name for rule in RULES.values()}
    assert len(RULES) > len(DEFAULT_RULES)


@pytest.mark.parametrize("pattern", [r"a+b", r'"[^\']*x', r"(?i:key)\s*\s*=", r"<!--.*?-->", r"(?:begin|end).*?\bof\b"])
def test_what_takes_more_than_in_proportion_is_seen(pattern: str) -> None:
    """A square is found by the texts that are made from the expression."""
    compiled = re.compile(pattern)
    assert any(grows(lambda text: list(compiled.finditer(text)), attack, 2_000) for attack in attacks(pattern))


@pytest.mark.parametrize("pattern", [r"ab", r"[a-z]{3,20}", r"key=\w{1,64}x", r"(?<!\w)\w+", r"a{0,16}b"])
def test_what_takes_time_in_proportion_is_not_taken_for_more(pattern: str) -> None:
    """Bounded repetitions and beginnings that nothing may stand before."""
    compiled = re.compile(pattern)
    assert not any(grows(lambda text: list(compiled.finditer(text)), attack, 2_000) for attack in attacks(pattern))


def test_a_rule_that_takes_the_square_is_seen() -> None:
    """Every text over and over is tried on it."""

    class Squared:
        name, clues = "squared", ("=",)

        def find(self, text: str) -> list[tuple[int, int]]:
            return [(start, start + 1) for start in range(0, len(text), 8) if "never" in text[start:]]

    rule: Rule = Squared()  # type: ignore[assignment]  # it returns what others yield
    assert grows(lambda text: list(rule.find(text)), partial(text_of, "", "a", ""))
