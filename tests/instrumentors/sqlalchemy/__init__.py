"""The tests of the SQLAlchemy instrumentor, against real databases."""
