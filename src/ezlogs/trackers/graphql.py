"""GraphQL operations, whatever the library: one event for each, which is the parent of all that its resolvers do.

Documents are taken as graphql-core has parsed them; nothing here parses, prints or imports it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar, Token
from time import perf_counter, time_ns
from types import TracebackType
from typing import Any, TypeVar

from opentelemetry import context

from ezlogs.correlation import begun, placed
from ezlogs.emit import caused, guarded, record, tracking
from ezlogs.ids import new_event_id
from ezlogs.opening import closed, opened
from ezlogs.sampling.root import ended, rooted
from ezlogs.scope import Scope
from ezlogs.trackers.graphql_document import digest, shape_of
from ezlogs.trackers.graphql_facts import Described, allowed, described, errors_in, failure_in, told_errors
from ezlogs.trackers.work import outcome_of

T = TypeVar("T")

GRAPHQL_OPERATION = "graphql.operation"

_SUBSCRIBED = context.create_key("ezlogs-graphql-subscription")
_attempt: ContextVar[Attempt | None] = ContextVar("ezlogs_graphql_attempt", default=None)
_persisted: ContextVar[tuple[Sequence[object], str] | None] = ContextVar("ezlogs_graphql_persisted", default=None)
_source: ContextVar[tuple[object, Operation] | None] = ContextVar("ezlogs_graphql_source", default=None)


class Operation:
    """An operation that is being executed. Made by `begin`; told once, when it ends or when nobody holds it any more.

    Its ``context`` is what it happens in: whoever runs a part of it does so in a `Scope` of that context.
    """

    __slots__ = (
        "_action",
        "_began",
        "_correlation",
        "_errors",
        "_event_id",
        "_facts",
        "_subject",
        "_told",
        "closing",
        "context",
        "messages",
        "stepping",
    )

    def __init__(self, node: Any, known: Described) -> None:
        self._told = True  # until it has begun
        self._action, self._subject, self._facts = known
        self._errors: list[Any] = []
        self.messages: int | None = None
        """How many results it sent so far; None where it is not a stream of them."""
        self.closing = self.stepping = False
        began_at = time_ns()
        self._event_id = new_event_id(began_at)
        ctx = context.get_current()
        self._correlation = begun(ctx)
        ctx = placed(caused(self._correlation, GRAPHQL_OPERATION, self._event_id), rooted(ctx, self._event_id))
        if node is not None:
            ctx = context.set_value(_SUBSCRIBED, node, ctx)
        self.context = ctx
        opened(
            GRAPHQL_OPERATION,
            self._action,
            event_id=self._event_id,
            correlation=self._correlation,
            ctx=ctx,
            subject=self._subject,
            metadata=self._facts,
            timestamp=began_at,
        )
        self._began = perf_counter()
        self._told = False

    @guarded
    def finish(
        self,
        errors: Iterable[Any] | None = None,
        *,
        data: object = None,
        error: BaseException | None = None,
        reason: str | None = None,
    ) -> None:
        """Tell the operation, the first time that this is called.

        Args:
            errors: GraphQL errors of its result, beside those of the messages that it sent.
            data: The data of its result; with errors and data it succeeded partly.
            error: What was raised instead.
            reason: Why nobody knows how it would have ended.
        """
        if self._told:
            return
        self._told = True
        duration = perf_counter() - self._began
        found = [*self._errors, *(errors or ())]
        if error is not None and reason is None and outcome_of(error) == "unknown":
            reason = _reason(error)
        elif error is not None and reason is None:
            found.append(error)
        facts = {**self._facts, **told_errors(found)}
        if found and data is not None:
            facts["partial"] = True
        if self.messages is not None:
            facts["messages"] = self.messages
        if reason is not None:
            facts["reason"] = reason
        outcome = "unknown" if reason is not None else "failure" if found else "success"
        record(
            GRAPHQL_OPERATION,
            self._action,
            subject=self._subject,
            metadata=facts,
            outcome=outcome,
            duration=duration,
            correlation=self._correlation,
            error=failure_in(found),
            event_id=self._event_id,
            ctx=self.context,
        )
        ended(self.context, self._event_id, outcome, duration)
        closed(self._event_id)

    def __del__(self) -> None:
        if not self._told:  # a coroutine that nobody awaited, a stream that nobody read to its end
            self.finish(reason="abandoned")

    async def awaited(self, awaitable: Awaitable[T]) -> T:
        """Return what comes of an awaitable that is a part of the operation; what it raises ends the operation."""
        try:
            with Scope(self.context):
                return await awaitable
        except BaseException as error:
            self.finish(error=error)
            raise

    async def step(self, awaitable: Awaitable[T]) -> T:
        """Return the next of the results that the operation sends."""
        self.stepping = True
        try:
            with Scope(self.context):
                message = await awaitable
        except StopAsyncIteration:
            self.finish(reason="closed" if self.closing else None)
            raise
        except BaseException as error:
            self.finish(error=error)
            raise
        finally:
            self.stepping = False
        self.sent(message)
        return message

    @guarded
    def sent(self, message: Any) -> None:
        """Count a result that was sent, and its errors."""
        self.messages = (self.messages or 0) + 1
        self._errors += errors_in(message)

    async def stream(self, results: AsyncIterator[T]) -> AsyncIterator[T]:
        """Go on with a stream of results in the operation, which ends with it."""
        try:
            while True:
                try:
                    message = await self.step(results.__anext__())
                except StopAsyncIteration:
                    return
                yield message
        finally:
            await self.close(getattr(results, "aclose", None))

    async def close(self, close: Callable[[], Awaitable[object]] | None) -> None:
        """End the stream of its results before its end, by what closes it."""
        self.closing = True
        try:
            if close is not None:
                with Scope(self.context):
                    await close()
        finally:
            if not self.stepping:  # else the step that is under way ends it
                self.finish(reason="closed")


@guarded
def begin(
    node: Any,
    fragments: Mapping[str, Any],
    printed: Callable[[], str],
    *,
    variables: Mapping[str, object] | None = None,
    subscribing: bool = False,
    has_field: Callable[[str], bool] | None = None,
) -> Operation | None:
    """Begin an operation that is about to be executed.

    Args:
        node: Its definition, as graphql-core parsed it.
        fragments: The fragments of its document, by name.
        printed: Returns the document as text, where it was parsed without keeping its source.
        variables: The values of its variables; told only as the setting ``graphql_variables`` allows.
        subscribing: Whether it is a subscription, each of whose messages is executed by itself from then on.
        has_field: Returns whether the schema has a field of this name at the top: not every document is validated
            before it is executed.

    Returns:
        The operation, or None where nothing listens, where instrumentation is suppressed, and for the message of a
        subscription, which is told as a whole.
    """
    if not subscribing and context.get_value(_SUBSCRIBED) is node:
        return None
    attempt = reached()
    if not tracking(GRAPHQL_OPERATION):
        return None
    shape = shape_of(node, fragments, printed)
    valid = has_field is None or all(map(has_field, shape.fields))
    known = described(node.operation.value, node.name and node.name.value, shape, known=valid)
    if persisted := (attempt and attempt.persisted) or _remembered(node):
        known.facts["persisted_query"] = persisted
    if told := allowed(variables):
        known.facts["variables"] = told
    operation = Operation(node if subscribing else None, known)
    if subscribing:
        operation.messages = 0
    return operation


class Attempt:
    """A request for an operation, which may be refused before it is executed. As a context manager, never raises.

    Args:
        source: The document as it was sent.
        name: Which of its operations to execute.
        persisted: The hash that stood for the document.
    """

    __slots__ = ("_began", "_token", "definitions", "name", "persisted", "reached", "result", "source")

    def __init__(self, source: object = None, name: object = None, persisted: str | None = None) -> None:
        self.source, self.name, self.persisted = source, name, persisted
        self.definitions: Sequence[Any] | None = None
        """The document's, once it is parsed."""
        self.reached = False
        """Whether execution has begun, which tells the rest."""
        self.result: Any = None
        self._token: Token[Attempt | None]
        self._began = perf_counter()

    def __enter__(self) -> Attempt:
        self._token = _attempt.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(ValueError):  # a coroutine may be closed elsewhere, where there is nothing to restore
            _attempt.reset(self._token)
        if self.reached or (error is not None and not isinstance(error, Exception)):
            return
        errors = (getattr(self.result, "errors", None) or ()) if error is None else (error,)
        if errors or getattr(self.result, "data", None) is not None:
            self.tell(errors)

    @guarded
    def tell(self, errors: Iterable[Any], stage: str | None = None) -> None:
        """Tell that the operation was not executed, and why. Neither its text nor a message about it is told.

        Args:
            errors: What was wrong; none where something else answered, such as a cache.
            stage: What it did not pass; ``parsing`` or ``validation`` when left out.
        """
        self.reached = True
        if not tracking(GRAPHQL_OPERATION):
            return
        source = getattr(self.source, "body", self.source)
        if type(source) is not str or not source:
            source = None
        if source is None and self.definitions is None and self.persisted is None:  # nothing was asked for
            return
        found = list(errors)
        known = self._known(source, valid=not found)
        facts = {**known.facts, **told_errors(found)}
        if found:
            facts["stage"] = stage or ("parsing" if self.definitions is None else "validation")
        if self.persisted:
            facts["persisted_query"] = self.persisted
        record(
            GRAPHQL_OPERATION,
            known.action,
            subject=known.subject,
            metadata=facts,
            outcome="failure" if found else "success",
            duration=perf_counter() - self._began,
            error=failure_in(found, nameless=True),
        )

    def _known(self, source: str | None, *, valid: bool) -> Described:
        """Return what is known of the operation, without the names of fields that the schema may not have."""
        node = self.asked()
        if node is None:
            known = described(None, self.name)
            if source is not None:
                known.facts["document_hash"] = digest(source)
            return known
        fragments = {one.name.value: one for one in self.definitions or () if one.kind == "fragment_definition"}
        shape = shape_of(node, fragments, lambda: source or "")
        return described(node.operation.value, node.name and node.name.value, shape, known=valid)

    def asked(self) -> Any:
        """Return the definition of the operation that is asked for, or None where the document has none or several."""
        operations = [one for one in self.definitions or () if one.kind == "operation_definition"]
        found = [one for one in operations if self.name is None or (one.name and one.name.value == self.name)]
        return found[0] if len(found) == 1 else None


def attempting() -> Attempt | None:
    """Return the attempt that the present moment is in and whose operation has not begun yet."""
    attempt = _attempt.get()
    return None if attempt is None or attempt.reached else attempt


def reached() -> Attempt | None:
    """Take note that execution has begun, and return the attempt whose operation it is of, if there was one."""
    attempt = attempting()  # else it belongs to an operation around this one
    if attempt is not None:
        attempt.reached = True
    return attempt


@guarded
def parsed(definitions: Sequence[Any]) -> None:
    """Take note of the document that is about to be validated."""
    attempt = attempting()
    if attempt is not None:
        attempt.definitions = definitions


@guarded
def not_built(definitions: Sequence[Any], name: object, errors: Iterable[Any]) -> None:
    """Tell an operation that a valid document lacks, or whose variables are wrong."""
    attempt = reached() or Attempt()
    attempt.name, attempt.definitions = name, definitions
    if attempt.source is None and definitions and (at := definitions[0].loc) is not None:
        attempt.source = at.source
    attempt.tell(errors, "variables" if attempt.asked() else "selection")


def remember(definitions: Sequence[object], persisted: str | None) -> None:
    """Remember, until it is executed, by which hash a document was asked for."""
    if persisted is not None:
        _persisted.set((definitions, persisted))


def _remembered(node: object) -> str | None:
    found = _persisted.get()
    if found is None:
        return None
    _persisted.set(None)
    definitions, persisted = found
    return persisted if any(one is node for one in definitions) else None


def hand_over(source: object, operation: Operation) -> None:
    """Leave a subscription with the stream of events that its messages are made of, for `taken_over`."""
    _source.set((source, operation))


def taken_over(source: object) -> Operation | None:
    """Return the subscription that a stream of events was made for."""
    found = _source.get()
    if found is None or found[0] is not source:
        return None
    _source.set(None)
    return found[1]


def _reason(error: BaseException) -> str:
    name = type(error).__name__
    return {"CancelledError": "cancelled", "Cancelled": "cancelled", "GeneratorExit": "closed"}.get(name, "interrupted")
