"""Ask each library for an operation that it runs and one that it refuses; print what is told.

The argument says whether the libraries are imported ``before`` graphql-core is instrumented, or ``after`` it.
"""

from __future__ import annotations

import json
import sys

from ezlogs.testing import capture
from ezlogs_instrumentors.graphql import GraphqlInstrumentor

instrumentor = GraphqlInstrumentor()
if sys.argv[1] == "after":
    instrumentor.instrument()
    assert not {"graphql", "ezlogs.trackers.graphql"} & set(sys.modules)

import graphene  # noqa: E402  # when they are imported is what this is about
import strawberry  # noqa: E402
from ariadne import graphql_sync as ariadne_sync  # noqa: E402
from graphql import build_schema, graphql_sync  # noqa: E402

if sys.argv[1] == "before":
    instrumentor.instrument()


class Query(graphene.ObjectType):
    """What Graphene is asked."""

    name = graphene.String()


@strawberry.type(name="Query")
class Asked:
    """What Strawberry is asked."""

    name: str = ""


core = build_schema("type Query { name: String }")
ask = {
    "graphql_core": lambda source: graphql_sync(core, source),
    "graphene": graphene.Schema(query=Query).execute,
    "strawberry": strawberry.Schema(Asked).execute_sync,
    "ariadne": lambda source: ariadne_sync(core, {"query": source}),
}
found = {}
for library, run in ask.items():
    with capture() as captured:
        run("query Q { name }")
        run("query Wrong { nothing }")
        run("{")
    found[library] = [event.action for event in captured.of("graphql.operation")]
print(json.dumps(found))
