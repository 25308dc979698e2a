"""A shop in one file, for a first look: `ezlogs demo` runs it against an endpoint of its own, and tells its stories."""
