"""Secrets that free text gives a name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Scrub = Callable[[str], tuple[str, list[str]]]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("password=hunter2", "password=[redacted]"),
        ("login failed: password=hunter2, user=bob", "login failed: password=[redacted], user=bob"),
        ("password = hunter,2 next", "password = [redacted] next"),
        ("User(name='bob', password='hunter2')", "User(name='bob', password='[redacted]')"),
        ("User(password=hunter2)", "User(password=[redacted])"),
        ("password=hun)ter2", "password=[redacted]"),
        ("{'password': 'hunter2', 'a': 1}", "{'password': '[redacted]', 'a': 1}"),
        ("""{'password': "hun'ter2"}""", """{'password': "[redacted]"}"""),
        ("""{"pwd": "hun\\"ter2"}x""", """{"pwd": "[redacted]"}x"""),
        (
            """body {\\"pwd\\": \\"hunter2\\", \\"a\\": 1}""",
            """body {\\"pwd\\": \\"[redacted]\\", \\"a\\": 1}""",
        ),
        ("""body {\\"pwd\\": \\"hunter2""", """body {\\"pwd\\": \\"[redacted]"""),
        ("x {'cvv': 123}", "x {'cvv': [redacted]}"),
        ("password='it''s me'", "password='[redacted]'"),
        ("passwords: ['a b', 'c'] end", "passwords: [redacted] end"),
        ("credentials={'user': 'a]', 'n': {'x': 1}} end", "credentials=[redacted] end"),
        ("secret: (never closed", "secret: [redacted]"),
        ("password=crypt('hun ter2', gen_salt('bf')) end", "password=[redacted] end"),
        ("password='cut off", "password='[redacted]"),
        ("a=1&password=x%20y&b=2", "a=1&password=[redacted]&b=2"),
        ("user[password]=x&user[name]=y", "user[password]=[redacted]&user[name]=y"),
        ("host=db;Password=x;Port=1", "host=db;Password=[redacted];Port=1"),
        ("password: hunter2\nnext: line", "password: [redacted]\nnext: line"),
        ("set (password)=(hunter2) now", "set (password)=[redacted] now"),
        ("'token' => 'abc'", "'token' => '[redacted]'"),
        ("Authorization: Token abc def", "Authorization: [redacted]"),
        ('Cookie: a=b; c="d"; e\nHost: x', "Cookie: [redacted]\nHost: x"),
        ("curl -H 'Authorization: Custom a b' https://x", "curl -H 'Authorization: [redacted]' https://x"),
        ("'Cookie: a=b", "'Cookie: [redacted]"),
        ("mysql --password hunter2 -h db", "mysql --password [redacted] -h db"),
        ("<password>correct horse</password>", "<password>[redacted]</password>"),
        ("<x/></x><ns:pin a='1'>12", "<x/></x><ns:pin a='1'>[redacted]"),
        ("[('password', 'hunter2'), ('a', 'b')]", "[('password', '[redacted]'), ('a', 'b')]"),
        ("(b'cookie', b'a=b')", "(b'cookie', b'[redacted]')"),
        ("p\u0430ssword=hunter2", "p\u0430ssword=[redacted]"),
        ("pass\u200bword=hunter2", "pass\u200bword=[redacted]"),
    ],
)
def test_a_value_with_a_telling_name_is_redacted(scrub: Scrub, text: str, clean: str) -> None:
    """Whatever the notation, the value goes, all of it, and the rest of the text stays."""
    left, found = scrub(text)
    assert left == clean
    assert found[0] == "key"
    assert scrub(clean) == (clean, [])


@pytest.mark.parametrize(
    "text",
    [
        "password=[redacted]",
        "{'password': '[redacted]'}",
        "password=***",
        'WHERE "password" = %s',
        "WHERE password = :password",
        "WHERE password = $1 OR password = ?",
        "def login(name: str, password: str) -> None",
        "check(password=password, token=None)",
        "token_count=5 author: bob",
        'password="" next',
        "password=",
        "time: 12:30:45",
        "a = b, c == d",
        "InvalidTokenError: Signature verification failed",
        "<a href='x'>text</a>",
        "--verbose yes",
    ],
)
def test_what_gives_nothing_away_is_left_alone(scrub: Scrub, text: str) -> None:
    """Placeholders, types, empty values and what is redacted already are kept."""
    assert scrub(text) == (text, [])


def test_a_bind_parameter_of_another_name_is_not_trusted(scrub: Scrub) -> None:
    """``:hunter2`` is no placeholder for a password."""
    assert scrub("password=:hunter2") == ("password=[redacted]", ["key"])
