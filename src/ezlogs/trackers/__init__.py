"""Trackers: framework-neutral logic that turns something that happened into events."""
