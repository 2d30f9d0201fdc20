"""The values that travel through a campaign: structures with an identity, and what the reference says of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from aims_pax.errors import ShapeError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class Stage(StrEnum):
    """The halves of a campaign, by the names of the stages that v0.2 has; other stages have names of their own."""

    INITIAL = "initial"
    """Initial dataset generation: sampled uniformly, not by uncertainty."""
    ACTIVE = "active"
    """Active learning: picked because the committee was unsure, or because it was sure for too long."""


class Split(StrEnum):
    """What a labelled structure is used for, for its whole life."""

    TRAINING = "training"
    """Gradients are taken on it."""
    VALIDATION = "validation"
    """Errors, learning-rate decisions and stopping are measured on it."""
    TEST = "test"
    """Nothing is learned from it and nothing decided by it: it says how wrong the models are."""


class FailureReason(StrEnum):
    """Why a reference calculation gave no label; `meaning` says how that shows."""

    NOT_CONVERGED = "not converged", "the self-consistency cycle stopped without converging"
    CRASHED = "crashed", "the engine ended by an error or a signal"
    UNPHYSICAL = (
        "unphysical",
        "energy or forces are not finite, or are for another number of atoms",
    )
    KEPT_OUT = (
        "kept out",
        "a force exceeds `max_force_ev_per_ang` of REFERENCE, or of `collect`: the label is stored, and nobody learns "
        "it unless the limit is raised",
    )
    WALLTIME = "walltime", "the calculation took longer than `REFERENCE.walltime_s`"
    OUT_OF_MEMORY = "out of memory", "the engine was refused memory, or was ended by SIGKILL from outside"
    CUT_SHORT = "output cut short", "the engine's output stops before its end, or lacks what it should hold"
    MISSING_EXECUTABLE = "missing executable", "the engine was not found on the worker's node"
    SCRATCH = (
        "scratch unusable",
        "the folder of the calculation can't be written there: disk or quota full, read-only, or gone",
    )
    WORKER_LOST = (
        "worker lost",
        "the worker, its node or its batch job disappeared, more often than Parsl retries by itself",
    )
    NOT_OFFERED = "not offered", "the method does not tell what was asked for: the energy of a free atom, by some"
    NOT_STARTED = (
        "not started",
        "it could not have ended before the campaign has to leave; nothing was tried, and it is never stored",
    )

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> "FailureReason":
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    @property
    def is_infrastructure(self) -> bool:
        """Whether the place is to blame, not the structure."""
        return self in (FailureReason.WORKER_LOST, FailureReason.MISSING_EXECUTABLE, FailureReason.SCRATCH)

    @property
    def is_unphysical(self) -> bool:
        """Whether the structure is one that models should never come to."""
        return self in (FailureReason.UNPHYSICAL, FailureReason.KEPT_OUT)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One structure with its identity.

    Parameters
    ----------
    system : str
        Name of the starting structure that it descends from.
    trajectory : int
        Index of the trajectory that it was taken from.
    md_step : int
        MD steps that this trajectory had made. Never goes back, also not when the trajectory is rewound, so that
        (stage, trajectory, md_step) names a frame uniquely within a run.
    generation : int
        Generation of the committee that drove the MD; 0 where something else drove it.
    numbers : (n_atoms,) int
        Atomic numbers.
    positions : (n_atoms, 3), Å
    cell : (3, 3), Å
        Rows are the lattice vectors; zeros for a molecule.
    pbc : (3,) bool
    charge : int or None
        Total charge, e; None: as the settings of the reference say.
    spin : int or None
        Spin multiplicity 2S + 1; None: as the settings of the reference say.
    config_type : str
        What the file that it was read from calls its kind, as MACE does (`config_type`); empty for all others.
    """

    system: str
    trajectory: int
    md_step: int
    generation: int
    numbers: IntArray
    positions: FloatArray
    cell: FloatArray = field(default_factory=lambda: np.zeros((3, 3)))
    pbc: BoolArray = field(default_factory=lambda: np.zeros(3, dtype=np.bool_))
    charge: int | None = None
    spin: int | None = None
    config_type: str = ""

    def __post_init__(self) -> None:
        if self.numbers.ndim != 1 or self.positions.shape != (len(self.numbers), 3):
            raise ShapeError(
                f"numbers {self.numbers.shape} and positions {self.positions.shape} do not belong together"
            )
        if self.cell.shape != (3, 3) or self.pbc.shape != (3,):
            raise ShapeError(f"cell {self.cell.shape} must be (3, 3) and pbc {self.pbc.shape} must be (3,)")

    @property
    def n_atoms(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """What the reference says of one frame.

    Parameters
    ----------
    energy : float, eV
    forces : (n_atoms, 3), eV/Å
    stress : (6,), eV/Å³, or None
        ASE's sign and Voigt order (xx, yy, zz, yz, xz, xy); None for molecules or methods without stress.
    reference : str
        How it was made: engine, version, method.
    wall_s : float
        Seconds that the calculation took.
    extras : mapping of str to array
        Further results by name (dipole, charges, ...), in ASE's units.
    worker : str
        Host and number of the process that has computed it; empty where nobody has noted it.
    """

    energy: float
    forces: FloatArray
    stress: FloatArray | None
    reference: str
    wall_s: float
    extras: Mapping[str, FloatArray] = field(default_factory=dict)
    worker: str = ""

    @property
    def max_force_ev_per_ang(self) -> float:
        """Largest force on an atom, eV/Å."""
        return float(np.linalg.norm(self.forces, axis=1).max(initial=0.0))


@dataclass(frozen=True, slots=True)
class LabelFailure:
    """A reference calculation that gave no label to learn from.

    Parameters
    ----------
    reason : FailureReason
    message : str
        The engine's own words, or ours, in one paragraph.
    folder : str or None
        Where the files of the calculation were kept.
    wall_s : float
        Seconds until it failed.
    worker : str
        Host and number of the process that has tried; empty where nobody has noted it.
    label : Label or None
        What was computed all the same: the label that is kept out of the dataset.
    """

    reason: FailureReason
    message: str
    folder: str | None = None
    wall_s: float = 0.0
    worker: str = field(default="", compare=False)
    label: Label | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class CommitteePrediction:
    """What a committee says of a frame that it has not learned from: the mean of its members, and their deviation.

    A deviation is the root mean square of what the members differ from their mean, number by number. That of an atom
    (aims-PAX, Eq. 1) is the root mean square of its three.

    Parameters
    ----------
    generation : int
        Of the committee.
    energy, energy_deviation : float, eV
    forces, forces_deviation : (n_atoms, 3), eV/Å
    stress, stress_deviation : (6,), eV/Å³, or None
        In the sign and order of :class:`Label`; None where it was not computed.
    """

    generation: int
    energy: float
    energy_deviation: float
    forces: FloatArray
    forces_deviation: FloatArray
    stress: FloatArray | None = None
    stress_deviation: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.forces.ndim != 2 or self.forces.shape[1] != 3 or self.forces_deviation.shape != self.forces.shape:
            raise ShapeError(
                f"forces {self.forces.shape} and their deviation {self.forces_deviation.shape} must be (n_atoms, 3)"
            )
        shapes = [None if one is None else one.shape for one in (self.stress, self.stress_deviation)]
        if shapes not in ([None, None], [(6,), (6,)]):
            raise ShapeError(f"stress and its deviation must both be (6,) or None, not {shapes[0]} and {shapes[1]}")

    @property
    def max_atomic_deviation(self) -> float:
        """Largest deviation of any atom's force, eV/Å; aims-PAX, Eq. 1."""
        return float(np.sqrt(np.square(self.forces_deviation).sum(axis=1) / 3).max())

    @classmethod
    def of_members(
        cls, energies: FloatArray, forces: FloatArray, stresses: FloatArray | None = None, *, generation: int
    ) -> "CommitteePrediction":
        """The prediction of a committee from those of its members.

        Parameters
        ----------
        energies : (n_members,), eV
        forces : (n_members, n_atoms, 3), eV/Å
        stresses : (n_members, 6), eV/Å³, or None
        generation : int

        Raises
        ------
        ShapeError
            Fewer than two members: a deviation is undefined.
        """
        if energies.ndim != 1 or len(energies) < 2 or forces.shape[:1] != energies.shape:
            raise ShapeError(
                f"energies {energies.shape} and forces {forces.shape} must be (n_members,) and (n_members, n_atoms, 3) "
                "of at least two members"
            )
        return cls(
            generation=generation,
            energy=float(energies.mean()),
            energy_deviation=float(energies.std()),
            forces=forces.mean(axis=0),
            forces_deviation=forces.std(axis=0),
            stress=None if stresses is None else stresses.mean(axis=0),
            stress_deviation=None if stresses is None else stresses.std(axis=0),
        )


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFrame:
    """A frame with its label and its place in the dataset.

    Parameters
    ----------
    label_id : int
        The run's own number of this label, from 1.
    frame : Frame
    label : Label
    split : Split
    member : int or None
        The committee member that alone uses it; None when all members share it.
    stage : str
        Name of the stage that the frame comes from; empty when it was not asked of a run store.
    source : str
        What picked the frame, or where it was taken from; empty when that was not noted.
    """

    label_id: int
    frame: Frame
    label: Label
    split: Split
    member: int | None = None
    stage: str = ""
    source: str = ""
