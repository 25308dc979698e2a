"""A GraphQL operation is one event, the parent of what happens in it; what clients can make up is bounded."""

from __future__ import annotations

import asyncio
import gc
import hashlib
from contextlib import suppress
from contextvars import copy_context
from types import SimpleNamespace as Node
from typing import Any

import pytest
from graphql import GraphQLError, parse, print_ast
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import context
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY

import ezlogs
from ezlogs.runtime import current_runtime
from ezlogs.testing import Captured, capture
from ezlogs.trackers import graphql_document
from ezlogs.trackers.graphql import Attempt, Operation, begin, hand_over, not_built, parsed, remember, taken_over
from ezlogs.trackers.graphql_document import MAX_COUNT, MAX_FIELDS, MAX_NAME, Shape, measured, shape_of
from ezlogs.trackers.graphql_facts import described, failure_in, persisted_hash, told_errors
from ezlogs.trackers.http import HttpTracker, PlainArrival


def split(source: str, **options: Any) -> tuple[Any, dict[str, Any]]:
    """Return a document's first operation and its fragments."""
    document = parse(source, **options)
    fragments = {one.name.value: one for one in document.definitions if one.kind == "fragment_definition"}
    return next(one for one in document.definitions if one.kind == "operation_definition"), fragments


def shape(source: str) -> Shape:
    """Return what a document is like."""
    return measured(*split(source))


def begun(source: str, **options: Any) -> Operation:
    """Begin an operation."""
    operation = begin(*split(source), lambda: "", **options)
    assert operation is not None
    return operation


def test_figures_are_measured_on_the_syntax_tree() -> None:
    """Fields, depth and aliases count through fragments and inline fragments; aliases go by their real names."""
    measured = shape(
        """query Q { mine: orders { id lines { ...Line } } ... on Query { me { name } } ...More }
        fragment Line on Line { amount: quantity product { name } }
        fragment More on Query { stock again: orders { id } }"""
    )
    assert measured.fields == ("orders", "stock", "me")
    assert (measured.depth, measured.selected, measured.aliases) == (4, 11, 3)


def test_fragments_that_nest_exponentially_are_measured_at_once() -> None:
    """Fields are counted, not visited, up to a bound."""
    fragments = "".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}\n" for n in range(500))
    measured = shape(f"{{ ...F0 }} {fragments} fragment F500 on Query {{ a }}")
    assert measured == Shape(("a",), 1, MAX_COUNT, 0)


def test_fragments_that_spread_themselves_end() -> None:
    """A cycle, and a fragment that does not exist, add nothing."""
    measured = shape("{ a ...F } fragment F on Query { b { ...G } ...None } fragment G on Query { c ...F }")
    assert measured == Shape(("a", "b"), 2, 3, 0)


def test_documents_nest_as_deep_as_a_client_likes() -> None:
    """Measuring does not recurse: neither into selections nor along chains of fragments."""
    leaf = Node(kind="field", name=Node(value="a"), alias=None, selection_set=None)
    for _ in range(20_000):
        leaf = Node(kind="field", name=leaf.name, alias=None, selection_set=Node(selections=[leaf]))
    chain = {
        f"F{n}": Node(
            selection_set=Node(selections=[Node(kind="fragment_spread", name=Node(value=f"F{n + 1}"))]),
        )
        for n in range(20_000)
    }
    chain["F20000"] = Node(selection_set=Node(selections=[leaf]))
    start = Node(selection_set=Node(selections=[Node(kind="fragment_spread", name=Node(value="F0"))]))
    assert measured(start, chain) == Shape(("a",), 20_001, 20_001, 0)
    while leaf.selection_set is not None:  # so that freeing it does not recurse either
        leaf.selection_set, leaf = None, leaf.selection_set.selections[0]


SELECTION = st.recursive(
    st.sampled_from(["a", "x: b", "...F", "...G"]),
    lambda inner: st.builds(
        lambda head, parts: f"{head} {{ {' '.join(parts)} }}",
        st.sampled_from(["c", "y: d", "... on Query", "..."]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=12,
)


def naive(node: Any, fragments: dict[str, Any], depth: int = 0) -> tuple[int, int, int]:
    """Return depth, fields and aliases as one would count them by hand: the oracle."""
    deepest, fields, aliases = depth, 0, 0
    for one in node.selection_set.selections:
        if one.kind == "field":
            fields, aliases, deepest = fields + 1, aliases + bool(one.alias), max(deepest, depth + 1)
            inner = one.selection_set and naive(one, fragments, depth + 1)
        else:
            inner = naive(fragments[one.name.value] if one.kind == "fragment_spread" else one, fragments, depth)
        if inner:
            deepest, fields, aliases = max(deepest, inner[0]), fields + inner[1], aliases + inner[2]
    return deepest, fields, aliases


@given(st.lists(SELECTION, min_size=1, max_size=4), SELECTION)
def test_figures_are_those_of_counting_by_hand(selections: list[str], inner: str) -> None:
    """Fragments measured once give the same as fragments spread out."""
    inner = inner.replace("...F", "e").replace("...G", "f")
    fragments = f"fragment F on Query {{ {inner} ...G }} fragment G on Query {{ g {{ z: h }} }}"
    operation = split(f"{{ {' '.join(selections)} }} {fragments}")
    assert measured(*operation)[1:4] == naive(*operation)


def test_what_clients_make_up_is_bounded() -> None:
    """Names are cut, fields are a few, an operation without a name is called after three of them."""
    source = "{" + " ".join(f"f{n:02}" for n in range(40)) + "}"
    assert len(shape(source).fields) == MAX_FIELDS
    assert described("query", None, shape(source)).action == "query {f00, f01, f02, ...}"
    assert described("query", "N" * 1000).action == "query " + "N" * MAX_NAME
    assert described("query", "a b").subject == ("graphql", None)
    assert described("query", None).action == "query"
    errors = [GraphQLError("x", extensions={"code": f"{n}" + "C" * 1000}) for n in range(40)]
    codes: Any = told_errors(errors)["error_codes"]
    assert len(codes) == 10
    assert {len(code) for code in codes} == {64}


def test_the_order_of_fields_does_not_make_another_action() -> None:
    """The same fields give the same action."""
    assert described("query", None, shape("{a b}")).action == described("query", None, shape("{b x: a b}")).action


def test_the_hash_is_that_of_the_source_as_it_was_sent() -> None:
    """It is what clients of persisted queries compute; where no source was kept, that of the printed document."""
    source = "query  Q {  a }"
    sha = hashlib.sha256(source.encode()).hexdigest()
    assert shape_of(*split(source), lambda: "").hash == sha
    node, fragments = split(source, no_location=True)
    assert shape_of(node, fragments, lambda: print_ast(node)).hash == hashlib.sha256(b"query Q {\n  a\n}").hexdigest()


def test_figures_are_remembered_by_text_and_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same text is measured once; another operation of it, and a long text, anew; memory is bounded."""
    monkeypatch.setattr(graphql_document, "_shapes", remembered := {})
    source = "query A { a } query B { b { c } }"
    document = parse(source)
    first, second = (shape_of(node, {}, lambda: "") for node in document.definitions)
    assert (first.fields, second.fields) == (("a",), ("b",))
    assert shape_of(split(source)[0], {}, lambda: "") is first
    shape_of(*split("{a" + " " * 5000 + "}"), lambda: "")
    assert len(remembered) == 2
    for number in range(300):
        shape_of(*split(f"{{ a{number} }}"), lambda: "")
    assert len(remembered) <= 256


def test_an_operation_is_the_parent_of_what_happens_in_it(captured: Captured) -> None:
    """Its own parent is the request, whose story it is in; its event is told last."""
    request = HttpTracker("example").begin(PlainArrival("POST", "/graphql", {}))
    assert request is not None
    operation = begun("mutation createOrder { createOrder { id } }")
    token = context.attach(operation.context)
    ezlogs.event("order.action", "placed")
    context.detach(token)
    operation.finish(data={})
    request.finish(200, route="/graphql")
    placed, ran, answered = captured.events
    assert (ran.event_type, ran.action, ran.outcome) == ("graphql.operation", "mutation createOrder", "success")
    assert ran.subject is not None
    assert (ran.subject.type, ran.subject.id) == ("graphql", "createOrder")
    assert placed.correlation.parent_event_id == ran.event_id
    assert ran.correlation.parent_event_id == answered.event_id
    assert len({event.correlation.correlation_id for event in captured.events}) == 1
    assert ran.duration is not None
    assert ran.metadata["fields"] == ("createOrder",)
    assert (ran.metadata["operation_type"], ran.metadata["error_count"]) == ("mutation", 0)


def test_outside_a_request_it_begins_a_story(captured: Captured) -> None:
    """What happens in it is in its story, and it has no parent."""
    operation = begun("{a}")
    token = context.attach(operation.context)
    ezlogs.event("order.action", "placed")
    context.detach(token)
    operation.finish()
    placed, ran = captured.events
    assert ran.correlation.parent_event_id is None
    assert placed.correlation.correlation_id == ran.correlation.correlation_id


@pytest.mark.parametrize(
    ("end", "outcome", "facts"),
    [
        ({"data": {}}, "success", {"error_count": 0}),
        ({"data": {}, "errors": [GraphQLError("x")]}, "failure", {"error_count": 1, "partial": True}),
        ({"errors": [GraphQLError("x", extensions={"code": "NO"})] * 2}, "failure", {"error_codes": ("NO",)}),
        ({"error": ValueError("x")}, "failure", {"error_count": 1}),
        ({"error": GeneratorExit()}, "unknown", {"reason": "closed"}),
        ({"error": KeyboardInterrupt()}, "unknown", {"reason": "interrupted"}),
        ({"reason": "closed", "data": {}}, "unknown", {"reason": "closed"}),
    ],
)
def test_outcomes(captured: Captured, end: Any, outcome: str, facts: dict[str, object]) -> None:
    """Any error is a failure, told as partial where there is data; what was cut short is unknown, and why."""
    begun("{a}").finish(**end)
    (event,) = captured.events
    assert event.outcome == outcome
    assert facts.items() <= event.metadata.items()
    assert ("partial" in event.metadata) == ("partial" in facts)


def test_it_is_told_once(captured: Captured) -> None:
    """However often it ends."""
    operation = begun("{a}")
    operation.finish(data={})
    operation.finish(error=ValueError())
    del operation
    gc.collect()
    assert [event.outcome for event in captured.events] == ["success"]


def test_what_nobody_holds_any_more_is_told(captured: Captured) -> None:
    """An operation that was given up ends as unknown."""
    operation = begun("{a}")
    del operation
    gc.collect()
    (event,) = captured.events
    assert (event.outcome, event.metadata["reason"]) == ("unknown", "abandoned")


def test_the_failure_is_that_of_the_resolver() -> None:
    """GraphQL's own messages quote documents and variables, and are not told; those of exceptions are."""
    wrapped = GraphQLError("x", original_error=GraphQLError("y", original_error=ValueError("out of stock")))
    failure = failure_in([wrapped, GraphQLError("z")])
    assert failure is not None
    assert (failure.type, failure.message) == ("ValueError", "out of stock")
    failure = failure_in([GraphQLError("Variable '$pin' got invalid value 1234")])
    assert failure is not None
    assert (failure.type, failure.message) == ("graphql.error.graphql_error.GraphQLError", None)


def test_variables_are_told_only_if_allowed() -> None:
    """None by default; by name or pattern, and privacy still has its say."""
    variables = {"orderId": 7, "password": "hunter2X", "note": "private", "page": {"first": 10}}
    with capture() as captured:
        begun("{a}", variables=variables).finish()
    assert "variables" not in captured.events[0].metadata
    with capture(graphql_variables=("*Id", "page", "pass*")) as captured:
        begun("{a}", variables=variables).finish()
    told: Any = captured.events[0].metadata["variables"]
    assert set(told) == {"orderId", "page", "password"}
    captured.assert_absent("hunter2X")
    captured.assert_absent("private")


def test_hashes_leave_the_process_unscrubbed(captured: Captured) -> None:
    """Privacy does not take the document's hash for a secret."""
    begun("{a}").finish()
    digest = hashlib.sha256(b"{a}").hexdigest()
    assert captured.exported[0]["ezlogs.metadata.document_hash"] == digest


def test_persisted_queries_are_recognised() -> None:
    """Only in the form of Apollo's automatic persisted queries, and only if safe to repeat."""
    sha = "a" * 64
    assert persisted_hash({"persistedQuery": {"version": 1, "sha256Hash": sha}}) == sha
    for other in (None, [], {}, {"persistedQuery": 1}, {"persistedQuery": {"sha256Hash": "a b"}}):
        assert persisted_hash(other) is None


def test_a_syntax_error_is_one_failure_without_text(captured: Captured) -> None:
    """Neither the document nor a message about it is told; its hash is."""
    with suppress(GraphQLError), Attempt("{ hunter2X", "Q"):
        parse("{ hunter2X")
    (event,) = captured.events
    assert (event.action, event.outcome, event.metadata["stage"]) == ("(unknown)", "failure", "parsing")
    assert event.subject is not None
    assert event.subject.id == "Q"
    assert event.metadata["document_hash"] == hashlib.sha256(b"{ hunter2X").hexdigest()
    captured.assert_absent("hunter2X")


def test_fields_that_the_schema_may_not_have_are_not_told(captured: Captured) -> None:
    """An invalid operation is known by its type and name, as far as it has one."""
    with Attempt("{ hunter2X }") as attempt:
        parsed(parse("{ hunter2X }").definitions)
        attempt.result = Node(errors=[GraphQLError("Cannot query field 'hunter2X'")])
    (event,) = captured.events
    assert (event.action, event.metadata["stage"], event.metadata["depth"]) == ("query", "validation", 1)
    captured.assert_absent("hunter2X")


def test_an_operation_that_the_document_lacks(captured: Captured) -> None:
    """It is told as not found, outside any attempt too; variables that do not fit are told of what was found."""
    definitions = parse("query A { a } query B { a }").definitions
    not_built(definitions, "C", [GraphQLError("x")])
    not_built(definitions, "B", [GraphQLError("x")])
    not_built(parse("{a}", no_location=True).definitions, None, [GraphQLError("x")])
    assert [(event.action, event.metadata["stage"]) for event in captured.events] == [
        ("(unknown)", "selection"),
        ("query B", "variables"),
        ("query", "variables"),
    ]


def test_what_is_answered_without_execution(captured: Captured) -> None:
    """By a cache, say: an operation that succeeded."""
    with Attempt("query Q { a }") as attempt:
        parsed(parse("query Q { a }").definitions)
        attempt.result = Node(data={"a": 1}, errors=None)
    with Attempt("query Q { a }"):  # of which nothing is known
        pass
    with suppress(KeyboardInterrupt), Attempt("query Q { a }"):
        raise KeyboardInterrupt
    (event,) = captured.events
    assert (event.action, event.outcome, event.metadata["fields"]) == ("query Q", "success", ("a",))
    assert "stage" not in event.metadata


def test_an_attempt_may_end_where_it_did_not_begin(captured: Captured) -> None:
    """As that of a coroutine which is closed by the garbage collector."""
    attempt = Attempt("{")
    copy_context().run(attempt.__enter__)
    attempt.__exit__(None, None, None)
    assert not captured.events


def test_it_is_noted_while_it_is_under_way() -> None:
    """What is interrupted is told by the note of its beginning, which its end takes back."""
    with capture() as captured:
        notes: list[Any] = []
        captured.notes_openings = True
        captured.opened = lambda note, ctx: notes.append(note)  # type: ignore[method-assign]  # a carrier that notes
        captured.closed = notes.append  # type: ignore[method-assign]
        begun("query Q { a }").finish()
    note, ended = notes
    (event,) = captured.events
    assert (note.event_id, note.action, note.outcome) == (event.event_id, "query Q", "unknown")
    assert ended == event.event_id


def test_in_a_request_it_is_no_beginning_of_its_own() -> None:
    """Sampling decides for the request as a whole: a failure after the operation keeps what happened in it."""
    with capture(sample_rate=0.0) as captured:
        request = HttpTracker("example").begin(PlainArrival("POST", "/graphql", {}))
        assert request is not None
        operation = begun("{a}")
        token = context.attach(operation.context)
        ezlogs.event("order.action", "placed")
        context.detach(token)
        operation.finish(data={})
        request.finish(500, route="/graphql")
        begun("{a}").finish()
    assert [event.event_type for event in captured.events] == ["order.action", "graphql.operation", "http.request"]


@pytest.mark.parametrize("subscription", [True, False])
def test_a_stream_of_results_is_one_operation(captured: Captured, subscription: bool) -> None:
    """With what it sends, and the errors of that, also of parts that are delivered one after another."""

    async def results() -> Any:
        yield Node(errors=None)
        ezlogs.event("order.action", "placed")
        yield Node(incremental=[Node(errors=[GraphQLError("x")])], completed=[Node(errors=[GraphQLError("y")])])

    async def main() -> None:
        operation = begun("subscription S { a }", subscribing=subscription)
        source = results()
        hand_over(source, operation)
        assert taken_over(results) is None
        assert taken_over(source) is operation
        assert taken_over(source) is None
        before = context.get_current()
        async for _ in operation.stream(source):
            assert context.get_current() == before

    asyncio.run(main())
    placed, event = captured.events
    assert (event.outcome, event.metadata["messages"], event.metadata["error_count"]) == ("failure", 2, 2)
    assert placed.correlation.parent_event_id == event.event_id


def test_a_stream_that_is_left(captured: Captured) -> None:
    """Its end is unknown; its source is closed, if it can be, as a part of the operation."""

    async def endless() -> Any:
        try:
            while True:
                yield Node(errors=None)
        finally:
            ezlogs.event("source.action", "closed")

    class Unclosable:
        async def __anext__(self) -> Any:
            return Node(errors=None)

    async def main() -> None:
        for source in (endless(), Unclosable()):
            stream: Any = begun("subscription S { a }", subscribing=True).stream(source)
            await stream.__anext__()
            await stream.aclose()

    asyncio.run(main())
    closed, first, second = captured.events
    assert [event.metadata["reason"] for event in (first, second)] == ["closed"] * 2
    assert closed.correlation.parent_event_id == first.event_id


def test_messages_of_a_subscription_are_no_operations(captured: Captured) -> None:
    """Each is executed by itself, in the subscription."""
    node, fragments = split("subscription S { a }")
    operation = begin(node, fragments, lambda: "", subscribing=True)
    assert operation is not None
    token = context.attach(operation.context)
    assert begin(node, fragments, lambda: "") is None
    context.detach(token)
    operation.finish()


def test_a_persisted_hash_is_of_its_own_document_only(captured: Captured) -> None:
    """What was remembered for another document is forgotten."""
    document, other = parse("{a}"), parse("{b}")
    remember(document.definitions, None)
    for asked in (document, other):
        remember(document.definitions, "abc")
        operation = begin(asked.definitions[0], {}, lambda: "")
        assert operation is not None
        operation.finish()
    assert [event.metadata.get("persisted_query") for event in captured.events] == ["abc", None]


def test_errors_that_wrap_each_other_end() -> None:
    """Also those that wrap themselves."""
    error = GraphQLError("x")
    error.original_error = error
    assert failure_in([error]) is not None
    assert failure_in([]) is None


def test_who_asked_for_nothing_is_not_told(captured: Captured) -> None:
    """A request without a document is no operation; one with the hash of an unknown document is."""
    Attempt().tell([ValueError()])
    Attempt("").tell([ValueError()])
    Attempt(persisted="abc").tell([ValueError()])
    (event,) = captured.events
    assert event.metadata["persisted_query"] == "abc"


def test_nothing_is_tracked_where_nobody_listens() -> None:
    """Without ezlogs, with the type switched off, and where instrumentation is suppressed."""
    assert begin(*split("{a}"), lambda: "") is None
    with capture(disabled_events=("graphql.operation",)) as captured:
        assert begin(*split("{a}"), lambda: "") is None
        Attempt("{").tell([ValueError()])
    with capture() as captured:
        token = context.attach(context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        assert begin(*split("{a}"), lambda: "") is None
        Attempt("{").tell([ValueError()])
        context.detach(token)
    assert not captured.events


def test_errors_of_our_own_never_reach_the_application() -> None:
    """What cannot be measured is executed all the same."""
    with capture(strict=False):
        assert current_runtime() is not None
        assert begin(Node(), {}, lambda: "") is None
        Attempt("{a}").tell(None)  # type: ignore[arg-type]  # the point of the test
