"""Committees of Gaussian approximation potentials (GAP), fitted by gap_fit and evaluated by quippy.

Both run in processes of their own: QUIP is Fortran with global state, and ends its process when it gives up.
"""
