"""The store's own commands."""
