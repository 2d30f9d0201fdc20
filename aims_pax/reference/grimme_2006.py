"""Grimme's D2: pairs of atoms by tables of their elements, damped at short distances.

S. Grimme, J. Comput. Chem. 27, 1787 (2006), Table 1 and Eqs. 11 to 13.
"""

from itertools import chain, repeat
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray, Frame
from aims_pax.reference.calculation import Observables

EV_ANG6_PER_J_NM6_MOL: Final = 1e6 / 96485.33212
"""One J nm⁶/mol in eV Å⁶."""

STEEPNESS: Final = 20.0
"""Of the damping, d in Eq. 12."""

SCALES: Final = {"pbe": 0.75, "blyp": 1.2, "bp": 1.05, "b3lyp": 1.05, "tpss": 1.0, "b97-d": 1.25}
"""s6 of each functional, Eq. 11."""

_TABLE: Final = tuple(
    chain(
        ((0.14, 1.001), (0.08, 1.012), (1.61, 0.825), (1.61, 1.408), (3.13, 1.485), (1.75, 1.452), (1.23, 1.397)),
        ((0.70, 1.342), (0.75, 1.287), (0.63, 1.243), (5.71, 1.144), (5.71, 1.364), (10.79, 1.639), (9.23, 1.716)),
        ((7.84, 1.705), (5.57, 1.683), (5.07, 1.639), (4.61, 1.595), (10.80, 1.485), (10.80, 1.474)),
        repeat((10.80, 1.562), 10),  # Sc to Zn
        ((16.99, 1.650), (17.10, 1.727), (16.37, 1.760), (12.64, 1.771), (12.47, 1.749), (12.01, 1.727)),
        ((24.67, 1.628), (24.67, 1.606)),
        repeat((24.67, 1.639), 10),  # Y to Cd
        ((37.32, 1.672), (38.71, 1.804), (38.44, 1.881), (31.74, 1.892), (31.50, 1.892), (29.99, 1.881)),
    )
)
"""C6 (J nm⁶/mol) and van der Waals radius R0 (Å) of each element, from hydrogen on."""

HEAVIEST: Final = len(_TABLE)
"""Xenon."""


def d2_correction(frame: Frame, *, s6: float, cutoff_ang: float, width_ang: float, want_stress: bool) -> Observables:
    """Energy (eV), forces (eV/Å) and, of what is periodic along three directions, stress (eV/Å³).

    Parameters
    ----------
    s6 : float
    cutoff_ang : float
        Up to which pairs are summed.
    width_ang : float
        Over which they fade out before it; 0: not at all.

    Raises
    ------
    ValueError
        An element beyond the table.
    """
    from vesin import NeighborList  # which imports PyTorch where there is one

    if int(frame.numbers.max()) > HEAVIEST:
        raise ValueError(f"there are no parameters of D2 beyond Z = {HEAVIEST}")
    table = np.array(_TABLE)[frame.numbers - 1]
    cell = np.where(frame.pbc[:, None], frame.cell, np.eye(3))
    finder = NeighborList(cutoff=cutoff_ang, full_list=True, n_threads=1)
    first, second, vectors = finder.compute(points=frame.positions, box=cell, periodic=frame.pbc, quantities="ijD")
    distance = np.linalg.norm(vectors, axis=1)
    c6 = np.sqrt(table[first, 0] * table[second, 0]) * EV_ANG6_PER_J_NM6_MOL
    energy, slope = _pair(distance, s6 * c6, table[first, 1] + table[second, 1])
    if width_ang:
        fade, fade_slope = _fading(distance, cutoff_ang, width_ang)
        energy, slope = energy * fade, slope * fade + energy * fade_slope
    pulls = (slope / distance)[:, None] * vectors
    forces = np.zeros_like(frame.positions)
    np.add.at(forces, first, pulls)
    stress = None
    if want_stress and frame.pbc.all():
        tensor = (pulls.T @ vectors) / (2 * abs(np.linalg.det(frame.cell)))
        stress = tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    return Observables(energy=float(energy.sum()) / 2, forces=forces, stress=stress)


def _pair(distance: FloatArray, c6: FloatArray, radius: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Energy of each pair (n,), and its derivative by the distance."""
    damping = 1 / (1 + np.exp(-STEEPNESS * (distance / radius - 1)))
    bare = -c6 / distance**6
    return bare * damping, bare * damping * (STEEPNESS / radius * (1 - damping) - 6 / distance)


def _fading(distance: FloatArray, cutoff: float, width: float) -> tuple[FloatArray, FloatArray]:
    """A factor (n,) from 1 to 0 over the last part before the cutoff, and its derivative; both are continuous."""
    x = np.clip((distance - (cutoff - width)) / width, 0.0, 1.0)
    return 1 - x**3 * (10 - 15 * x + 6 * x**2), -30 * x**2 * (1 - x) ** 2 / width
