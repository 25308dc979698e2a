"""Clean ids: no e-mail address and no card number leaves for another process as the id of a flow, session or actor."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from opentelemetry import propagate
from opentelemetry.context import Context

import ezlogs
from ezlogs.correlation import Correlation, current, placed
from ezlogs.event import Actor
from ezlogs.handover import for_program
from ezlogs.propagation.clean import clean_actor, clean_id
from ezlogs.propagation.egress import departing
from ezlogs.propagation.header import read, written
from ezlogs.propagation.propagator import EzlogsPropagator
from ezlogs.testing import Captured, capture

STORY = "4bf92f3577b34da6a3ce929d0e0e4736"
PERSONAL = ["ada@example.com", "4111111111111111", "4111-1111-1111-1111"]
HARMLESS = ["42", "A-1001", "0190163d-8694-739b-aea5-966c26f8ad91", "2026-01-31", "ada", STORY]


def told(personal: str) -> Correlation:
    """A story in which every id that an application chooses is personal."""
    return Correlation(
        correlation_id=STORY,
        parent_event_id="evt_1",
        flow_type="signup",
        flow_id=f"signup:{personal}",
        parent_flow_id=f"visit:{personal}",
        session_id=personal,
        request_id=personal,
    )


def sent(correlation: Correlation) -> str:
    """Everything that leaves with a request, a message, a job and another program."""
    ctx = placed(correlation, Context())
    carrier: dict[str, str] = {}
    propagate.inject(carrier, ctx)
    EzlogsPropagator().inject(carrier, ctx)
    actor = Actor("user", correlation.session_id, on_behalf_of=f"user:{correlation.session_id}")
    job = written(correlation, acting=actor, at=1)
    return unquote(repr((carrier, job, for_program({}, ctx))))


@pytest.mark.parametrize("personal", PERSONAL)
def test_what_is_personal_stays(personal: str, captured: Captured) -> None:
    """In baggage, in the header, in the environment of a program; the story goes on all the same."""
    leaving = sent(told(personal))
    assert personal not in leaving
    assert leaving.count(STORY) >= 3
    assert leaving.count("evt_1") >= 3


def test_it_stays_before_ezlogs_is_configured_too() -> None:
    """The rules are then the default ones."""
    assert "ada@example.com" not in sent(told("ada@example.com"))


@pytest.mark.parametrize("harmless", HARMLESS)
def test_other_ids_travel(harmless: str, captured: Captured) -> None:
    """Numbers, names, UUIDs and dates are what ids are mostly made of."""
    leaving = sent(told(harmless))
    assert leaving.count(f"signup:{harmless}") >= 3
    assert f"user:{harmless}" in leaving


def test_here_the_ids_are_what_they_were(captured: Captured) -> None:
    """Only what leaves is another; events are scrubbed when they do."""
    with ezlogs.flow("signup", "ada@example.com"):
        correlation = current()
    assert correlation is not None
    assert correlation.flow_id == "signup:ada@example.com"


def test_what_the_policy_makes_of_it_may_travel_if_it_is_an_id() -> None:
    """A hash can be joined with that in the events; a text of several words is no id."""
    with capture(redaction="hash", hash_key="a key of some length"):
        hashed = clean_id("signup:ada@example.com")
    with capture(redaction={"email": lambda finding: "some body"}):
        assert clean_id("signup:ada@example.com") is None
    with capture(redaction="keep"):
        assert clean_id("signup:ada@example.com") == "signup:ada@example.com"
    assert hashed is None or "ada" not in hashed


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        (Actor("user", "7"), "user:7"),
        (Actor("user", "ada@example.com"), "user"),
        (Actor("ada@example.com", "7"), None),
        (Actor("user", "a b"), None),
        (Actor("system"), "system"),
    ],
)
def test_of_an_actor_with_a_personal_id_the_type_is_told(
    actor: Actor, expected: str | None, captured: Captured
) -> None:
    """That somebody acts is worth knowing; who, is nobody else's business."""
    assert clean_actor(actor) == expected


def test_a_job_says_that_a_user_enqueued_it(captured: Captured) -> None:
    """Its header is read as any other."""
    header = read(written(Correlation(correlation_id=STORY), acting=Actor("user", "ada@example.com")))
    assert header is not None
    assert header.acting == Actor("user")


def test_a_host_that_may_know_the_actor_is_told_no_address() -> None:
    """Whoever lists a host to tell it who acts has ids in mind."""
    ada = ezlogs.actor(("user", "ada@example.com"))
    with capture(propagate_actor_to="api.example.com"), ada, ezlogs.flow("signup", 1):
        headers = departing([], "api.example.com")
    assert headers is not None
    assert "ezlogs.actor=user" in dict(headers)["baggage"]
    assert "example.com" not in unquote(str(dict(headers)["baggage"]))
