"""The store's own commands, one module each."""
