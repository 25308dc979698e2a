"""SQL as text: what it writes to, and fingerprints that hold no values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ezlogs
from ezlogs.testing import capture
from ezlogs.trackers import raw
from ezlogs.trackers.data import emit
from ezlogs.trackers.raw import read


@pytest.mark.parametrize(
    ("sql", "verb", "table"),
    [
        ("INSERT INTO orders (a) VALUES (:a)", "insert", "orders"),
        ("insert or ignore into orders values (1)", "insert", "orders"),
        ("INSERT IGNORE INTO orders VALUES (1)", "insert", "orders"),
        ("INSERT LOW_PRIORITY INTO orders VALUES (1)", "insert", "orders"),
        ("REPLACE INTO orders VALUES (1)", "replace", "orders"),
        ("  update\n only shop.orders set a = 1", "update", "shop.orders"),
        ("UPDATE OR ROLLBACK orders SET a = 1", "update", "orders"),
        ('DELETE FROM "My ""shop""" . "Orders"', "delete", 'My "shop".Orders'),
        ("delete from `orders` where a = 1", "delete", "orders"),
        ("DELETE FROM [dbo].[orders]", "delete", "dbo.orders"),
        ("MERGE INTO orders USING new ON (1 = 1)", "merge", "orders"),
        ("TRUNCATE TABLE orders", "truncate", "orders"),
        ("truncate orders", "truncate", "orders"),
        ("COPY orders (a) FROM STDIN", "copy", "orders"),
        ("-- delete from x\n/* update y */ DELETE FROM orders", "delete", "orders"),
        ("WITH old AS (SELECT 'delete from x' FROM y) DELETE FROM orders", "delete", "orders"),
        ("WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone", "delete", "orders"),
        ("(INSERT INTO orders VALUES (1))", "insert", "orders"),
    ],
)
def test_what_a_statement_writes_to(sql, verb, table):
    """Verb and table, in the dialects that there are."""
    written = read(sql)
    assert (written.verb, written.table) == (verb, table)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "SELECT 1",
        "SELECT 'update orders set a = 1'",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "CREATE TABLE update_me (a int)",
        "EXPLAIN DELETE FROM orders",
        "COPY orders TO STDOUT",
        "insert",
        "DELETE FROM",
        "SET x = 1",
        "/* not closed DELETE FROM orders",
        "$$ DELETE FROM orders $$",
    ],
)
def test_what_writes_nothing(sql):
    """Reads, definitions, and what cannot be read."""
    assert read(sql) is None


def test_statements_that_differ_in_values_have_one_fingerprint():
    """Values, parameters, spaces, comments and how many rows there are do not matter; names do."""
    alike = [
        "INSERT INTO orders (a, b) VALUES (1, 'Ada')",
        "insert into orders (a, b)\n values (22.5e3, 'it''s')  ;",
        "INSERT INTO orders (a, b) VALUES (:a, :b) -- a comment",
        "INSERT INTO orders (a, b) VALUES (%(a)s, %s)",
        "INSERT INTO orders (a, b) VALUES ($1, $2), ($3, $4)",
        "INSERT INTO orders (a, b) VALUES (?, ?), (?, ?), (?, ?)",
        "INSERT INTO orders (a, b) VALUES (0xff, $x$Ada$x$)",
    ]
    assert len({read(sql).fingerprint for sql in alike}) == 1
    assert read(alike[0]).fingerprint != read("INSERT INTO orders (a, c) VALUES (1, 'Ada')").fingerprint


@given(st.text())
def test_any_text_can_be_read(sql):
    """Nothing raises, whatever it is."""
    read(sql)
    read("DELETE FROM orders WHERE a = " + sql)


@given(st.text(alphabet=st.characters(blacklist_characters="\\")), st.integers(0))
def test_a_fingerprint_does_not_depend_on_values(text, number):
    """So it tells nothing of them, also where a database takes double quotes for a text's."""
    for quote in ("'", '"'):
        quoted = quote + text.replace(quote, quote * 2) + quote
        found = read(f"UPDATE orders SET a = {quoted} WHERE b = {number}")
        assert found == read(f"UPDATE orders SET a = {quote}x{quote} WHERE b = 7")


def test_where_a_text_ends_may_depend_on_the_database():
    """After a backslash in a text nothing of the statement is in the fingerprint."""
    one = read(r"UPDATE orders SET a = 'C:\', b = 'secret' WHERE c = 'x'")
    assert one == read(r"UPDATE orders SET a = 'D:\', b = 'other'")
    assert one.table == "orders"


def test_a_comment_in_a_text_is_none():
    """And a quote in a comment begins no text."""
    assert read("UPDATE orders SET a = $$ -- $$, b = '/*'") == read("UPDATE orders SET a = 'x', b = 'y'")
    assert read("/* it's */ DELETE FROM orders -- isn't") == read("DELETE FROM orders")


def test_long_statements_are_read_in_bounded_time():
    """Whatever is in them."""
    for part in ("(?, ?), ", "'", "$a$", "/*", "a.", '"', "1", "- "):
        read("INSERT INTO orders VALUES " + part * 50_000)


def test_a_statement_is_told_like_a_row_and_only_when_asked_for():
    """With the table for a subject; its type can be switched off like any other."""
    with capture() as captured:
        assert not raw.watching()
    with capture(raw_statements=True) as captured:
        assert raw.watching()
        emit(raw.observe(read("DELETE FROM orders"), rows=3, database="shop"))
        emit(raw.observe(read("DELETE FROM orders"), rows=None, database="shop"))
    known, unknown = captured.events
    assert (known.event_type, known.action, known.subject) == (
        "data.raw",
        "orders.delete",
        ezlogs.Subject("table", "orders"),
    )
    assert known.metadata["rows"] == 3
    assert "rows" not in unknown.metadata
    with capture(raw_statements=True, disabled_events=("data.raw",)):
        assert not raw.watching()
    assert not raw.watching()
