"""Management of orders."""
