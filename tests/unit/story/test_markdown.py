"""Markdown: whatever a story holds is text there, by the book."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ezlogs import Actor, Correlation, UniversalEvent
from ezlogs.story import Story, Told, render_markdown, stories

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
PIECES = st.sampled_from([*"\\`*_{}[]()<>#|~!&@+-=.:;'\"/ 1a\n\t", "1.", "- ", "    ", "http://x.org", "&amp;", "<b>"])


def told_of(label: str) -> Story:
    """Return a story of somebody with a name of their own choice, whatever events allow."""
    told = UniversalEvent.create(
        "order.action",
        "placed",
        actor=Actor("user", "7", label),
        subject=("order", label),
        correlation=Correlation(correlation_id="s"),
    )
    [story] = stories([Told(told)])
    return story


def texts(tokens: list[Token]) -> Iterator[str]:
    """Yield the text of each paragraph, heading and item; there is nothing else in it."""
    for token in tokens:
        if token.type == "inline":
            assert {child.type for child in token.children or ()} <= {"text"}, token.content
            yield "".join(child.content for child in token.children or ())


@given(st.lists(PIECES, min_size=1, max_size=8).map("".join))
@example("1. x")
@example("12) x")
@example("+ x")
@example("- - -")
@example("    code")
@example("[a](http://b)")
def test_a_story_is_a_heading_and_a_list_of_plain_text(label: str) -> None:
    """Whatever names are in it."""
    story = told_of(label)
    tokens = READER.parse(render_markdown(story))
    kinds = [token.type for token in tokens if token.nesting >= 0]
    assert kinds == [
        *("heading_open", "inline", "bullet_list_open", "list_item_open", "paragraph_open", "inline"),
        *("paragraph_open", "inline"),
    ]
    title, sentence = list(texts(tokens[:-3]))
    assert (title, sentence) == (story.title.strip(), story.sentences[0].text.strip())


@pytest.mark.parametrize("address", ["https://evil.example", "HTTP://evil.example", "ftp://x.org", "www.evil.example"])
def test_an_address_is_no_link(address: str) -> None:
    """Also where addresses are made links by themselves, as on GitHub: there they are not when written with escapes."""
    text = render_markdown(told_of(f"Ada {address}"))
    assert not re.search(r"(?i)(https?|ftp)://|www\.", text)
    assert address in next(texts(READER.parse(text)))
