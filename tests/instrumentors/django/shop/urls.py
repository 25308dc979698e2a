"""The shop's routes."""

from __future__ import annotations

from django.urls import include, path, re_path

from . import views

urlpatterns = [
    path("", views.stream),
    path("orders/", views.create),
    path("orders/<int:pk>/", views.show),
    path("async/orders/<int:pk>/", views.show_async),
    path("old/", include([re_path(r"^orders/(?P<pk>[0-9]+)/$", views.show)])),
    re_path(r"^older/orders/(\d+)/$", views.show),
    path("failing/", views.create_and_fail),
    path("who/", views.who),
    path("async/who/", views.who_async),
    path("token/", views.token),
    path("broken/", views.broken),
    path("forbidden/", views.forbidden),
    path("unavailable/", views.unavailable),
]
