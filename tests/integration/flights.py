"""Cheap flights: small models of water, kept within loose tolerances of GFN2-xTB."""

import numpy as np
from ase import Atoms, units
from ase.build import molecule

SMALL: dict[str, dict[str, object]] = {
    "ARCHITECTURE": {"r_max": 4.0, "num_channels": 8, "max_L": 0, "num_interactions": 1, "correlation": 2},
    "TRAINING": {"batch_size": 5},
    "MISC": {"device": "cpu"},
}
REFIT = {"first_epochs": 30, "epochs": 6}
LOOSE = {"tolerances": {"ediff": 0.05, "frmse": 0.6}, "num_initial_steps": 6, "check_interval": 4, "refit": REFIT}


def water() -> Atoms:
    """A molecule that moves as at 300 K, without a cell."""
    atoms = molecule("H2O")
    momenta = np.random.default_rng(1).normal(size=(3, 3))
    atoms.set_momenta(momenta * np.sqrt(atoms.get_masses() * 300 * units.kB)[:, None])
    return atoms
