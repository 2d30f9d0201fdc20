"""Gathered structures as files: extended XYZ, HDF5, and folders of arrays."""
