"""Physical constants in the units of the package: eV, Å, fs, K, g/mol.

All values are CODATA 2018, written out, so that this module imports nothing and every layer may use it.
"""

from typing import Final

BOLTZMANN_EV_PER_K: Final = 8.617333262e-5
"""Boltzmann constant, eV/K (CODATA 2018, exact)."""

HARTREE_EV: Final = 27.211386245988
"""One Hartree in eV (CODATA 2018)."""

BOHR_ANG: Final = 0.529177210903
"""One Bohr radius in Å (CODATA 2018)."""

AMU_ANG2_PER_FS2_EV: Final = 103.642696562
"""One g/mol (Å/fs)² in eV: 1.66053906660e-27 kg (1e5 m/s)² / 1.602176634e-19 J (CODATA 2018)."""

PASCAL_EV_PER_ANG3: Final = 1e-11 / 1.602176634
"""One pascal in eV/Å³ (CODATA 2018, exact)."""

GIGAPASCAL_EV_PER_ANG3: Final = 1e9 * PASCAL_EV_PER_ANG3
"""One gigapascal in eV/Å³."""
