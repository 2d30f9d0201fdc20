"""One geometry of a finished calculation, and what its program has printed of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aims_pax.calculations.method import Method
from aims_pax.errors import ShapeError
from aims_pax.frame import BoolArray, FloatArray, IntArray


class Convergence(StrEnum):
    """What is known of the self-consistency of one step."""

    REACHED = "reached"
    NOT_REACHED = "not reached"
    AT_LIMIT = "at the limit"
    """The criterion was met by the last cycle that was allowed: believed, and told."""
    NOT_STATED = "not stated"
    """The program does not say: believed, and told."""

    @property
    def is_believed(self) -> bool:
        """Whether energy and forces may be those of the ground state."""
        return self is not Convergence.NOT_REACHED


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step as its program printed it: a single point, or a step of MD or of a relaxation.

    What was not printed is None and never zero. Positions and forces are those that belong together.

    Parameters
    ----------
    method : Method
        Settings that the energy depends on.
    numbers : (n_atoms,) int, or None
        Atomic numbers.
    positions : (n_atoms, 3), Å, or None
        The geometry that was computed, not the one that follows.
    cell : (3, 3), Å, or None
        Rows are the lattice vectors, as the program has them (not rotated); zeros for a molecule; None: not told.
    pbc : three truth values
    energy : float or None, eV
        The one that the forces derive from: the free energy E - TS where states are smeared.
    forces : (n_atoms, 3), eV/Å, or None
    stress : (6,), eV/Å³, or None
        ASE's sign and Voigt order (xx, yy, zz, yz, xz, xy), without kinetic part and without an external pressure.
    convergence : Convergence
    energies : mapping of str to eV
        Other energies that the program prints, by its own names.
    flaws : tuple of str
        What else makes the step unusable, each as the end of a sentence: "it is of a machine-learned force field".
    remarks : tuple of str
        What is to be told of a step that is usable.
    charge : int or None
        Total charge, e.
    spin : int or None
        Multiplicity 2S + 1.
    fixed : (n_atoms, 3) bool, or None
        Components that were held fixed, where the program tells.
    """

    method: Method
    numbers: IntArray | None
    positions: FloatArray | None
    cell: FloatArray | None
    pbc: tuple[bool, bool, bool]
    energy: float | None
    forces: FloatArray | None
    stress: FloatArray | None = None
    convergence: Convergence = Convergence.NOT_STATED
    energies: Mapping[str, float] = field(default_factory=dict)
    flaws: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    charge: int | None = None
    spin: int | None = None
    fixed: BoolArray | None = None

    def __post_init__(self) -> None:
        known = [one for one in (self.positions, self.forces) if one is not None]
        if any(one.ndim != 2 or one.shape[1] != 3 for one in known) or len({one.shape for one in known}) > 1:
            raise ShapeError(f"positions and forces must both be (n_atoms, 3), not {[one.shape for one in known]}")
        if self.numbers is not None and any(len(one) != len(self.numbers) for one in known):
            raise ShapeError(f"{len(self.numbers)} atomic numbers for {len(known[0])} atoms")

    @property
    def missing(self) -> tuple[str, ...]:
        """What a label or its structure lacks, in words."""
        parts = {
            "energy": self.energy,
            "forces": self.forces,
            "elements": self.numbers,
            "positions": self.positions,
            "cell": self.cell,
        }
        return tuple(name for name, value in parts.items() if value is None)


class Ended(StrEnum):
    """How an output ends."""

    IN_ORDER = "in order"
    CUT = "cut"
    """Its closing lines are missing: whole steps before are good."""


@dataclass(frozen=True, slots=True)
class Closing:
    """What is known of an output only at its end.

    Parameters
    ----------
    ended : Ended
    relaxed : bool or None
        Whether a relaxation has reached its criterion; None where there was none.
    remarks : tuple of str
        What is to be told of the whole file, each a sentence.
    """

    ended: Ended
    relaxed: bool | None = None
    remarks: tuple[str, ...] = ()
