"""The small application in Django: one view, one route."""

from __future__ import annotations

import json
from typing import Any

from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.urls import path


def create(request: HttpRequest, customer: int) -> JsonResponse:
    """Place an order, by the hand of whoever measures."""
    order: dict[str, Any] = json.loads(request.body)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orders (customer, quantity) VALUES (%s, %s)", [order["customer"], order["quantity"]]
        )
        number = cursor.lastrowid
    placed(number)
    return JsonResponse({"id": number, "customer": customer}, status=201)


def placed(number: int) -> None:
    """Tell it, where somebody listens."""


urlpatterns = [path("customers/<int:customer>/orders", create)]
