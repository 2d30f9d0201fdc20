"""VASP 4.6, 5 and 6: OUTCAR and vasprun.xml."""
