"""What databases repeat of what they were told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Scrub = Callable[[str], tuple[str, list[str]]]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO users (email, password) VALUES ('a', 'hunter2')",
        'INSERT INTO "users" ("password") VALUES ("hunter2")',
        "INSERT INTO users (id, password) VALUES (1, 'it''s hunter2')",
        "INSERT INTO users (password) VALUES ($$hunter2$$), ($x$hunter2$x$)",
        "INSERT INTO users (note, password) VALUES ('it\\'s', 'hunter2')",
        'INSERT INTO users (note, password) VALUES ("it\\"s", "hunter2")',
        "UPDATE users SET password = crypt('hunter2', gen_salt('bf')) WHERE id = 1",
        "SELECT id FROM users WHERE password IN ('hunter2')",
        "SELECT id FROM users WHERE password LIKE 'hunter2",
        "select * from users where password <> 'hunter2'",
        "DELETE FROM users WHERE name = 'x' AND password = 'hunter2'",
        "ALTER USER bob WITH PASSWORD 'hunter2'",
        "[SQL: INSERT INTO u (email, password) VALUES (?, ?)]\n[parameters: ('x', \"it's hunter2\")]",
        '[SQL: UPDATE u SET password = ? WHERE id = ?]\n[parameters: ("it\'s hunter2", 7)]',
    ],
)
def test_the_literals_of_a_statement_about_a_secret_go(scrub: Scrub, sql: str) -> None:
    """Which literal is the secret only the database knows, so all of them are redacted."""
    clean, found = scrub(sql)
    assert "hunter2" not in clean
    assert "sql" in found
    assert scrub(clean) == (clean, [])


def test_numbers_among_the_values_go_and_column_names_stay(scrub: Scrub) -> None:
    """Double quotes hold names before VALUES, and a security code is often a number."""
    clean, _ = scrub('INSERT INTO "cards" ("owner", "cvv") VALUES (\'Ada\', 123)')
    assert clean == 'INSERT INTO "cards" ("owner", "cvv") VALUES (\'[redacted]\', [redacted])'


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT "auth_user"."id", "auth_user"."password" FROM "auth_user" WHERE "auth_user"."id" = %s',
        "INSERT INTO users (email, password) VALUES (%(email)s, %(password)s)",
        "INSERT INTO orders (total, note) VALUES (9.90, 'gift')",
        "INSERT INTO users (password) VALUES ('')",
        "UPDATE users SET password = %s -- \\'",
        "Please select a password: it is 'required'",
        "an update of the token set",
    ],
)
def test_statements_that_give_nothing_away_are_kept(scrub: Scrub, sql: str) -> None:
    """Placeholders, tables without secrets and prose that sounds like SQL stay as they are."""
    clean, found = scrub(sql)
    assert "sql" not in found
    assert clean == sql or "key" in found


@pytest.mark.parametrize(
    ("message", "clean"),
    [
        (
            "DETAIL:  Failing row contains (1, Ada, hunter2, null).",
            "DETAIL:  Failing row contains [redacted]",
        ),
        (
            "Failing row contains (1, a)b, hunter2).\nCONTEXT: x",
            "Failing row contains [redacted]\nCONTEXT: x",
        ),
        ("Key (password, tenant)=(hunter2, 5) already exists.\nx", "Key (password, tenant)=[redacted]\nx"),
        (
            "Duplicate entry 'hunter2' for key 'users.password'",
            "Duplicate entry '[redacted]' for key 'users.password'",
        ),
    ],
)
def test_rows_in_database_errors_go(scrub: Scrub, message: str, clean: str) -> None:
    """PostgreSQL and MySQL quote rows and keys in their messages."""
    assert scrub(message) == (clean, ["row"])
    assert scrub(clean) == (clean, [])


@pytest.mark.parametrize(
    "message",
    [
        "Key (order_id, tenant)=(7, 5) already exists.",
        "Duplicate entry '7' for key 'orders.PRIMARY'",
        "Duplicate entry '[redacted]' for key 'users.password'",
    ],
)
def test_keys_of_ordinary_columns_stay(scrub: Scrub, message: str) -> None:
    """An order's number in an error message is what one needs to see."""
    assert scrub(message) == (message, [])
