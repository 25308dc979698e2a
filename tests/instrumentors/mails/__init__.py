"""Tests of what sends e-mail, with real SMTP servers on the loopback."""
