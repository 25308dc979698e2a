"""The routes of the shop of Django's."""

from __future__ import annotations

from common import SECRET, Counted, hang, place
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth import login as log_in
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_POST


@require_POST
def login(request):
    """Let anybody in."""
    from django.contrib.auth.models import User

    log_in(request, User.objects.get(pk=7), backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse("ok")


def order(request, order):
    """Place an order for whoever has logged in."""
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    place(order)
    return HttpResponse("ok")


def upload(request, name):
    """Take a large body as it comes."""
    counted = Counted()
    while chunk := request.read(65536):
        counted.add(chunk)
    return HttpResponse(str(counted))


def fails(request, name):
    """Say too much in an error."""
    raise ValueError(f"Authorization: Bearer {SECRET}")


def ok(request, **named):
    """Say that all is well."""
    return HttpResponse("ok")


urlpatterns = [
    path("login", login),
    path("orders/<int:order>", order),
    path("hang/<int:order>", lambda request, order: hang(order)),
    path("uploads/<name>", upload),
    path("fails/<name>", fails),
    path("reset/<token>", ok),
    path("healthz", ok),
    *i18n_patterns(path("shelves/<int:shelf>/", ok)),
]
