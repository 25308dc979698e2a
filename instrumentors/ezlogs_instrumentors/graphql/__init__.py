"""GraphQL: graphql-core, and so Strawberry, Graphene and Ariadne, which all execute with it; nothing to configure.

Libraries import graphql-core's functions by name, when they are imported themselves, so a function that is replaced
later would not be called. What is hooked is therefore looked up at each call:

- the class that executes - ``ExecutionContext``, since graphql-core 3.3 ``Executor`` - in ``build``, which finds the
  operation and its variables, and in ``execute_operation``, which runs it. Subclasses are covered;
- what subscriptions are made of inside graphql-core: ``execute_subscription`` and the iterator over its results;
- what sees requests that are refused before that: ``graphql_impl``, under ``graphql()``, ``graphql_sync()`` and
  Graphene's ``Schema``; the methods of Strawberry's ``Schema``; the steps of ``ariadne.graphql``.
"""

from __future__ import annotations

from types import MappingProxyType

from ezlogs_instrumentors.hooks import HookingInstrumentor


class GraphqlInstrumentor(HookingInstrumentor):
    """Instruments graphql-core 3.2 and 3.3, whatever is built on it.

    Example:
        >>> instrumentor = GraphqlInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "graphql"
    versions = ("graphql-core >= 3.2",)
    parts = MappingProxyType(
        {
            "graphql.execution.execute": "execution.attach",
            "graphql.execution.subscribe": "subscriptions.attach_before_33",
            "graphql.execution.map_async_iterator": "subscriptions.attach_to_iterator",
            "graphql.validation.validation_context": "refusals.attach_to_validation",
            "graphql.graphql": "refusals.attach_to_core",
            "graphene.types.schema": "refusals.attach_to_graphene",
            "strawberry.schema.schema": "refusals.attach_to_strawberry",
            "ariadne.graphql": "refusals.attach_to_ariadne",
            "ariadne.asgi.handlers.graphql_ws": "refusals.attach_to_ariadnes_handlers",
            "ariadne.asgi.handlers.graphql_transport_ws": "refusals.attach_to_ariadnes_handlers",
            "ariadne.contrib.sse": "refusals.attach_to_ariadnes_handlers",
        }
    )
