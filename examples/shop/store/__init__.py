"""The store: products that each exist once, and the orders for them."""
