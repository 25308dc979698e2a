"""Tools for developers: a local OTLP endpoint, and what arrives there as plain Python."""
