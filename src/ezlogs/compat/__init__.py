"""Compatibility with the Ruby agent, whose events ezlogs reads and writes."""
