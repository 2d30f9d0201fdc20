"""Structures that models move, compared with those that another method moves, or has moved."""
