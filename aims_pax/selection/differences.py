"""What models and the reference say of one structure, compared."""

import numpy as np

from aims_pax.frame import FloatArray, Frame, Label
from aims_pax.learner.checks.tolerances import Differences


def differences(
    label: Label, frame: Frame, *, energy: float, forces: FloatArray, stress: FloatArray | None
) -> Differences:
    """What a prediction differs by from a label of the same structure, in the measures of hybrid-md.

    Parameters
    ----------
    energy : float, eV
    forces : (n_atoms, 3), eV/Å
    stress : (6,), eV/Å³, or None
    """
    off = forces - label.forces
    vmax = None
    if stress is not None and label.stress is not None:
        volume = abs(float(np.linalg.det(frame.cell)))
        vmax = float(np.abs(stress - label.stress).max()) * volume / frame.n_atoms
    return Differences(
        ediff=abs(energy - label.energy) / frame.n_atoms,
        fmax=float(np.abs(off).max()),
        frmse=float(np.sqrt(np.square(off).mean())),
        vmax=vmax,
    )
