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

from collections.abc import Callable, Mapping
from types import ModuleType

from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks


class GraphqlInstrumentor(HookingInstrumentor):
    """Instruments graphql-core 3.2 and 3.3, whatever is built on it.

    Example:
        >>> instrumentor = GraphqlInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "graphql"
    versions = ("graphql-core >= 3.2",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {
            "graphql.execution.execute": _later("execution", "attach"),
            "graphql.execution.subscribe": _later("subscriptions", "attach_before_33"),
            "graphql.execution.map_async_iterator": _later("subscriptions", "attach_to_iterator"),
            "graphql.validation.validation_context": _later("refusals", "attach_to_validation"),
            "graphql.graphql": _later("refusals", "attach_to_core"),
            "graphene.types.schema": _later("refusals", "attach_to_graphene"),
            "strawberry.schema.schema": _later("refusals", "attach_to_strawberry"),
            "ariadne.graphql": _later("refusals", "attach_to_ariadne"),
            "ariadne.asgi.handlers.graphql_ws": _later("refusals", "attach_to_ariadnes_handlers"),
            "ariadne.asgi.handlers.graphql_transport_ws": _later("refusals", "attach_to_ariadnes_handlers"),
            "ariadne.contrib.sse": _later("refusals", "attach_to_ariadnes_handlers"),
        }


def _later(module: str, name: str) -> Attach:
    """Return hooks that are only imported where they are wanted."""

    def attach(hooks: Hooks, target: ModuleType) -> None:
        from importlib import import_module

        put: Callable[[Hooks, ModuleType], None] = getattr(import_module(f"{__name__}.{module}"), name)
        put(hooks, target)

    return attach
