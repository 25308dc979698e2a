"""The tests of the WSGI middleware, with applications of every kind, on real servers."""
