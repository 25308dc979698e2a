"""Tests of the Starlette instrumentor."""
