"""The store's pages."""

from django.contrib.auth.decorators import login_required
from django.db import IntegrityError
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_POST
from store.checkout import place_order
from store.forms import OrderForm


@login_required
@require_GET
def products(request):
    """Show what there is, with the form to order it."""
    return render(request, "store/products.html", {"form": OrderForm()})


@login_required
@require_POST
def orders(request):
    """Place an order: 201, or 422 when the form is wrong, or 409 when a product is sold already."""
    form = OrderForm(request.POST)
    if not form.is_valid():
        return render(request, "store/products.html", {"form": form}, status=422)
    try:
        placed = place_order(request.user, form)
    except IntegrityError:
        form.add_error("products", "One of these was sold while you were looking at it.")
        return render(request, "store/products.html", {"form": form}, status=409)
    response = render(request, "store/order.html", {"order": placed}, status=201)
    response["Location"] = placed.get_absolute_url()
    return response


@login_required
@require_GET
def order(request, pk):
    """Show one of the customer's own orders."""
    return render(request, "store/order.html", {"order": get_object_or_404(request.user.orders, pk=pk)})
