"""Held-out sets: labels that nothing was trained on, how many, by what, and from where."""
