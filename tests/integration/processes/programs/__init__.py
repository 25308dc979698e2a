"""Small real programs, one for each way that processes are made and ended."""
