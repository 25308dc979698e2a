"""Benchmarks: ezlogs beside its peers in the same run; every result is a ratio."""
