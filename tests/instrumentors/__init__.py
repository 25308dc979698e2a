"""The tests of the instrumentors, each against the real framework."""
