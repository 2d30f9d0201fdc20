"""Labelled structures in HDF5.

``opening`` tells by what is in a file which kind it is: ``mace`` groups, of MACE's preprocessing and of our exports,
``so3krates`` columns, ``trainspot`` items. ``writing`` is the export, and ``values`` what all kinds share.
"""
