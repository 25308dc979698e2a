"""The tests of the Django instrumentor, against a real project."""
