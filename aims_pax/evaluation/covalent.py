"""Which elements have bonds with a place in space, and how long bonds are."""

from typing import Final

BONDED: Final = 1.25
"""Atoms closer than this times the sum of their covalent radii are bonded: C-C up to 1.90 Å, C-H 1.34 Å, O-H 1.21 Å.
Vibrations of a starting structure stay below, the next neighbours (H-C-H: 1.8 Å for a sum of 0.62 Å) are far above."""

COVALENT: Final = frozenset({1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 32, 33, 34, 35, 51, 52, 53})
"""Elements whose bonds among each other have a place in space: a metal's or an ion's neighbours come and go."""
