"""Structures: what they are made of, and where they come from other than MD."""
