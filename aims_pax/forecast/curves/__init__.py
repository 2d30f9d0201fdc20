"""Curves of a run that are carried on: powers of the number of structures, and what they foretell."""
