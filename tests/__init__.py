"""The tests of ezlogs."""
