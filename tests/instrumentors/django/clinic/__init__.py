"""A clinic, of whose models different things are told."""
