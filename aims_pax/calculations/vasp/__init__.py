"""VASP 4.6, 5 and 6: OUTCAR and vasprun.xml."""

from aims_pax.calculations.vasp.kinds import KINDS as READERS

__all__ = ["READERS"]
