"""The structures that a project starts from."""

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.constraints import constraints_of
from aims_pax.errors import Problem, StructureError
from aims_pax.frame import BoolArray, Frame
from aims_pax.settings.reading.structure_files import declared, fixed_vectors, formula_remarks, images
from aims_pax.settings.reading.unreadable import Unreadable
from aims_pax.spoken import Spoken

if TYPE_CHECKING:
    from ase import Atoms

CLOSEST_ANG: Final = 0.5
"""Atoms nearer than this overlap; the shortest bond, of H2, is 0.74 Å."""

SMALLEST_CELL_ANG3: Final = 1e-3

LOWEST_CELL_ANG: Final = 1.2
"""Layers of atoms are not nearer; iron at the centre of the earth has 1.9 Å. PDB files without a cell say 1 Å."""

_ISOTOPES: Final = dict.fromkeys(("D", "T"), " (an isotope of H, whose mass MD would not use)")

MAX_COMPARED: Final = 1000
"""Atoms of a molecule whose distances are looked at, all at once."""

NOBLE_GASES: Final = (2, 10, 18, 36, 54, 86)
IN_BOHR: Final = (1.55, 2.3)
"""Distances in units of the sum of covalent radii of bonded atoms when bohr are read as Å; 0.8 to 1.2 in Å."""

LARGEST_ANG: Final = 1e5
"""Far beyond any structure; sums of squares and counts of neighbours still have exact digits."""

DEFAULT_PLACES: Final = ("geometry.in", "geometry")


@dataclass(frozen=True, slots=True)
class System:
    """One starting structure.

    Parameters
    ----------
    name : str
        Unique within a project.
    frame : Frame
        At MD step 0; its trajectory is the index of the system.
    file : Path or None
        Where it was read; None for one that came as ASE's atoms.
    moments : tuple of float, or None
        Initial spin moment of each atom, Bohr magnetons; None where the file gives none.
    charges : tuple of float, or None
        Initial charge of each atom, elementary charges; None where the file gives none.
    declared : Spoken
        Total charge and spin that the file speaks of.
    remarks : tuple of Problem
        What of the file may not mean what it seems to, or isn't used.
    fixed : (n_atoms, 3) bool, or None
        Components of positions that are held where they are; None where none is.
    fixed_vectors : str
        Lattice vectors, of a, b and c, that the file holds: ``ab``.
    """

    name: str
    frame: Frame
    file: Path | None = None
    moments: tuple[float, ...] | None = None
    charges: tuple[float, ...] | None = None
    declared: Spoken = field(default_factory=Spoken)
    remarks: tuple[Problem, ...] = ()
    fixed: BoolArray | None = field(default=None, compare=False)  # arrays have no hash; frames differ for themselves
    fixed_vectors: str = ""

    @property
    def origin(self) -> str:
        """What messages call the place that it came from: its file, or the argument."""
        return f"atoms, {self.name}" if self.file is None else self.file.name


def read_systems(folder: Path, place: Path | Mapping[int, Path] | None) -> tuple[System, ...]:
    """All starting structures of a project.

    Parameters
    ----------
    folder : Path
        The project.
    place : Path, mapping of index to Path, or None
        A file, a folder of files, one of these for each trajectory; None: geometry.in or the folder geometry.

    Raises
    ------
    StructureError
        With one problem for each file that holds no usable structure.
    """
    problems: list[Problem] = []
    found: list[tuple[Path, Atoms]] = []
    for file in _files(folder, place):
        try:
            found += [(file, atoms) for atoms in structures_of(file, folder)]
        except StructureError as error:
            problems += error.problems
    if problems:
        raise StructureError(problems)
    names = _unique([file.stem.removesuffix(".in") for file, _ in found])  # geometry.in.next_step
    return tuple(
        _system(name, index, file, atoms) for index, (name, (file, atoms)) in enumerate(zip(names, found, strict=True))
    )


def read_named_systems(folder: Path, places: "Mapping[str, Path | Atoms]") -> tuple[System, ...]:
    """Starting structures that have names and files of their own, or came as ASE's atoms.

    Raises
    ------
    StructureError
        With the problems of all files; also where a file holds several structures, of which nobody said which is meant.
    """
    problems: list[Problem] = []
    found: list[System] = []
    for index, (name, place) in enumerate(places.items()):
        file = place if isinstance(place, Path) else None
        try:
            atoms, *more = structures_of(place, folder) if isinstance(place, Path) else [_sound(name, place)]
        except StructureError as error:
            problems += error.problems
            continue
        if more and file is not None:
            words = f"The file holds {1 + len(more)} structures, and the system {name} is one."
            where = str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)
            advice = "Put each into a file of its own, or name the file by MISC.path_to_geometry instead of SYSTEMS."
            problems.append(Problem(where, words, "one structure", advice))
        found.append(_system(name, index, file, atoms))
    if problems:
        raise StructureError(problems)
    return tuple(found)


def systems_of(given: object) -> tuple[System, ...]:
    """Starting structures from ASE's atoms: one, several, or several by their names.

    Parameters
    ----------
    given : Atoms, iterable of Atoms, or mapping of str to Atoms
        Those without a name are called by their formulas. They are copied.

    Raises
    ------
    StructureError
        With everything wrong with any of them.
    """
    from ase import Atoms

    several = [given] if isinstance(given, Atoms) else list(given) if isinstance(given, Iterable) else []
    found = list(given.values()) if isinstance(given, Mapping) else several
    strange = [type(one).__name__ for one in found if not isinstance(one, Atoms)]
    if strange or not found:
        said = f"is {given!r}." if not found else f"holds {'a' if strange[0][0] not in 'aeiou' else 'an'} {strange[0]}."
        allowed = "ASE's Atoms, a list of them, or a mapping of names to them"
        raise StructureError(Problem("atoms", said, allowed, "Files are read by ase.io.read."))
    written = (
        [str(name) for name in given]
        if isinstance(given, Mapping)
        else [one.symbols.formula.format("hill") for one in found]
    )
    names = _unique([name or "structure" for name in written])
    return read_named_systems(Path.cwd(), dict(zip(names, found, strict=True)))


def _sound(name: str, atoms: "Atoms") -> "Atoms":
    """The same atoms, looked at.

    Raises
    ------
    StructureError
        They can't be used.
    """
    if problems := [Problem(f"atoms, {name}", *words) for words in _defects(atoms)]:
        raise StructureError(problems)
    return atoms


def _system(name: str, index: int, file: Path | None, atoms: "Atoms") -> System:
    moments, charges = _guesses(atoms)
    remarks = [*_remarks(atoms, f"atoms, {name}" if file is None else file.name)]
    if file is not None and file.suffix.lower() == ".cif":
        remarks += formula_remarks(atoms, file)
    return System(
        name=name,
        frame=_frame(atoms, name, index),
        file=file,
        moments=moments,
        charges=charges,
        declared=declared(atoms),
        remarks=tuple(remarks),
        fixed=constraints_of(atoms).fixed,
        fixed_vectors=fixed_vectors(atoms),
    )


def _files(folder: Path, place: Path | Mapping[int, Path] | None) -> list[Path]:
    if isinstance(place, Mapping):
        return [file for index in sorted(place) for file in _files(folder, place[index])]
    if place is None:
        places = [folder / name for name in DEFAULT_PLACES if (folder / name).exists()]
        if len(places) != 1:
            found = "The project has no starting structure." if not places else "There is geometry.in and geometry/."
            advice = "Put geometry.in or the folder geometry into the project, or name a file by MISC.path_to_geometry."
            raise StructureError(Problem(str(folder), found, "", advice))
        place = places[0]
    if not place.is_dir():
        if place.exists() and not place.is_file():
            raise StructureError(Problem(str(place), "This is a device or a pipe.", "a file or a folder of files"))
        return [place]
    files = sorted(path for path in place.iterdir() if path.is_file() and not path.name.startswith("."))
    if not files:
        raise StructureError(Problem(str(place), "The folder holds no files.", "", "Put structure files into it."))
    return files


def structures_of(file: Path, folder: Path) -> list["Atoms"]:
    """All structures of a file, looked at: each of them can be used.

    Parameters
    ----------
    file : Path
    folder : Path
        Of the project: in messages, files within it are told from there.

    Raises
    ------
    StructureError
        With a problem for each structure that can't be used, or one for the whole file.
    """
    where = str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)
    advice = "Check the file: extended XYZ, CIF, FHI-aims' geometry.in and all other formats of ASE can be read."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # readers warn of what doesn't matter here: occupancies, symmetry
            found = images(file)
    except Unreadable as error:
        where += "" if error.line is None else f", line {error.line}"
        raise StructureError(Problem(where, error.found, error.allowed, error.advice)) from None
    except Exception as error:  # ASE's readers raise whatever their parsing trips over, some of them a bare Exception
        raise StructureError(Problem(where, f"No structure can be read here: {_reason(error)}.", "", advice)) from None
    if not found:
        raise StructureError(Problem(where, "The file holds no structure.", "", advice))
    problems = [
        Problem(where if len(found) == 1 else f"{where}, structure {number}", *words)
        for number, atoms in enumerate(found, start=1)
        for words in _defects(atoms)
    ]
    if problems:
        raise StructureError(problems)
    return found


def _reason(error: Exception) -> str:
    """What ASE ran into, in words."""
    from ase.io.formats import UnknownFileTypeError

    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, UnknownFileTypeError):
        return "ASE knows no such file format"
    if isinstance(error, KeyError) and re.fullmatch(r"\S{1,12}", str(error.args[0])):
        return f"{error.args[0]} is not an element; its symbol should stand there" + _ISOTOPES.get(error.args[0], "")
    if "Could not determine chemical symbols" in str(error):
        return "it names no elements; write their symbols into the line above their numbers of atoms"
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__


def _defects(atoms: "Atoms") -> Iterator[tuple[str, str, str]]:
    """What makes a structure unusable: found, allowed, advice."""
    if len(atoms) == 0:
        yield "The structure has no atoms.", "", "Remove the file, or put a structure into it."
        return
    numbers = np.concatenate([atoms.positions.ravel(), atoms.cell.array.ravel()])
    if not np.isfinite(numbers).all():
        yield "Positions or lattice vectors are not finite numbers.", "", "Correct them."
        return
    if np.abs(numbers).max() > LARGEST_ANG:
        found = f"Positions or lattice vectors reach {np.abs(numbers).max():g} Å."
        yield found, f"up to {LARGEST_ANG:g} Å", "Check their unit (Å)."
        return
    if (atoms.numbers < 1).any():
        yield "The structure holds atoms without an element.", "", "Remove ghost and dummy atoms."
    yield from _unkept(atoms)
    if np.ndim(atoms.arrays.get("initial_magmoms", ())) > 1:
        yield "The structure holds initial moments that are vectors.", "one number for each atom", "Remove them."
    if atoms.pbc.any() and abs(atoms.cell.complete().volume) < SMALLEST_CELL_ANG3:
        yield "The structure is periodic, and its cell has no volume.", "", "Correct the lattice vectors."
        return
    if atoms.pbc.any() and (atoms.cell.lengths()[atoms.pbc] == 0).any():
        yield "The structure is periodic along a lattice vector that is zero.", "", "Correct the lattice vectors."
        return
    heights = 1 / np.linalg.norm(atoms.cell.complete().reciprocal(), axis=1)
    if atoms.pbc.any() and heights[atoms.pbc].min() < LOWEST_CELL_ANG:
        found = f"The structure is periodic, and its cell is {heights[atoms.pbc].min():.2g} Å high."
        advice = "Check the unit (Å) of the lattice vectors; remove them if they mean that there is no cell."
        yield found, f"at least {LOWEST_CELL_ANG} Å", advice
        return
    yield from _overlaps(atoms)


def _unkept(atoms: "Atoms") -> Iterator[tuple[str, str, str]]:
    """Constraints that are not kept by holding components of positions."""
    said, allowed = constraints_of(atoms), "fixed atoms, in all directions or along x, y or z"
    for words in said.skewed:
        found = f"The structure holds {words} along directions that are not x, y or z, which MD would not keep."
        yield found, allowed, "Fix these atoms in all directions, or turn the structure."
    for name in said.others:
        found = f"The structure holds the constraint {name}, which MD would not keep."
        yield found, allowed, "Remove it. Distances, angles and the like can be held by restraints: MD.restraints."


def _overlaps(atoms: "Atoms") -> Iterator[tuple[str, str, str]]:
    from ase.neighborlist import neighbor_list

    first, second, distances = neighbor_list("ijd", atoms, CLOSEST_ANG)
    if len(distances):
        worst = int(distances.argmin())
        i, j = int(first[worst]), int(second[worst])
        found = (
            f"Atoms {i + 1} ({atoms.symbols[i]}) and {j + 1} ({atoms.symbols[j]}) are {distances[worst]:.2f} Å apart."
        )
        yield found, f"at least {CLOSEST_ANG} Å", "Check the unit (Å) of positions and cell, and for doubled atoms."


def _frame(atoms: "Atoms", name: str, index: int) -> Frame:
    return Frame(
        system=name,
        trajectory=index,
        md_step=0,
        generation=0,
        numbers=np.array(atoms.numbers, dtype=np.int64),
        positions=np.array(atoms.positions, dtype=np.float64),
        cell=np.array(atoms.cell.array, dtype=np.float64),
        pbc=np.array(atoms.pbc, dtype=np.bool_),
    )


def _guesses(atoms: "Atoms") -> Iterator[tuple[float, ...] | None]:
    """Initial moments and charges, which self-consistency starts from, where there are any."""
    for name in ("initial_magmoms", "initial_charges"):
        values = atoms.arrays.get(name)
        per_atom = values is not None and values.ndim == 1 and values.any()
        yield tuple(float(value) for value in values) if per_atom else None


def _remarks(atoms: "Atoms", where: str) -> Iterator[Problem]:
    """What may be meant otherwise, or is not used."""
    from ase.data import atomic_masses_iupac2016, covalent_radii

    masses = atoms.arrays.get("masses")
    if masses is not None and np.any(np.abs(masses / atomic_masses_iupac2016[atoms.numbers] - 1) > 0.02):
        found = f"The structure has masses of its own (atom {int(np.argmax(masses)) + 1}: {max(masses):g} u)."
        yield Problem(where, found, "", "MD uses those of the elements; labels don't depend on masses.")
    if not 2 <= len(atoms) <= MAX_COMPARED or atoms.pbc.any() or np.isin(atoms.numbers, NOBLE_GASES).any():
        return
    distances = atoms.get_all_distances() / (covalent_radii[atoms.numbers] + covalent_radii[atoms.numbers][:, None])
    np.fill_diagonal(distances, np.inf)
    nearest = distances.min(axis=1)
    if IN_BOHR[0] < nearest.min() and nearest.max() < IN_BOHR[1]:
        found = (
            f"No atom has a bonded neighbour: all nearest ones are {nearest.min():.1f} to {nearest.max():.1f} bonds "
        )
        yield Problem(where, f"{found}away.", "", "Are the positions in bohr? Files for ASE are in Å.")


def _unique(names: list[str]) -> list[str]:
    """The same names, numbered where one stands for several structures."""
    taken: set[str] = set()
    result = []
    for index, name in enumerate(names):
        unique = name if names.count(name) == 1 else f"{name}-{index}"
        while unique in taken:
            unique += "'"
        taken.add(unique)
        result.append(unique)
    return result
