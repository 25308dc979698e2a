"""Instrumentors: each hooks one framework and hands what it sees to a tracker of ezlogs."""
