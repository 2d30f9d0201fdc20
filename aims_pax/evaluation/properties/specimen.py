"""One structure in the hands of one method: energies, forces, relaxations, each looked at before it is believed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aims_pax.evaluation.properties.property import Unmeasurable
from aims_pax.evaluation.properties.shape import solid_axes
from aims_pax.evaluation.properties.symmetry import keep_symmetry
from aims_pax.frame import FloatArray, Frame
from aims_pax.reference.ase_adapter import foreign_code
from aims_pax.reference.calculation import ENGINE_ERRORS, raised_words
from aims_pax.reference.electrons import ground_state_multiplicity

if TYPE_CHECKING:
    from ase import Atoms

FORCE_LIMIT_EV_PER_ANG: Final = 1e-3
"""A structure is relaxed when no force, and no derivative by strain over the number of atoms (eV), is above this: an
error of the lattice constants of about 1e-4 of themselves."""

MOST_STEPS: Final = 400
"""Of a relaxation; what takes more goes to and fro between noisy forces, or away."""

MOST_GROWTH: Final = 1.8
"""A volume that a relaxation makes larger or smaller by this factor is that of another phase, or of none."""

LEAST_DISTANCE: Final = 0.4
"""Atoms nearer to each other than this times the sum of their covalent radii have fallen into a hole of the model."""


class CellFreedom(StrEnum):
    """What a relaxation may do to the cell. Where it moves, the symmetry that a phase is known by stays."""

    FIXED = "fixed"
    """Atoms alone move."""
    FREE = "free"
    """All lengths and angles along directions in which the structure is solid."""
    SHAPE = "shape"
    """The same at constant volume."""


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """What computes structures: a model, or what models are compared with.

    Parameters
    ----------
    name : str
    calculator : callable
        An ASE calculator for a structure; may be the same one each time.
    free_atom : callable or None
        Energy of one free atom by its atomic number, eV; None: it is computed as a structure of one atom.
    given_atoms_ev : mapping of int to float
        Energies of free atoms that a model was given, and adds to whatever it says: they are its zero.
    remarks : tuple of str
        What a reader of its numbers should know.
    runs : mapping of str to sequences of Frame
        By the names of structures, what it has moved already; it computes nothing then. None of most methods.
    """

    name: str
    calculator: "Callable[[Atoms], Any]"
    free_atom: Callable[[int], float] | None = None
    given_atoms_ev: Mapping[int, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    runs: Mapping[str, Sequence[Sequence[Frame]]] = field(default_factory=dict)


class Specimen:
    """One structure and one method; what several properties need is computed once.

    Parameters
    ----------
    name : str
        Of the structure.
    atoms : Atoms
        As it was given.
    method : Method
    show : callable
        Takes what is being done, in words; may raise to end it.
    """

    def __init__(self, name: str, atoms: "Atoms", method: Method, *, show: Callable[[str], None]) -> None:
        self.name, self.atoms, self.method = name, atoms, method
        self.show = show
        self._free_atoms: dict[int, float] = {}
        self._no_way = ""

    @cached_property
    def relaxed(self) -> "Atoms":
        """The structure with its atoms, and its cell where it is solid, at the minimum of this method's energy.

        Raises
        ------
        Unmeasurable
            There is no way to it.
        """
        if self._no_way:
            raise Unmeasurable(self._no_way)
        try:
            freedom = CellFreedom.FREE if any(solid_axes(self.atoms)) else CellFreedom.FIXED
            return self.relax(self.atoms, freedom, words="relaxing")
        except Unmeasurable as error:
            self._no_way = str(error)
            raise

    def energy(self, atoms: "Atoms") -> float:
        """Potential energy, eV."""
        with self.computing(atoms) as computed:
            energy = float(computed.get_potential_energy())
        if not np.isfinite(energy):
            raise Unmeasurable(f"the energy of {_called(atoms)} is not finite")
        return energy

    def forces(self, atoms: "Atoms") -> FloatArray:
        """Forces (n_atoms, 3), eV/Å."""
        with self.computing(atoms) as computed:
            forces = np.array(computed.get_forces(), dtype=np.float64)
        if not np.isfinite(forces).all():
            raise Unmeasurable(f"the forces of {_called(atoms)} are not finite")
        return forces

    def stress(self, atoms: "Atoms") -> FloatArray:
        """Stress (6,), eV/Å³, ASE's sign and Voigt order."""
        with self.computing(atoms) as computed:
            stress = np.array(computed.get_stress(voigt=True), dtype=np.float64)
        if not np.isfinite(stress).all():
            raise Unmeasurable(f"the stress of {_called(atoms)} is not finite")
        return stress

    def free_atom_energy(self, number: int) -> float:
        """Energy of one free atom in its ground state, eV: as a model was given it, or as it is computed."""
        given = self.method.given_atoms_ev.get(number)
        return self.single_atom_energy(number) if given is None else given

    def single_atom_energy(self, number: int) -> float:
        """Energy of one atom by itself as the method computes it, eV."""
        if number not in self._free_atoms:
            self.show(f"free atom Z = {number}")
            if self.method.free_atom is not None:
                with self._failing():
                    self._free_atoms[number] = float(self.method.free_atom(number))
            else:
                self._free_atoms[number] = self.energy(free_atom(number))
        return self._free_atoms[number]

    def relax(self, atoms: "Atoms", freedom: CellFreedom, *, words: str) -> "Atoms":
        """A copy of a structure at the nearest minimum of its energy.

        Parameters
        ----------
        words : str
            What this is for, to be shown.

        Raises
        ------
        Unmeasurable
            It does not converge, or leads to what is no such structure any more.
        """
        from ase.optimize import BFGS

        with self.computing(atoms) as moving:
            start_ang3 = float(moving.cell.volume)
            if freedom is not CellFreedom.FIXED:
                keep_symmetry(moving)
            target = moving if freedom is CellFreedom.FIXED else _filtered(moving, freedom)
            search = BFGS(target, logfile=None, maxstep=0.1)

            def look() -> None:
                self.show(f"{words}, step {search.nsteps}")
                require_finite(moving, freedom)
                require_sound(moving, start_ang3, words="relaxed")

            search.attach(look)
            is_done = bool(search.run(fmax=FORCE_LIMIT_EV_PER_ANG, steps=MOST_STEPS))
        if not is_done:
            raise Unmeasurable(f"{words} {_called(atoms)} did not converge within {MOST_STEPS} steps")
        found = moving.copy()
        found.calc = None
        found.set_constraint()
        return found

    @contextmanager
    def computing(self, atoms: "Atoms") -> "Iterator[Atoms]":
        """A copy that has the calculator; what goes wrong in there is the method's, and raised as Unmeasurable."""
        copy = atoms.copy()
        copy.info = dict(atoms.info)
        with self._failing():
            copy.calc = self.method.calculator(copy)
            yield copy

    @contextmanager
    def _failing(self) -> Iterator[None]:
        from ase.calculators.calculator import PropertyNotImplementedError

        try:
            with foreign_code():
                yield
        except Unmeasurable:
            raise
        except PropertyNotImplementedError as error:
            raise Unmeasurable(f"{self.method.name} gives no {_missing(error)}") from error
        except ENGINE_ERRORS as error:
            raise Unmeasurable(f"{self.method.name}: {raised_words(error)}") from error


def free_atom(number: int) -> "Atoms":
    """One atom, whose `info` tells the spin of its ground state (2S + 1)."""
    from ase import Atoms

    atoms = Atoms(numbers=[number], positions=[[0.0, 0.0, 0.0]])
    atoms.info["spin"] = ground_state_multiplicity(number) or 1
    return atoms


def _filtered(atoms: "Atoms", freedom: CellFreedom) -> Any:
    """What lets the optimizer move the cell along directions in which the structure is solid."""
    from ase.filters import FrechetCellFilter

    x, y, z = solid_axes(atoms)
    mask = [x, y, z, y and z, x and z, x and y]
    return FrechetCellFilter(atoms, mask=mask, constant_volume=freedom is CellFreedom.SHAPE)


def require_finite(atoms: "Atoms", freedom: CellFreedom) -> None:
    """Raise where atoms have forces that are none; they are there, and nothing is computed again."""
    is_finite = np.isfinite(atoms.get_forces(apply_constraint=False)).all()
    if is_finite and freedom is not CellFreedom.FIXED:
        is_finite = np.isfinite(atoms.get_stress(apply_constraint=False)).all()
    if not is_finite:
        raise Unmeasurable(f"forces or stress of {_called(atoms)} are not finite")


def require_sound(atoms: "Atoms", start_ang3: float, *, words: str) -> None:
    """Raise where a structure is none any more.

    Parameters
    ----------
    start_ang3 : float, Å³
        Volume that it began with; 0 where there is none, or it does not change.
    words : str
        What was done to it: ``relaxed``, ``moved``.
    """
    from ase.data import covalent_radii
    from ase.neighborlist import neighbor_list

    if not np.isfinite(atoms.positions).all() or not np.isfinite(atoms.cell.array).all():
        raise Unmeasurable(f"its positions are not finite any more after it was {words}")
    volume = float(atoms.cell.volume)
    if start_ang3 and not 1 / MOST_GROWTH < volume / start_ang3 < MOST_GROWTH:
        way = "exploded" if volume > start_ang3 else "collapsed"
        raise Unmeasurable(f"the cell {way} while it was {words}, from {start_ang3:.1f} to {volume:.1f} Å³")
    radii = {number: LEAST_DISTANCE * covalent_radii[number] for number in set(atoms.numbers)}
    first, second = neighbor_list("ij", atoms, [radii[number] for number in atoms.numbers])
    if len(first):
        pair = f"{atoms.symbols[first[0]]} {first[0]} and {atoms.symbols[second[0]]} {second[0]}"
        raise Unmeasurable(f"the atoms {pair} fell onto each other while they were {words}")


def _missing(error: Exception) -> str:
    """What a calculator lacks, by ASE's message."""
    text = str(error)
    return next((name for name in ("stress", "forces", "energy") if name in text), "what is needed")


def _called(atoms: "Atoms") -> str:
    return f"{atoms.get_chemical_formula()}"
