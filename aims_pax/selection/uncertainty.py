"""Query by committee: scores from the spread of what the members say of one structure."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np

from aims_pax.errors import ShapeError
from aims_pax.frame import FloatArray
from aims_pax.protocols import FramePrediction, Score
from aims_pax.settings.stages.uncertainty import OF_COMPONENTS, RELATIVE

RELATIVE_EPS_EV_PER_ANG: Final = 1.0
"""Added to the force that a deviation is divided by, where nothing else is said."""

_TWICE_OFF_DIAGONAL: Final = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
"""How often each of Voigt's six components stands in a symmetric tensor."""


def _atomic_deviations(forces: FloatArray) -> FloatArray:
    """Deviation of each atom, (n_atoms,), eV/Å: sqrt(1/(3M) sum over members and components of (F - mean F)²)."""
    if forces.ndim != 3 or forces.shape[2] != 3 or forces.shape[1] == 0:
        raise ShapeError(f"forces must be (n_members, n_atoms, 3), not {forces.shape}")
    n_members = _require_several(forces)
    squared = (forces - forces.mean(axis=0)) ** 2
    deviations: FloatArray = np.sqrt(squared.sum(axis=(0, 2)) / (3 * n_members))
    return deviations


def _require_several(said: FloatArray) -> int:
    """How many members have said something; one alone has no deviation."""
    if len(said) < 2:
        raise ShapeError("a deviation needs at least two committee members")
    return len(said)


def max_atomic_sd(forces: FloatArray) -> float:
    """Largest per-atom committee deviation of one structure.

    Parameters
    ----------
    forces : (n_members, n_atoms, 3), eV/Å

    Returns
    -------
    float
        max over atoms of sqrt(sum over members and components of squared deviation / (3 M)), eV/Å.

    Raises
    ------
    ShapeError
        Fewer than two members: a deviation is undefined.

    Notes
    -----
    aims-PAX, Eq. 1.
    """
    return float(_atomic_deviations(forces).max())


def mean_atomic_sd(forces: FloatArray) -> float:
    """Per-atom committee deviation of :func:`max_atomic_sd`, averaged over the atoms, eV/Å."""
    return float(_atomic_deviations(forces).mean())


def ensemble_sd(forces: FloatArray) -> float:
    """Root mean square deviation over members, atoms and components, eV/Å: one spread for the whole structure."""
    return float(np.sqrt((_atomic_deviations(forces) ** 2).mean()))


def component_sd(forces: FloatArray) -> float:
    """Largest committee deviation of a force component of one structure, eV/Å.

    Parameters
    ----------
    forces : (n_members, n_atoms, 3), eV/Å

    Returns
    -------
    float
        max over atoms and components of sigma, sigma² the mean squared deviation of the members. Unlike
        :func:`max_atomic_sd` it depends on how the axes lie.

    Notes
    -----
    SCS (J. Chem. Theory Comput. 2025, 21, 7102), Eq. 1.
    """
    _require_several(forces)
    return float(forces.std(axis=0).max())


def max_relative_sd(forces: FloatArray, *, eps_ev_per_ang: float = RELATIVE_EPS_EV_PER_ANG) -> float:
    """Largest per-atom committee deviation over the length of the atom's mean force and eps; no unit.

    Parameters
    ----------
    forces : (n_members, n_atoms, 3), eV/Å
    eps_ev_per_ang : float
        Forces well below it count as this large: a relaxed atom has none to be divided by.

    Returns
    -------
    float
        max over atoms of sigma / (|mean F| + eps), sigma as in :func:`max_atomic_sd`.
    """
    lengths = np.linalg.norm(forces.mean(axis=0), axis=1)
    return float((_atomic_deviations(forces) / (lengths + eps_ev_per_ang)).max())


def component_relative_sd(forces: FloatArray, *, eps_ev_per_ang: float = RELATIVE_EPS_EV_PER_ANG) -> float:
    """Largest committee deviation of a force component over its own size and eps; no unit.

    Parameters
    ----------
    forces : (n_members, n_atoms, 3), eV/Å
    eps_ev_per_ang : float
        As for :func:`max_relative_sd`. The paper has an eps, and gives no value.

    Returns
    -------
    float
        max over atoms and components of sigma / (|mean F| + eps), sigma² the mean squared deviation of the members.

    Notes
    -----
    SCS (J. Chem. Theory Comput. 2025, 21, 7102), Eqs. 1 and 2.
    """
    _require_several(forces)
    return float((forces.std(axis=0) / (np.abs(forces.mean(axis=0)) + eps_ev_per_ang)).max())


def energy_sd(energies: FloatArray, *, n_atoms: int) -> float:
    """Standard deviation of the members' energies (n_members,) in eV over the number of atoms, eV/atom."""
    _require_several(energies)
    return float(energies.std()) / n_atoms


def stress_sd(stress: FloatArray) -> float:
    """Root mean square deviation over members and the nine components of a stress, eV/Å³: it turns with no axes.

    Parameters
    ----------
    stress : (n_members, 6), eV/Å³
        In Voigt's order.
    """
    n_members = _require_several(stress)
    squared = (stress - stress.mean(axis=0)) ** 2 * _TWICE_OFF_DIAGONAL
    return float(np.sqrt(squared.sum() / (9 * n_members)))


def molecular_sds(forces: FloatArray, molecules: Sequence[Sequence[int]]) -> FloatArray:
    """Committee deviation of the force on each of some molecules, (n_molecules,), eV/Å.

    The force on a molecule is the sum of those on its atoms: what acts within it cancels, and what is left is how it is
    pushed and pulled by others. The deviation is that of an atom in :func:`max_atomic_sd`.

    Parameters
    ----------
    forces : (n_members, n_atoms, 3), eV/Å
    molecules : sequence of sequence of int
        The atoms of each.
    """
    whole = np.stack([forces[:, list(atoms)].sum(axis=1) for atoms in molecules], axis=1)
    return _atomic_deviations(whole)


def max_atomic_error(predicted: FloatArray, reference: FloatArray) -> float:
    """Largest per-atom error of one structure, in the measure of :func:`max_atomic_sd`, eV/Å.

    Parameters
    ----------
    predicted, reference : (n_atoms, 3), eV/Å

    Raises
    ------
    ShapeError
        They are of different structures.
    """
    if predicted.shape != reference.shape:
        raise ShapeError(f"forces {predicted.shape} and {reference.shape} do not belong together")
    return float(np.sqrt(np.square(predicted - reference).sum(axis=1) / 3).max())


def _of_forces(measure: Callable[[FloatArray], float], said: FramePrediction, /) -> float:
    return measure(said.forces)


def _of_energy(said: FramePrediction, /) -> float:
    return energy_sd(said.energies, n_atoms=said.forces.shape[1])


def _of_stress(said: FramePrediction, /) -> float:
    return float("nan") if said.stress is None else stress_sd(said.stress)


SCORES: Mapping[str, Score] = {
    "max_atomic_sd": partial(_of_forces, max_atomic_sd),
    "mean_atomic_sd": partial(_of_forces, mean_atomic_sd),
    "ensemble_sd": partial(_of_forces, ensemble_sd),
    "component_sd": partial(_of_forces, component_sd),
    RELATIVE: partial(_of_forces, max_relative_sd),
    OF_COMPONENTS: partial(_of_forces, component_relative_sd),
    "energy_sd": _of_energy,
    "stress_sd": _of_stress,
}
"""By their names in ACTIVE_LEARNING.uncertainty_type, see :mod:`aims_pax.settings.stages.uncertainty`."""


def score_of(kind: str, *, relative_eps_ev_per_ang: float = RELATIVE_EPS_EV_PER_ANG) -> Score:
    """The score of this name; a relative one with this added to the force that it is divided by."""
    relative = {RELATIVE: max_relative_sd, OF_COMPONENTS: component_relative_sd}.get(kind)
    if relative is not None:
        return partial(_of_forces, partial(relative, eps_ev_per_ang=relative_eps_ev_per_ang))
    return SCORES[kind]
