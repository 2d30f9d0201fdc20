"""Crystals in which an atom is missing, is too many, or is another one."""
