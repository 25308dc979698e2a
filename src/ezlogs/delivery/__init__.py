"""Delivery: from the application's hand to a collector - span processor, carrier spans, batches, retries, health."""
