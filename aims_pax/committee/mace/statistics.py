"""What a dataset tells a model before any training: atomic energies, scale, shift and neighbours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from aims_pax.batch import neighbour_list
from aims_pax.committee.mace.elements import Elements
from aims_pax.frame import FloatArray, LabelledFrame

LEAST_SPREAD: Final = 0.02
"""Directions along which the parts of the elements scatter by less than this tell nothing of the elements' energies."""


@dataclass(frozen=True, slots=True)
class DatasetStatistics:
    """The constants of a MACE model that come from data.

    Parameters
    ----------
    atomic_energies_ev : tuple of float
        E0 of each element of the model, in the model's order, eV.
    scale : float
        Factor on the learnt energies; eV/Å for force scaling.
    shift_ev : float
        Mean of (E - sum of E0) per atom, eV: no large constant is left for the network to learn.
    avg_num_neighbors : float
        Mean number of neighbours of an atom within the cutoff.
    """

    atomic_energies_ev: tuple[float, ...]
    scale: float
    shift_ev: float
    avg_num_neighbors: float


def _compositions(labelled: Sequence[LabelledFrame], elements: Elements) -> FloatArray:
    """(n_frames, n_elements): how many atoms of each element each frame has."""
    return np.array([[np.sum(point.frame.numbers == z) for z in elements.numbers] for point in labelled], dtype=float)


def bound(labelled: Sequence[LabelledFrame]) -> Sequence[LabelledFrame]:
    """The structures without free atoms, which have neither forces nor bonds; all where there are no others."""
    return [point for point in labelled if not _is_free_atom(point)] or labelled


def _is_free_atom(point: LabelledFrame) -> bool:
    return point.frame.n_atoms == 1 and not bool(point.frame.pbc.any())


def fit_atomic_energies(
    labelled: Sequence[LabelledFrame], elements: Elements, *, known: Mapping[int, float]
) -> tuple[float, ...]:
    """Atomic energies of all elements, eV: the known ones as they are, the others by least squares over the labels.

    Parameters
    ----------
    known : mapping of atomic number to eV
        Energies of isolated atoms by the same reference. Free atoms among the labels count like these.

    Notes
    -----
    With a single composition the least-squares problem is under-determined; the solution of least norm still
    reproduces the mean energy, which is all that matters for the network.
    """
    free = {int(point.frame.numbers[0]): point.label.energy for point in labelled if _is_free_atom(point)}
    known, labelled = {**free, **known}, bound(labelled)
    counts = _compositions(labelled, elements)
    energies = np.array([point.label.energy for point in labelled])
    is_known = np.array([z in known for z in elements.numbers])
    e0 = np.array([known.get(z, 0.0) for z in elements.numbers])
    if not is_known.all():
        rest = energies - counts @ e0
        e0[~is_known] = np.linalg.lstsq(counts[:, ~is_known], rest, rcond=None)[0]
    return tuple(float(energy) for energy in e0)


def corrected_atomic_energies(
    labelled: Sequence[LabelledFrame],
    elements: Elements,
    *,
    own: Sequence[float],
    said_ev: FloatArray,
    known: Mapping[int, float],
) -> tuple[float, ...]:
    """Atomic energies of trained models for labels of another method, eV: the known ones, the others moved.

    Parameters
    ----------
    own : sequence of float, eV
        Those of the models, in the order of the elements.
    said_ev : (n_frames,), eV
        Energies of the models for the structures.
    known : mapping of atomic number to eV
        Energies of isolated atoms by the method of the labels, which stay. Free atoms among the labels are known, too.

    Notes
    -----
    What the models leave of the labels is fitted, not the labels themselves, which would put the mean bond into the
    atoms. By least squares per atom and of least norm, so that elements which always come in the same ratio share it.
    """
    free = {int(point.frame.numbers[0]): point.label.energy for point in labelled if _is_free_atom(point)}
    known = {**free, **known}
    is_bound = np.array([not _is_free_atom(point) for point in labelled])
    is_known = np.array([number in known for number in elements.numbers])
    e0 = np.array([known.get(z, energy) for z, energy in zip(elements.numbers, own, strict=True)])
    if is_known.all() or not is_bound.any():
        return tuple(float(energy) for energy in e0)
    counts = _compositions(labelled, elements)
    energies = np.array([point.label.energy for point in labelled])
    left = (energies - said_ev + counts @ (np.array(own) - e0))[is_bound]
    counts = counts[is_bound]
    n_atoms = counts.sum(axis=1)
    e0[~is_known] += np.linalg.lstsq(counts[:, ~is_known] / n_atoms[:, None], left / n_atoms, rcond=1e-8)[0]
    return tuple(float(energy) for energy in e0)


def centring(errors_ev: FloatArray, parts: FloatArray) -> tuple[float, FloatArray]:
    """What all atoms, and those of each element besides, are to add so that energies are right on average, eV.

    Parameters
    ----------
    errors_ev : (n_frames,)
        Prediction minus label per atom, eV.
    parts : (n_frames, n_elements)
        Which part of the atoms is of each element.

    Returns
    -------
    constant : float, eV per atom
    by_element : (n_elements,), eV per atom
        By least squares, of least norm; 0 where all frames are of one composition.
    """
    constant, centre = errors_ev.mean(), parts.mean(axis=0)
    left, lengths, right = np.linalg.svd(parts - centre, full_matrices=False)
    told = lengths > LEAST_SPREAD * np.sqrt(len(errors_ev))
    slopes = right[told].T @ (left[:, told].T @ (errors_ev - constant) / lengths[told])
    return float(centre @ slopes - constant), -slopes


def mean_residual_energy(
    labelled: Sequence[LabelledFrame], elements: Elements, atomic_energies_ev: Sequence[float]
) -> tuple[float, float]:
    """Mean and standard deviation over frames of (E - sum of E0) per atom, eV. Free atoms do not count."""
    labelled = bound(labelled)
    counts = _compositions(labelled, elements)
    energies = np.array([point.label.energy for point in labelled])
    residuals = (energies - counts @ np.array(atomic_energies_ev)) / counts.sum(axis=1)
    return float(residuals.mean()), float(residuals.std())


def rms_force(labelled: Sequence[LabelledFrame]) -> float:
    """Root mean square over all force components, eV/Å. Free atoms do not count."""
    return float(np.sqrt(np.mean(np.concatenate([point.label.forces.ravel() for point in bound(labelled)]) ** 2)))


def mean_neighbours(labelled: Sequence[LabelledFrame], *, cutoff: float) -> float:
    """Mean number of neighbours within `cutoff` (Å) of the atoms that have any; 1 when no atom has."""
    counts: list[int] = []
    for point in labelled:
        frame = point.frame
        edges, _ = neighbour_list(frame.positions, frame.cell, frame.pbc, cutoff=cutoff)
        counts += [int(count) for count in np.bincount(edges[1], minlength=1) if count]
    return float(np.mean(counts)) if counts else 1.0
