"""OpenTelemetry contrib's own test suites, unchanged: each without ezlogs and with it, and how the outcomes differ."""
