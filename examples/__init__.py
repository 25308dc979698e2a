"""Examples: applications as their users would write them."""
