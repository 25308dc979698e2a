"""Tests of whole flows: applications as users run them, with nothing configured."""
