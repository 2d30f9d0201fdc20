"""DFTB+: detailed.out and results.tag, with the input that has the geometry."""
