"""Stories in another language, and events told in an application's own words."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.story.conftest import Scene, checkout
from tests.unit.story.test_golden import SCENES

import ezlogs
from ezlogs import Change
from ezlogs.phrases import registered
from ezlogs.story import render_markdown, render_text, stories
from ezlogs.story.language import ENGLISH, Language
from ezlogs.story.messages import ENGLISH as MESSAGES
from ezlogs.story.registry import NONE, Phrases, UnknownField

GERMAN = Language(
    {
        "business": "{who} hat {thing} {verb}",
        "verb.placed": "aufgegeben",
        "noun.order": "Bestellung|Bestellungen",
        "noun.orderitem": "Posten|Posten",
        "row": "Zeile|Zeilen",
        "rows.several": "{what} wurden {verb}",
        "verb.saved": "gespeichert",
        "job": "Auftrag {job}",
        "job.then": "{job} {earlier}, dann {end}",
        "job.failed_times": "scheiterte {times}{why}",
        "job.ran_in": "lief er in {time}",
        "twice": "zweimal",
        "mail.one": "{what} ging{reach}{also} hinaus",
        "mail.the": "Die Mail {mail}",
        "mail.to": " an {recipients}",
        "recipient": "Empfänger|Empfänger",
        "outcome.Completed with retries": "Nach Wiederholungen erledigt",
        "closing.in": "{outcome}, in {time}.",
        "note.beginnings": "Es gibt {number} Anfänge.",
    },
    thousands=".",
    decimal=",",
)


def test_a_story_is_told_in_another_language(scene: Any) -> None:
    """Its sentences and how it came out; what is not translated is English."""
    (story,) = stories(checkout(scene).received, language=GERMAN)
    assert render_text(story) == (
        "Ada hat Bestellung 42 aufgegeben (POST /orders, 201, 84 ms). "
        "3 Zeilen wurden gespeichert: 1 Bestellung, 2 Posten. "
        "Auftrag send_receipt scheiterte zweimal (SMTPServerDisconnected), dann lief er in 1,2 s. "
        "Die Mail receipt ging an 1 Empfänger hinaus.\n"
        "Nach Wiederholungen erledigt, in 7,2 s."
    )
    assert story.outcome == "Completed with retries", "for programs it is what it was"


def test_every_message_can_be_given() -> None:
    """No English is left in a story of a language that has all messages: each is marked, and all of them are."""
    marked = Language({name: text if "|" in text else f"¤{text}" for name, text in MESSAGES.items()})
    for play in SCENES.values():
        scene = Scene()
        play(scene)
        (story,) = stories(scene.received, language=marked)
        assert all("¤" in sentence.text for sentence in story.sentences)
        assert story.closing.startswith("¤")
        assert story.closing.count("¤") >= 2


def test_a_wrong_message_is_refused_with_what_is_right() -> None:
    """Whoever translates is told where."""
    with pytest.raises(ValueError, match="message 'busines' is not known; did you mean 'business'"):
        Language({"busines": "x"})
    with pytest.raises(ValueError, match=r"message 'business' has no \{whom\}; it has thing, verb, who"):
        Language({"business": "{whom} {verb}"})
    with pytest.raises(ValueError, match="is not known"):
        Language({"qqqqqqqq": "x"})


def test_languages_have_other_plurals_and_numbers() -> None:
    """A language with three forms, and no word for none."""
    polish = Language(
        {"row": "wiersz|wiersze|wierszy"},
        form=lambda number: 0 if number == 1 else 1 if number % 10 in (2, 3, 4) and number % 100 // 10 != 1 else 2,
        thousands=" ",
    )  # fmt: skip
    assert [polish.counting(number, "row") for number in (1, 3, 12, 1204)] == [
        "1 wiersz", "3 wiersze", "12 wierszy", "1 204 wiersze",
    ]  # fmt: skip
    assert ENGLISH.counting(0, "row") == "no rows"
    assert ENGLISH.noun("order") is None
    assert [ENGLISH.duration(seconds) for seconds in (0.0001, 0.084, 1.24, 31, 125, 3720, 7200)] == [
        "under 1 ms", "84 ms", "1.2 s", "31 s", "2 min 5 s", "1 h 2 min", "2 h",
    ]  # fmt: skip


def told(scene: Scene, phrases: Phrases) -> str:
    """Return the sentences of a scene that is told with phrases."""
    (story,) = stories(scene.received, phrases=phrases)
    return " ".join(sentence.text for sentence in story.sentences)


def test_an_application_tells_its_events_in_its_own_words(scene: Any) -> None:
    """A row, a business event and a whole event type; what the request was about is what has a phrase."""
    phrases = Phrases()
    phrases.add("order.create", "{actor} opened order {subject.id} with {metadata.table}")
    phrases.add("cart.filled", "The cart has {metadata}")
    phrases.add("order.action placed", "{actor.label} ordered {subject} for {metadata.total} euros")
    with scene.request("POST /orders/", 201, 0.084):
        scene.row("order.create", 42)
        scene.row("orderitem.create", 1)
        scene.now = 0.01
        scene.tell("order.action", "placed", subject=("order", 42), metadata={"total": 1204})
        scene.now = 0.02
        scene.tell("cart.action", "filled", metadata={"cups": 2})
    assert told(scene, phrases) == (
        "Ada opened order 42 with shop_order (POST /orders, 201, 84 ms). Order item 1 was created. "
        "Ada ordered order 42 for 1,204 euros. The cart has cups 2."
    )


def test_a_phrase_is_for_events_that_ended_so(scene: Any) -> None:
    """What failed is not told as if it had not; values are shortened, and what is missing is nothing."""
    phrases = Phrases()
    phrases.add("order.placed", "{actor} ordered")
    phrases.add("order.placed", "{actor} could not order{metadata.why}: {changes.note} {duration} {action}.", "failure")
    for outcome in ("success", "failure", "dead"):
        scene.tell(
            "order.action", "placed", outcome=outcome, subject=("order", 1), changes=(Change("note", after="x" * 99),)
        )
    text = told(scene, phrases)
    assert text.startswith(
        f"Ada ordered. Ada could not order: {'x' * 59}…  placed. Ada tried, but order 1 was not placed"
    )


def test_a_function_decides_and_one_that_fails_costs_nothing(scene: Any) -> None:
    """None, an error, or a template with what nobody knows: the usual words are used."""
    phrases = Phrases()
    phrases.add("order.paid", lambda event: "{actor} paid" if event.metadata.get("total") else None)
    phrases.add("order.sent", lambda _: 1 / 0)
    phrases.add("order.seen", lambda _: "{actor.__class__} {nonsense}")
    for action, metadata in (("paid", {"total": 1}), ("paid", {}), ("sent", {}), ("seen", {})):
        scene.tell("order.action", action, subject=("order", 1), metadata=metadata)
    assert told(scene, phrases) == "Ada paid. Ada paid order 1. Ada sent order 1. Ada did seen on order 1."


def test_braces_in_values_are_text(scene: Any) -> None:
    """What a customer typed in is not a template."""
    phrases = Phrases()
    phrases.add("order.placed", "{actor} wrote {metadata.note}")
    scene.tell("order.action", "placed", metadata={"note": "{actor.__class__}"})
    assert told(scene, phrases) == "Ada wrote {actor.__class__}."


def test_a_template_with_an_unknown_field_is_refused() -> None:
    """At once, where it is given."""
    with pytest.raises(UnknownField, match=r"phrase 'order.placed': \{customer\} is not known; use actor, subject"):
        Phrases().add("order.placed", "{customer} ordered")
    assert not NONE


def test_the_front_door_registers_phrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a call and as a decorator, which returns the function."""
    monkeypatch.setattr(registered, "_templates", {})
    ezlogs.phrase("order.placed", "{actor} ordered")

    @ezlogs.phrase("order.paid", outcome="failure")
    def paid(event: ezlogs.UniversalEvent) -> str:
        return "{actor} could not pay"

    assert callable(paid)
    assert registered


def test_markdown_has_no_markup_of_others(scene: Any) -> None:
    """Labels are text there, whatever they hold; linked stories are named."""
    scene.tell(
        "order.action", "placed", subject=("order", "<b>[x](http://evil)`"), where={"linked_correlation_id": "s-2"}
    )
    text = render_markdown(scene.story)
    assert "## Ada placed order \\<b\\>\\[x\\](http\\://evil)\\`" in text
    assert "Services: shop-web. Goes on from: s-2." in text
