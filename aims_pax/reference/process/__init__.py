"""A reference in a process of its own, and what ends it when it should."""
