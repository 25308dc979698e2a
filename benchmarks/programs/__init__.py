"""The measured programs: each runs in a process of its own and prints nanoseconds by the name of what was measured."""
