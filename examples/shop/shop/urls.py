"""The shop's pages."""

from django.contrib.auth.views import LoginView
from django.urls import path
from store import views

urlpatterns = [
    path("login", LoginView.as_view(template_name="store/login.html"), name="login"),
    path("products", views.products, name="products"),
    path("orders", views.orders, name="orders"),
    path("orders/<int:pk>", views.order, name="order"),
]
