"""Propagation: how a story reaches other services and comes from them, by HTTP headers."""
