"""What is compared: energies, forces in several ways, stress."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from aims_pax.evaluation.parity.matched import Block
from aims_pax.frame import FloatArray, IntArray

LEAST_FORCE_EV_PER_ANG: Final = 0.01
"""Forces below this, labelled or predicted, have no angle: its error would be that of noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """Labels and predictions of one quantity.

    Parameters
    ----------
    reference, predicted : (n,)
    structure : (n,) int
        Place of the structure in the whole set.
    numbers : (n,) int, or None
        Atomic numbers; None for what belongs to no atom.
    """

    reference: FloatArray
    predicted: FloatArray
    structure: IntArray
    numbers: IntArray | None = None

    def known(self) -> "Values":
        """Without those that label or method do not tell."""
        finite = np.isfinite(self.reference) & np.isfinite(self.predicted)
        if finite.all():
            return self
        numbers = None if self.numbers is None else self.numbers[finite]
        return Values(self.reference[finite], self.predicted[finite], self.structure[finite], numbers)


@dataclass(frozen=True, slots=True)
class Quantity:
    """One quantity.

    Parameters
    ----------
    key : str
        In tables for programs: ``force_component``.
    title : str
        For a person.
    unit : str
        Of the values.
    shown_unit : str
        In which a person reads it, and
    factor : float
        what the values are multiplied by for that.
    values : callable
        Labels and predictions of a block of structures.
    has_reference : bool
        Whether the labels have it; what is a difference already (an angle between forces) has no R².
    """

    key: str
    title: str
    unit: str
    shown_unit: str
    factor: float
    values: Callable[[Block], Values]
    has_reference: bool = True


def _energies(block: Block) -> Values:
    reference = np.array([label.energy for label in block.labels])
    predicted = np.array([float(block.method.said(one.energies)) for one in block.predictions])
    return Values(reference, predicted, block.first + np.arange(len(block.labels)))


def _energies_per_atom(block: Block) -> Values:
    total = _energies(block)
    n_atoms = np.array([frame.n_atoms for frame in block.frames])
    return Values(total.reference / n_atoms, total.predicted / n_atoms, total.structure)


def _forces(block: Block) -> tuple[FloatArray, FloatArray, IntArray, IntArray]:
    """Labelled and predicted forces (n, 3), place of the structure (n,), atomic number (n,)."""
    places = block.first + np.arange(len(block.frames))
    return (
        np.concatenate([label.forces for label in block.labels]),
        np.concatenate([block.method.said(one.forces) for one in block.predictions]),
        np.repeat(places, [frame.n_atoms for frame in block.frames]),
        np.concatenate([frame.numbers for frame in block.frames]),
    )


def _components(block: Block) -> Values:
    reference, predicted, structure, numbers = _forces(block)
    return Values(reference.ravel(), predicted.ravel(), np.repeat(structure, 3), np.repeat(numbers, 3))


def _lengths(block: Block) -> Values:
    reference, predicted, structure, numbers = _forces(block)
    return Values(np.linalg.norm(reference, axis=1), np.linalg.norm(predicted, axis=1), structure, numbers)


def _root_mean_squares(block: Block) -> Values:
    lengths = _lengths(block)
    return Values(lengths.reference / 3**0.5, lengths.predicted / 3**0.5, lengths.structure, lengths.numbers)


def _differences(block: Block) -> Values:
    reference, predicted, structure, numbers = _forces(block)
    length = np.linalg.norm(predicted - reference, axis=1)
    return Values(np.where(np.isfinite(length), 0.0, np.nan), length, structure, numbers)


def _angles(block: Block) -> Values:
    reference, predicted, structure, numbers = _forces(block)
    angle = angles_between(reference, predicted)
    return Values(np.where(np.isfinite(angle), 0.0, np.nan), angle, structure, numbers)


def angles_between(reference: FloatArray, predicted: FloatArray) -> FloatArray:
    """Angles (n,) in degrees between forces (n, 3); NaN where one is below :data:`LEAST_FORCE_EV_PER_ANG`.

    Notes
    -----
    atan2(|a × b|, a · b), which keeps its digits at small angles; the arc cosine loses them.
    """
    lengths = np.minimum(np.linalg.norm(reference, axis=1), np.linalg.norm(predicted, axis=1))
    cross = np.linalg.norm(np.cross(reference, predicted), axis=1)
    angle: FloatArray = np.degrees(np.arctan2(cross, np.einsum("ij,ij->i", reference, predicted)))
    angle[~(lengths >= LEAST_FORCE_EV_PER_ANG)] = np.nan
    return angle


def _stresses(block: Block) -> Values:
    places, references, predictions = [], [], []
    for place, (label, said) in enumerate(zip(block.labels, block.predictions, strict=True), start=block.first):
        if label.stress is not None and said.stress is not None:
            places.append(place)
            references.append(label.stress)
            predictions.append(block.method.said(said.stress))
    if not places:
        return Values(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64))
    return Values(np.concatenate(references), np.concatenate(predictions), np.repeat(places, 6))


ENERGY: Final = Quantity("energy_per_atom", "energy per atom", "eV/atom", "meV/atom", 1e3, _energies_per_atom)
TOTAL_ENERGY: Final = Quantity("energy", "total energy", "eV", "eV", 1.0, _energies)
COMPONENT: Final = Quantity("force_component", "force components", "eV/Å", "meV/Å", 1e3, _components)
LENGTH: Final = Quantity("force_length", "length of forces", "eV/Å", "meV/Å", 1e3, _lengths)
DIFFERENCE: Final = Quantity(
    "force_difference", "force vectors, |difference|", "eV/Å", "meV/Å", 1e3, _differences, has_reference=False
)
ANGLE: Final = Quantity("force_angle", "angle between forces", "degree", "°", 1.0, _angles, has_reference=False)
RMS: Final = Quantity("force_rms", "RMS force of atoms", "eV/Å", "meV/Å", 1e3, _root_mean_squares)
"""Root of the mean of the squares of x, y and z, |F|/√3: what AtomProNet compares. It does not feel directions."""
STRESS: Final = Quantity("stress", "stress components", "eV/Å³", "meV/Å³", 1e3, _stresses)

QUANTITIES: Final = (ENERGY, TOTAL_ENERGY, COMPONENT, LENGTH, DIFFERENCE, ANGLE, RMS, STRESS)
OF_ATOMS: Final = (COMPONENT, LENGTH, DIFFERENCE, ANGLE, RMS)
"""Those that can be told by element."""
