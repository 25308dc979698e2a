"""What events of GraphQL operations tell: names, figures, variables and errors, all bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from ezlogs.correlation import valid_id
from ezlogs.facts import Failure, failure_of
from ezlogs.runtime import current_runtime
from ezlogs.trackers.graphql_document import Shape, valid_name

UNKNOWN = "(unknown)"
"""The action of an operation that was not found: its document could not be read, or has none of that name."""

MAX_CODES = 10
"""Different error codes that are told."""
MAX_CODE = 64
"""Characters of an error code."""
_IN_ACTION = 3
"""Top-level fields after which an operation without a name is called."""
_NESTED = 8
"""How often an error may wrap another one."""


class Described(NamedTuple):
    """What is known of an operation before it runs."""

    action: str
    subject: tuple[str, str | None]
    facts: dict[str, object]


def described(kind: str | None, name: object, shape: Shape | None = None, *, known: bool = True) -> Described:
    """Return what an operation is called, and what was measured of it.

    Args:
        kind: ``query``, ``mutation`` or ``subscription``; None where it was not found.
        name: The operation's own name; the client invents it, so it is bounded.
        shape: What its document is like.
        known: Whether its fields are the schema's, and not whatever a client came up with.

    Example:
        >>> described("mutation", "createOrder").action
        'mutation createOrder'
        >>> described("query", None, Shape(("orders", "me"), 2, 5, 0)).action
        'query {me, orders}'
    """
    name = valid_name(name)
    facts: dict[str, object] = {} if kind is None else {"operation_type": kind}
    if shape is not None:
        if known and shape.fields:
            facts["fields"] = shape.fields
        facts["depth"], facts["selected_fields"], facts["aliases"] = shape.depth, shape.selected, shape.aliases
        if shape.hash is not None:
            facts["document_hash"] = shape.hash
    if kind is None:
        action = UNKNOWN
    elif name is not None:
        action = f"{kind} {name}"
    elif known and shape is not None and shape.fields:
        fields = sorted(shape.fields)
        more = ", ..." if len(fields) > _IN_ACTION else ""
        action = f"{kind} {{{', '.join(fields[:_IN_ACTION])}{more}}}"
    else:
        action = kind
    return Described(action, ("graphql", name), facts)


def persisted_hash(extensions: object) -> str | None:
    """Return the hash in a request's ``extensions`` by which a persisted document is asked for.

    Source: Apollo, Automatic Persisted Queries.

    Example:
        >>> persisted_hash({"persistedQuery": {"version": 1, "sha256Hash": "ecf4edb4"}})
        'ecf4edb4'
    """
    query = extensions.get("persistedQuery") if isinstance(extensions, Mapping) else None
    return valid_id(query.get("sha256Hash")) if isinstance(query, Mapping) else None


def allowed(variables: Mapping[str, object] | None) -> dict[str, object] | None:
    """Return the variables that the setting ``graphql_variables`` allows to be told; privacy still has its say."""
    runtime = current_runtime()
    if not variables or runtime is None or not (patterns := runtime.settings.graphql_variables):
        return None
    return {name: value for name, value in variables.items() if any(fnmatchcase(name, pattern) for pattern in patterns)}


def told_errors(errors: Sequence[Any]) -> dict[str, object]:
    """Return how many errors there were, and their ``extensions.code``, each once."""
    facts: dict[str, object] = {"error_count": len(errors)}
    codes: dict[str, None] = {}
    for error in errors:
        extensions = getattr(error, "extensions", None)
        code = extensions.get("code") if isinstance(extensions, Mapping) else None
        if isinstance(code, (str, int)) and len(codes) < MAX_CODES:
            codes[str(code)[:MAX_CODE]] = None
    if codes:
        facts["error_codes"] = tuple(codes)
    return facts


def failure_in(errors: Sequence[Any], *, nameless: bool = False) -> Failure | None:
    """Return the failure of the first error: the exception of a resolver's, else the type alone.

    The messages of GraphQL's own errors quote the document and the values of its variables.

    Args:
        errors: GraphQL errors, or what was raised.
        nameless: Whether no message is to be told at all.
    """
    if not errors:
        return None
    error = errors[0]
    for _ in range(_NESTED):
        inner = getattr(error, "original_error", None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    failure = failure_of(error)
    return Failure(failure.type) if nameless or hasattr(error, "original_error") else failure


def errors_in(message: Any) -> list[Any]:
    """Return the errors of a result, also of one that holds parts of an incremental delivery."""
    parts = (message, *(getattr(message, "incremental", None) or ()), *(getattr(message, "completed", None) or ()))
    return [error for part in parts for error in getattr(part, "errors", None) or ()]
