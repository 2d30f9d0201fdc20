"""Figures for a paper: as wide as its columns, as PNG and PDF, each with the numbers that it shows."""
