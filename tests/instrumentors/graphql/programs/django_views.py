"""A Django project with Strawberry's view, and one that calls Graphene; print the events of a request for each."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings

settings.configure(
    SECRET_KEY="only for tests", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None, USE_TZ=True
)

import django  # noqa: E402  # it needs its settings first
import graphene  # noqa: E402
import strawberry  # noqa: E402

import ezlogs  # noqa: E402
from ezlogs.testing import capture  # noqa: E402
from ezlogs_instrumentors.django import DjangoInstrumentor  # noqa: E402
from ezlogs_instrumentors.graphql import GraphqlInstrumentor  # noqa: E402

django.setup()
DjangoInstrumentor().instrument()
GraphqlInstrumentor().instrument()

from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402
from strawberry.django.views import GraphQLView  # noqa: E402


@strawberry.type(name="Query")
class Asked:
    """What Strawberry is asked."""

    @strawberry.field
    def name(self) -> str:
        """Return a name, with an event."""
        ezlogs.event("profile.action", "viewed")
        return "Ada"


class Query(graphene.ObjectType):
    """What Graphene is asked."""

    name = graphene.String()

    def resolve_name(self, info: Any) -> str:
        """Return a name, with an event."""
        ezlogs.event("profile.action", "viewed")
        return "Ada"


SCHEMA = graphene.Schema(query=Query)


def view(request: HttpRequest) -> JsonResponse:
    """Execute with Graphene."""
    return JsonResponse({"data": SCHEMA.execute(json.loads(request.body)["query"]).data})


urlpatterns = [
    path("strawberry/", GraphQLView.as_view(schema=strawberry.Schema(Asked))),
    path("graphene/", view),
]

found = {}
for library in ("strawberry", "graphene"):
    with capture() as captured:
        answer = Client().post(f"/{library}/", {"query": "query Me { name }"}, content_type="application/json")
        assert answer.json()["data"] == {"name": "Ada"}, answer.content
    actions = {event.event_id: event.action for event in captured.events}
    found[library] = [(event.action, actions.get(event.correlation.parent_event_id or "")) for event in captured.events]
print(json.dumps(found))
