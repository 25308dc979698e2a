"""The fast path finds what the plain one finds, and time grows with the length of a text, not with its square."""

from __future__ import annotations

import os
import re
import time
from datetime import date, datetime, timedelta, timezone
from datetime import time as time_of_day

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ezlogs.privacy import Pattern, Rule, Scrubber
from ezlogs.privacy.rule import Finder
from ezlogs.privacy.runs import runs_of
from ezlogs.privacy.search import Search
from ezlogs.privacy.words import is_moment_or_amount, is_one_word

SEARCH = Scrubber().search(in_url=True)
INTERRUPTING = Scrubber().search(in_url=True)
for _long in (INTERRUPTING._any_word, INTERRUPTING._words):
    _long._compiled_in = os.getpid()  # type: ignore[attr-defined]  # for ever, as it is for a handler that interrupts
EVERY_RULE = Search(Finder(rule.name, (), rule.find) for rule in SEARCH.rules)

FRAGMENTS = """
    ada@example.com 4111111111111111 4111-1111-1111-1111 GB82WEST12345698765432 123-45-6789 +442079460958
    (415)555-2671 eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc Bearer Basic Ym9iOmh1bnRlcjI= password= pwd: "token":
    'secret' --password hunter2 postgres://bob:hunter2@db AKIAIOSFODNN7EXAMPLE sk_live_0123456789ab ( ) [ ] { } ' "
    \\" \\' INSERT INTO VALUES select from update set Failing row contains Key (password)=( Duplicate entry '1' for
    key 'users.password' <pin> </pin> % %40 \\u0040 ?code=abc &sig=x , ; : = -----BEGIN PRIVATE KEY-----
    Digest response= signature="abc" mac= Token apikey SSWS negotiate YIIJaB3dE5gH7jK9mN2pQ4 0123456789abcdef0123
    aws secret aB3dE5gH7jK9mN2pQ4rS6tU8vW1xY0zAaB3dE5gH bob:hunter2@ tcp( db:5432 scott/tiger@ //db -----END sk-ant-
    ntn_ EAAA IQoJb3JpZ2lu 123456789:AA 529.982.247-25 11.222.333/0001-81 12345678Z RSSMRA85T10A562S AAAPL1234C
    2341-2341-2346 811218-9876 AB123456C 130-692-544 912-70-1234 phone call 07700900123 SIN BSN nino pan dni
    cGFzc3dvcmQ9aHVudGVyMg== https://example.com/ [redacted] Authorization: Cookie: \u0661\u0662 \uff20 \u200b é 00
""".split()  # noqa: SIM905 - fifty fragments read better as text

texts = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.one_of(st.sampled_from(FRAGMENTS), st.sampled_from([" ", "\n", "x", "1", "-"]), st.text(max_size=4)),
        max_size=12,
    ).map("".join),
    st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(" ".join),
)


@settings(max_examples=1500, deadline=None)
@given(texts)
def test_the_prefiltered_search_finds_what_every_rule_finds(text: str) -> None:
    """No clue keeps a rule from a text in which it would find something."""
    assert SEARCH.findings(text) == EVERY_RULE.findings(text)


@settings(max_examples=500, deadline=None)
@given(texts)
def test_who_interrupts_the_first_search_finds_the_same(text: str) -> None:
    """While what is looked for is compiled, one word is looked for after the other."""
    assert INTERRUPTING.findings(text) == SEARCH.findings(text)


@settings(max_examples=1500, deadline=None)
@given(texts)
def test_findings_lie_within_the_text(text: str) -> None:
    """Each finding is a part of the text, and not an empty one."""
    assert all(0 <= start < end <= len(text) for start, end, _ in SEARCH.findings(text))


def test_overlapping_findings_become_one_run() -> None:
    """The parts of findings that overlap are not replaced twice, those that touch are kept apart."""
    runs = runs_of([(5, 8, "b"), (1, 3, "a"), (1, 4, "c"), (8, 9, "d")])
    assert [(run.start, run.end, run.rules) for run in runs] == [(1, 4, ("c", "a")), (5, 8, ("b",)), (8, 9, ("d",))]


def test_what_gives_access_decides_about_a_run() -> None:
    """Who sees an address and a password in the same place must take it for a password."""
    (run,) = runs_of([(0, 20, "email"), (4, 8, "github_key")])
    assert (run.rule, run.secret, run.rules) == ("github_key", True, ("email", "github_key"))


def test_what_was_found_in_a_text_is_found_again() -> None:
    """From memory, which tells texts of different lengths apart and holds none of them."""
    search = Search([Pattern("x", (), re.compile("hunter2"))])
    first = search.runs("a hunter2 here")
    assert search.runs("a hunter2 here") is first
    assert [(run.start, run.end) for run in first] == [(2, 9)]
    assert search.runs("no such thing here") == ()
    assert "hunter" not in repr(search._known)


def test_a_rule_without_clues_sees_every_text() -> None:
    """Clues are optional."""
    rule = Pattern("x", (), re.compile("never seen"))
    assert Search([rule]).findings("it was never seen before") == [(7, 17, "x")]


WORST = {
    "digits": "1",
    "spaced digits": "1 ",
    "card-like": "4111 ",
    "at signs": "a@",
    "dots": "a.",
    "domains": "a@b.c",
    "words": "a",
    "equals": "a=",
    "denied": "password=",
    "denied and quoted": "password='",
    "escaped quotes": "password=(\\'",
    "open brackets": "password=(",
    "schemes": "://a:",
    "begin": "-----BEGIN PRIVATE KEY-----",
    "bearer": "bearer ",
    "dashes": "--a ",
    "tags": "<pin>",
    "tag attributes": "</<a x",
    "jwt": "eyJ",
    "jwt parts": "eyJaaaaaaaaaaaaaa.",
    "percent": "%40",
    "percent signs": "%",
    "escapes": "\\u00",
    "base64": "YWJj",
    "country codes": "GB82 ",
    "sql": "select password from 'x' values (1, 'y') ",
    "sql quotes": "insert into password values ''",
    "dollars": "select password from $a$",
    "commas": "password=a,",
    "pairs": "('a', 'b",
    "rows": "failing row contains (",
    "duplicates": "duplicate entry '",
    "phones": "+4 ",
    "white space": " ",
    "zero width": "\u200b",
    "backslashes": "\\",
    "quotes": "\"'",
    "ends of keys": "-----END PRIVATE KEY-----",
    "lines of keys": "aB3d" * 16 + "\n",
    "lines and an end": "aB3d" * 16 + "\n" + "-----END PRIVATE KEY-----",
    "digest": 'digest a="',
    "digest parameters": "digest a=b,",
    "parameters": 'a="b", ',
    "signed": "hmac-sha256 a=1 ",
    "tokens": "token a1",
    "negotiations": "negotiate YIaa",
    "credentials of hosts": "a:b@c:",
    "names and passwords": "a:b",
    "dotted hosts": "a:b@c.d",
    "oracles": ":thin:a/b",
    "slashes": "a/",
    "brackets": "[(",
    "colons": ":",
    "keys of AWS": "aws " + "aB3d" * 10,
    "telegrams": "12345678:AA",
    "plus signs": "+",
    "letters and digits": "AB12",
    "capitals": "ABCDEF",
    "groups of three": "123 ",
    "groups of three with dots": "123.",
    "groups of three with dashes": "123-",
    "pairs of digits": "12 ",
    "fours with dashes": "2341-",
    "telling words": "phone ",
    "telling words in one": "telephone",
    "zeros": "0 ",
    "calls": "call 0",
    "words and numbers": "sin 130692544 ",
    "vendors": "sk-ghp_xoxb-secret_ntn_EAAA",
    "names of names": 'name="a" ',
    "names and attributes": 'name="password" a="b" ',
    "values first": 'value="x" ',
    "key elements": "<key>a</key>",
    "form fields": 'form-data; name="a"\n',
    "blocks": "password: |\n  a\n",
    "what was wrong": "password\n  bad input_value=",
    "places": "'loc': ('a', ",
    "cookies": "a=b; path",
    "calls with texts": "set_password('",
    "sentences": "your code is ",
    "sentences of whom": "pin for a ",
    "values before names": "4829 is your a ",
    "uses": "use 12345 to a a ",
    "groups of a number": "passport 12 34 ",
    "passphrases": "passphrase is a a ",
    "codes without spaces": "密码是ab",
    "commands": "mysql -p ",
    "quoted commands": "curl -u 'a",
    "hashes": "$2b$12$",
    "derived hashes": "pbkdf2:sha256:1$",
    "entities": "&quot;",
    "form spaces": "a=b+",
}


def seconds(rule: Rule, text: str) -> float:
    """The least CPU time of three searches."""
    best = float("inf")
    for _ in range(3):
        start = time.thread_time()
        list(rule.find(text))
        best = min(best, time.thread_time() - start)
    return best


@pytest.mark.parametrize("rule", SEARCH.rules, ids=lambda rule: rule.name)
def test_every_rule_takes_time_linear_in_the_length_of_the_text(rule: Rule) -> None:
    """Four times the text takes about four times as long, where a square would take sixteen."""
    for unit in WORST.values():
        for shape in (unit, unit + "x", "password: " + unit):
            short, long = shape * (2000 // len(shape)), shape * (8000 // len(shape))
            rounds = []
            for _ in range(5):  # the machine may be busy: a square would show in every round
                rounds.append((seconds(rule, short), seconds(rule, long)))
                if rounds[-1][1] < 9 * rounds[-1][0]:
                    break
            # Microseconds are noise: only what could hurt is compared.
            assert any(after < 0.002 or after < 9 * before for before, after in rounds), f"{shape!r}: {rounds}"


@given(st.text(max_size=20) | st.from_regex(r"[A-Za-z0-9_]{0,16}", fullmatch=True))
def test_what_is_known_to_be_clean_without_a_search_is_one_short_word(text: str) -> None:
    """The quicker question that is asked first changes no answer."""
    scrubber = Scrubber()
    scrubber.search()
    assert scrubber.is_clean(text) == (is_one_word(text) or is_moment_or_amount(text))


zones = st.none() | st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)


@settings(max_examples=500)
@given(
    st.datetimes(timezones=zones).map(datetime.isoformat)
    | st.dates().map(date.isoformat)
    | st.times(timezones=zones).map(time_of_day.isoformat)
    | st.from_regex(r"-?[0-9]{1,8}(\.[0-9]{1,6})?", fullmatch=True)
)
def test_no_rule_finds_anything_in_a_time_or_in_a_small_amount(text: str) -> None:
    """So they need no search, although they are full of digits."""
    assert is_moment_or_amount(text)
    assert not [rule.name for rule in SEARCH.rules if list(rule.find(text))]


@pytest.mark.parametrize(
    "text", ["123456789", "1.2.3.4", "2026-03-01 4111", "٣", "12.5\n", "", "-", "4111111111111111"]
)
def test_what_only_begins_like_one_is_searched(text: str) -> None:
    """Nothing may hide behind a date."""
    assert not is_moment_or_amount(text)
