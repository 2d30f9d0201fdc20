"""Figures of sets that were gathered from finished calculations."""
