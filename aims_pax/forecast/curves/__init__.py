"""Curves of a run that are carried on: powers of the number of structures."""
