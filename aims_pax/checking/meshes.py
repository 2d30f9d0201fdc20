"""k points that are equally many in unequal cells: energies of different precision, which one model is to learn."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from aims_pax.checking.asked import Asked
from aims_pax.errors import Doubt, StructureError
from aims_pax.frame import Frame
from aims_pax.settings import AseCalculatorSettings, TbliteSettings
from aims_pax.settings.methods.asi import AsiInput
from aims_pax.settings.methods.engines import (
    AbinitSettings,
    CastepSettings,
    KPointEngineSettings,
)
from aims_pax.settings.methods.fhi_aims import FhiAimsInput
from aims_pax.settings.reading.control_in import keywords
from aims_pax.settings.stages.collect import CollectSettings
from aims_pax.settings.systems import System
from aims_pax.stages.labelled.collect import collected

Grid = tuple[int, int, int]

MOST_APART: Final = 1.25
"""Ratio of two spacings that goes without a word: strains and MD at constant pressure stay below it."""

GAMMA: Final[Grid] = (1, 1, 1)

MOST_POINTS: Final = 1000
"""Along a lattice vector. More is a slip, which the program itself refuses."""

COARSEST: Final = 0.5
"""1/Å. Where nothing is said of k points, the Γ point alone is what was meant in cells of 12 Å and more."""

CHOOSES: Final = (AbinitSettings, CastepSettings)
"""Programs that choose points by the cell where nothing is said of them."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """One cell and its k points.

    Parameters
    ----------
    name : str
        What it is called.
    n_atoms : int
    grid : (n, n, n)
    spacing : float, 1/Å
        Largest distance of k points along a reciprocal vector of a periodic direction, with the factor 2π.
    system : System
        Whose reference it has.
    """

    name: str
    n_atoms: int
    grid: Grid
    spacing: float
    system: System

    def __str__(self) -> str:
        grid = "" if self.grid == GAMMA else f", {self.grid[0]} x {self.grid[1]} x {self.grid[2]}"
        return f"{self.spacing:.2g} 1/Å apart in {self.name} ({self.n_atoms} atom{'s' * (self.n_atoms > 1)}{grid})"


def meshes(asked: Asked) -> Iterator[Doubt]:
    """Cells that have the same number of k points, and not the same distance between them; and small ones with one."""
    cells = list(_cells(asked))
    if not cells:
        return
    dense, coarse = min(cells, key=lambda cell: cell.spacing), max(cells, key=lambda cell: cell.spacing)
    project, system = asked.project, coarse.system
    reference = project.reference_for(system)
    if coarse.spacing <= MOST_APART * dense.spacing:
        if coarse.grid == GAMMA and coarse.spacing > COARSEST and isinstance(reference, KPointEngineSettings):
            found = f"Nothing is said of k points: the Γ point alone is sampled, with its images {coarse}."
            where = project.where(*project.place_of(system, "REFERENCE", "type"))
            usual = "0.1 to 0.3 1/Å; insulators need fewer points than metals"
            yield Doubt(where, found, usual, "Write REFERENCE.protocol or kspacing, or kpts into parameters.")
        return
    key, advice = _remedy(reference, spacing=dense.spacing)
    is_gamma = dense.grid == coarse.grid == GAMMA
    what = "The Γ point alone is sampled. With its images k points are" if is_gamma else "k points are"
    found = f"{what} {dense}, and {coarse}: energies are of unequal precision, and one model is to learn them."
    yield Doubt(project.where(*project.place_of(system, "REFERENCE", key)), found, "as far apart in all cells", advice)


def _remedy(reference: Any, *, spacing: float) -> tuple[str, str]:
    """The key that is to be changed, and how."""
    if isinstance(reference, KPointEngineSettings) and reference.protocol is not None:
        found = f"Leave kpts out of REFERENCE.parameters, which wins over the protocol {reference.protocol}"
        return "parameters", f"{found}; each cell then has the points that it needs."
    if isinstance(reference, KPointEngineSettings):
        in_the_place = " in the place of kpts" if "kpts" in reference.parameters else ""
        advice = f"Write REFERENCE.kspacing: {spacing:.2g}{in_the_place}; each cell then has the points that it needs."
        return "parameters" if in_the_place else "type", advice
    if isinstance(reference, FhiAimsInput | AsiInput):
        return "control", "Write k_grid_density into control.in in the place of k_grid."
    advice = "Let all cells be of like size, or choose a reference that has kspacing."
    return "arguments" if isinstance(reference, AseCalculatorSettings) else "type", advice


def _cells(asked: Asked) -> Iterator[Sampled]:
    """All periodic cells whose number of k points is fixed: those that are given, and those that are made of them."""
    project = asked.project
    systems = {system.name: system for system in project.systems}
    grids = {name: _grid(project.reference_for(system)) for name, system in systems.items()}
    named = [(name, system.frame) for name, system in systems.items()]
    for name, frame in [*named, *made_structures(asked)]:
        grid = grids.get(frame.system)
        if grid is not None and frame.pbc.any() and abs(np.linalg.det(frame.cell)) > 0:
            yield Sampled(name, frame.n_atoms, grid, spacing_of(frame, grid), systems[frame.system])


def made_structures(asked: Asked) -> Iterator[tuple[str, Frame]]:
    """Structures of the stages `collect`, each with what it is called."""
    project = asked.project
    for plan in project.plans(asked.stages):
        if isinstance(plan.settings, CollectSettings):
            try:
                made = collected(project, plan.settings)
            except StructureError:
                continue  # which is a problem of its own
            for key, frame in made.sourced():
                yield f"{frame.system}, {frame.config_type or key} {frame.md_step}", frame


def spacing_of(frame: Frame, grid: Grid) -> float:
    """Largest distance of k points along a reciprocal vector of a periodic direction, 1/Å, with the factor 2π."""
    lengths = 2 * np.pi * np.linalg.norm(np.linalg.inv(frame.cell), axis=0)
    return float((lengths / np.array(grid))[frame.pbc].max())


def _grid(reference: Any) -> Grid | None:
    """The number of k points that all cells have; None where it follows from the cell, or can't be seen from here."""
    match reference:
        case TbliteSettings():
            return GAMMA
        case FhiAimsInput():
            return _of_control(reference.control_text)
        case AsiInput(aims=FhiAimsInput() as aims):
            return _of_control(aims.control_text)
        case AseCalculatorSettings():
            return _three(reference.arguments.get("kpts"))
        case KPointEngineSettings():
            if (written := reference.parameters.get("kpts")) is not None:
                return _three(written)
            by_cell = (reference.kspacing, reference.protocol) != (None, None) or isinstance(reference, CHOOSES)
            return None if by_cell or reference.says_k_points else GAMMA
    return None


def _of_control(text: str) -> Grid | None:
    """The last k_grid of a control.in that no k_grid_density follows."""
    found = None
    for line in keywords(text):
        if line.name in ("k_grid", "k_grid_density"):
            found = _three([int(one) for one in line.values[:3] if one.isdigit()]) if line.name == "k_grid" else None
    return found


def _three(written: Any) -> Grid | None:
    """Three numbers of points, however ASE takes them."""
    size = written.get("size") if isinstance(written, Mapping) else written
    if not isinstance(size, list | tuple) or len(size) != 3:
        return None
    if not all(type(one) is int and 0 < one < MOST_POINTS for one in size):
        return None
    return size[0], size[1], size[2]
