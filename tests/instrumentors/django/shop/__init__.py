"""A small shop: the project that the tests instrument."""
