"""Structures that are made from others without MD: one source a file, all of them in the list of `registry`."""
