"""Small real programs that the tests launch."""
