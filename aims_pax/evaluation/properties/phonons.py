"""Vibrations of a crystal in its harmonic approximation, by phonopy."""

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from aims_pax.errors import Problem
from aims_pax.evaluation.properties.effort import Effort
from aims_pax.evaluation.properties.property import Line, Measured, Panel, Quantity, Usual
from aims_pax.evaluation.properties.shape import of_one_cell, repeats_for, solid_axes
from aims_pax.evaluation.properties.specimen import Specimen
from aims_pax.evaluation.properties.symmetry import EXTRA
from aims_pax.frame import FloatArray

if TYPE_CHECKING:
    from ase import Atoms

PLANCK_MEV_PER_THZ: Final = 4.135667696
"""Planck's constant, meV/THz (CODATA 2018, exact to these digits)."""

LEAST_IMAGINARY_THZ: Final = 0.1
"""Imaginary frequencies below are those of translations, which finite displacements blur."""

FREQUENCY_LABEL: Final = "frequency (THz), imaginary below 0"

N_BAND_POINTS: Final = 240

MESH_ANG: Final = 60.0
"""Length that phonopy makes the mesh of q points of."""


@dataclass(frozen=True, slots=True)
class Phonons(Usual):
    """Bands along the special lines of the lattice, density of states, and what they come to.

    Parameters
    ----------
    length_ang : float, Å
        Of the supercell, at least: forces of a displaced atom are taken to end at half of it.
    displacement_ang : float, Å
    most_atoms : int
        In the supercell; its length gives way.

    Notes
    -----
    Finite displacements, the forces of the relaxed structure taken off: Togo & Tanaka, Scr. Mater. 108, 1 (2015). The
    path is that of ASE for the lattice of the structure as it was given. No splitting of longitudinal and transverse
    optical modes at Γ, which needs charges that models do not have.
    """

    length_ang: float = 10.0
    displacement_ang: float = 0.01
    most_atoms: int = 400

    NAME: ClassVar = "phonons"
    TITLE: ClassVar = "phonons"

    def problems(self) -> list[Problem]:
        """No phonopy."""
        if find_spec("phonopy") is not None:
            return []
        return [
            Problem("phonons", "phonopy is not installed.", "", f"Install it: {EXTRA}; or ask for other properties.")
        ]

    def unfit(self, atoms: "Atoms") -> str | None:
        """What is periodic in no direction has no bands; cells with a charge or spin of their own are not repeated."""
        if any(solid_axes(atoms)):
            return of_one_cell(atoms, repeats_for(atoms, self.length_ang, most_atoms=self.most_atoms))
        return "nothing of it is periodic, and it has no bands"

    def effort(self, atoms: "Atoms") -> Effort:
        """The displacements that symmetry leaves, and the supercell without any."""
        repeats = repeats_for(atoms, self.length_ang, most_atoms=self.most_atoms)
        crystal = _phonopy(atoms, repeats, _phonopy(atoms, (1, 1, 1), "auto").primitive_matrix)
        crystal.generate_displacements(distance=self.displacement_ang)
        return Effort(0, 1 + len(crystal.supercells_with_displacements), len(crystal.supercell))

    def measure(self, specimen: Specimen) -> Measured:
        """Frequencies, THz; in curves imaginary ones are negative numbers."""
        crystal = self._crystal(specimen)
        path = _path(specimen.atoms, crystal.primitive_matrix)
        crystal.run_qpoints(path.points)
        bands = np.array(crystal.qpoints.frequencies)
        crystal.run_mesh(MESH_ANG)
        mesh, weights = np.array(crystal.mesh.frequencies), np.array(crystal.mesh.weights, dtype=np.float64)
        crystal.run_total_dos()
        dos = crystal.total_dos
        mean = float(np.average(np.clip(mesh, 0.0, None).mean(axis=1), weights=weights))
        softest, highest = float(min(bands.min(), mesh.min())), float(max(bands.max(), mesh.max()))
        imaginary = -softest if softest < -LEAST_IMAGINARY_THZ else 0.0
        remarks = []
        if imaginary:
            remarks.append(f"frequencies are imaginary, up to {imaginary:.2f}i THz: this is no minimum of its energy")
        quantities = (
            Quantity("highest_frequency_thz", "highest frequency", "THz", highest, least=0.1),
            Quantity("mean_frequency_thz", "mean frequency", "THz", mean, least=0.1),
            Quantity("zero_point_mev_per_atom", "zero-point energy", "meV/atom", 1.5 * PLANCK_MEV_PER_THZ * mean),
            Quantity("imaginary_frequency_thz", "largest imaginary frequency", "THz", imaginary, least=0.1),
        )
        return Measured(
            quantities,
            panels=(
                Panel(
                    "bands",
                    "bands",
                    "wave vector",
                    FREQUENCY_LABEL,
                    (Line(path.x, bands[path.order]),),
                    ticks=path.ticks,
                    difference_unit="THz",
                ),
                Panel(
                    "density of states",
                    "density of states",
                    "states of an atom (1/THz)",
                    FREQUENCY_LABEL,
                    (Line(np.array(dos.dos) / len(crystal.primitive), np.array(dos.frequency_points)),),
                ),
            ),
            remarks=tuple(remarks),
        )

    def _crystal(self, specimen: Specimen) -> Any:
        """Phonopy with force constants, of the relaxed structure."""
        from ase import Atoms

        relaxed = specimen.relaxed
        repeats = repeats_for(relaxed, self.length_ang, most_atoms=self.most_atoms)
        given = _phonopy(specimen.atoms, (1, 1, 1), "auto")
        crystal = _phonopy(relaxed, repeats, given.primitive_matrix)
        crystal.generate_displacements(distance=self.displacement_ang)
        cells = [crystal.supercell, *crystal.supercells_with_displacements]
        forces = []
        for number, cell in enumerate(cells, start=1):
            specimen.show(f"displacement {number} of {len(cells)}, {len(cell)} atoms")
            atoms = Atoms(numbers=cell.numbers, cell=cell.cell, scaled_positions=cell.scaled_positions, pbc=relaxed.pbc)
            forces.append(specimen.forces(atoms))
        crystal.forces = np.array(forces[1:]) - forces[0]
        crystal.produce_force_constants(show_drift=False)
        crystal.symmetrize_force_constants(show_drift=False)
        return crystal


def _phonopy(atoms: "Atoms", repeats: tuple[int, int, int], primitive_matrix: Any) -> Any:
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    cell = PhonopyAtoms(
        symbols=atoms.get_chemical_symbols(),
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
        masses=atoms.get_masses(),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what its next versions will do
        return Phonopy(cell, np.diag(repeats), primitive_matrix=primitive_matrix, symprec=1e-3)


class _Path:
    """Points along the special lines of a lattice, and where they are drawn.

    `order` takes points to places of `x`: where one line ends and another begins elsewhere, a place holds nothing.
    """

    def __init__(self, points: FloatArray, x: FloatArray, ticks: list[tuple[float, str]]) -> None:
        breaks = [place for place in range(1, len(x)) if x[place] == x[place - 1]]
        self.points = points
        self.order = np.insert(np.arange(len(x)), breaks, -1)
        self.x: FloatArray = np.where(self.order < 0, np.nan, x[self.order])
        self.ticks = tuple(ticks)


def _path(atoms: "Atoms", primitive_matrix: Any) -> _Path:
    """The path for a structure's primitive cell; without those directions in which it has vacuum."""
    from ase.cell import Cell

    solid = solid_axes(atoms)
    cell = Cell(np.array(primitive_matrix, dtype=np.float64).T @ atoms.cell.array)
    path = cell.bandpath(npoints=N_BAND_POINTS, pbc=solid)
    x, places, names = path.get_linear_kpoint_axis()
    ticks: dict[float, list[str]] = {}
    for place, name in zip(places, names, strict=True):
        ticks.setdefault(float(place), []).append(_letter(str(name)))
    named = [(place, "|".join(dict.fromkeys(letters))) for place, letters in ticks.items()]
    return _Path(np.array(path.kpts), np.array(x), named)


def _letter(name: str) -> str:
    return "Γ" if name == "G" else name
