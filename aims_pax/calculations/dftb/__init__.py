"""DFTB+: detailed.out and results.tag, with the input that has the geometry."""

from aims_pax.calculations.dftb.kinds import KINDS as READERS

__all__ = ["READERS"]
