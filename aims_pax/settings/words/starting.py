"""The starting structures of a new project: given files, strained cells of a crystal, or a placeholder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.errors import Problem, StructureError
from aims_pax.frame import FloatArray, Frame
from aims_pax.settings.reading.relaxation import hold_cartesian
from aims_pax.settings.systems import DEFAULT_PLACES, System, read_systems

PLACEHOLDER: Final = "placeholder_ethanol.xyz"
"""File of the structure that stands for one that was not given; so begins the name of its system, too."""

_ETHANOL: Final = """\
9
Properties=species:S:1:pos:R:3 pbc="F F F" placeholder=T note="ethanol, until you put your own structure here; Å"
C   1.168181  -0.400382   0.000000
C   0.000000   0.559462   0.000000
O  -1.190083  -0.227669   0.000000
H  -1.946623   0.381525   0.000000
H   0.042557   1.207508   0.886933
H   0.042557   1.207508  -0.886933
H   2.115891   0.144800   0.000000
H   1.128599  -1.037234   0.885881
H   1.128599  -1.037234  -0.885881
"""

FOLDER: Final = "geometry"
"""Where several files go."""

SMALLEST_CELL: Final = 8
"""Fewest atoms of a cell whose MD is worth something; tight binding at the Γ point can't do with less."""

DEFAULT_STRAIN_PERCENT: Final = 2.0
"""Of lengths: about what heating to the melting point does, and 5 to 30 GPa in solids."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user says of the structures.

    Parameters
    ----------
    files : tuple of Path
        Files, or folders of files; none: those that are in the project, or a placeholder.
    periodic : bool or None
        Whether structures with a cell are crystals; None: as their files say.
    strain_percent : float or None
        Of the cells that a crystal is started from besides its own; 0: none. None: the default for one crystal.
    """

    files: tuple[Path, ...] = ()
    periodic: bool | None = None
    strain_percent: float | None = None


@dataclass(frozen=True, slots=True)
class NewFile:
    """A structure file of the project.

    Parameters
    ----------
    name : str
        Relative to the project.
    systems : tuple of System
    source : Path or None
        What it is a copy of.
    text : str
        What is in it otherwise.
    """

    name: str
    systems: tuple[System, ...]
    source: Path | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Starting:
    """All starting structures of a new project.

    Parameters
    ----------
    place : str
        MISC.path_to_geometry; empty where the project's default place is meant.
    files : tuple of NewFile
        What is to be written.
    systems : tuple of System
    name : str
        For the models.
    notes : tuple of str
        What a person should know of them.
    """

    place: str
    files: tuple[NewFile, ...]
    systems: tuple[System, ...]
    name: str
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> list[Frame]:
        return [system.frame for system in self.systems]


def starting_structures(folder: Path, wanted: Wanted, *, with_stress: bool) -> Starting:
    """What a project in `folder` starts from. Writes nothing.

    Parameters
    ----------
    with_stress : bool
        Whether labels of crystals get a stress, for which cells are strained.

    Raises
    ------
    StructureError
        With a problem for each file or wish that can't be honoured.
    """
    if not wanted.files:
        return _without_files(folder)
    files = _expanded(wanted.files)
    given = [
        NewFile(_visible(file.name), systems, file) for file, systems in zip(files, _read(folder, files), strict=True)
    ]
    notes: list[str] = []
    given = [_as_told(one, wanted.periodic) for one in given]
    given = [_repeated(one, notes) for one in given]
    strained = _strained(given, wanted.strain_percent, with_stress=with_stress, notes=notes)
    placed, place = _placed(folder, given, strained)
    systems = tuple(system for one in placed for system in one.systems)
    name = files[0].stem if len(files) == 1 else folder.resolve().name
    fresh = [one for one in placed if not _is_there(folder, one)]
    return Starting(place, tuple(fresh), systems, name, tuple(notes))


def _without_files(folder: Path) -> Starting:
    """What is in the project already, or the placeholder."""
    present = [name for name in DEFAULT_PLACES if (folder / name).exists()]
    if present:
        systems = read_systems(folder, None)
        return Starting("", (), systems, systems[0].name, (f"It starts from {present[0]}, which was there already.",))
    if (folder / PLACEHOLDER).exists():
        advice = "Choose another folder, or remove the file."
        raise StructureError(Problem(str(folder / PLACEHOLDER), "This file exists already.", "", advice))
    from ase.io import read

    atoms = read(StringIO(_ETHANOL), format="extxyz")
    frame = Frame(Path(PLACEHOLDER).stem, 0, 0, 0, atoms.numbers.astype(np.int64), atoms.positions)
    systems = (System(frame.system, frame),)
    note = (
        f"No --geometry was given: {PLACEHOLDER} is a placeholder. Put your structure in its place, and its name into "
        "MISC.path_to_geometry."
    )
    return Starting(PLACEHOLDER, (NewFile(PLACEHOLDER, systems, text=_ETHANOL),), systems, systems[0].name, (note,))


def _expanded(files: Sequence[Path]) -> list[Path]:
    """Files, with folders opened.

    Raises
    ------
    StructureError
        A folder is empty, or a file is named twice.
    """
    found: list[Path] = []
    problems: list[Problem] = []
    for file in files:
        if not file.is_dir():
            found.append(file)
            continue
        within = sorted(path for path in file.iterdir() if path.is_file() and not path.name.startswith("."))
        if not within:
            problems.append(Problem(str(file), "The folder holds no files.", "structure files, or a folder of them"))
        found += within
    seen: set[Path] = set()
    for file in found:
        if file.resolve() in seen:
            problems.append(Problem(str(file), "This file was given twice.", "", "Name each file once."))
        seen.add(file.resolve())
    if problems:
        raise StructureError(problems)
    return found


def _read(folder: Path, files: Sequence[Path]) -> list[tuple[System, ...]]:
    """The structures of each file, or all that is wrong with them."""
    found: list[tuple[System, ...]] = []
    problems: list[Problem] = []
    for file in files:
        try:
            found.append(read_systems(folder, file))
        except StructureError as error:
            problems += error.problems
    if problems:
        raise StructureError(problems)
    return found


def _visible(name: str) -> str:
    """The name of a file that a project finds: hidden ones are passed over in folders."""
    return name.lstrip(".") or "structure.xyz"


# -- what the structures are ----------------------------------------------------------------------------------


def _as_told(given: NewFile, periodic: bool | None) -> NewFile:
    """The same, periodic or not as the user says; a cell without periodicity must be explained.

    Raises
    ------
    StructureError
    """
    where, frames = str(given.source), [system.frame for system in given.systems]
    doubtful = [frame for frame in frames if frame.cell.any() and not frame.pbc.any()]
    if periodic is None:
        if doubtful:
            found = f'{doubtful[0].system} has a cell, and is not periodic (pbc "F F F").'
            allowed = "--periodic: it is a crystal, and pbc is set; --molecule: it is a molecule, as written"
            raise StructureError(Problem(where, found, allowed, "Say which, or correct pbc in the file."))
        return given
    if periodic and any(abs(np.linalg.det(frame.cell)) < 1e-3 for frame in frames):
        found = "A structure of this file has no cell, and can't be periodic."
        raise StructureError(Problem(where, found, "structures with three lattice vectors", "Leave --periodic out."))
    if all(bool(frame.pbc.all() if periodic else not frame.pbc.any()) for frame in frames):
        return given
    pbc = np.full(3, periodic)
    return _rewritten(given, [replace(system, frame=replace(system.frame, pbc=pbc)) for system in given.systems])


def _repeated(given: NewFile, notes: list[str]) -> NewFile:
    """The same, with cells of a few atoms repeated until MD in them means something."""
    systems = []
    for system in given.systems:
        times = _times(system.frame)
        systems.append(system if times == (1, 1, 1) else _supercell(system, times))
        if times != (1, 1, 1):
            notes.append(
                f"{system.name} has {system.frame.n_atoms} atoms in its cell, and was repeated "
                f"{'x'.join(map(str, times))} to {systems[-1].frame.n_atoms}: MD of less means little, and tight "
                f"binding needs {SMALLEST_CELL} atoms."
            )
    return (
        given
        if all(new is old for new, old in zip(systems, given.systems, strict=True))
        else _rewritten(given, systems)
    )


def _times(frame: Frame) -> tuple[int, int, int]:
    """How often a small cell is repeated along each vector: always along the one that is shortest by then."""
    times = np.ones(3, dtype=int)
    if not frame.pbc.all():
        return (1, 1, 1)
    lengths = np.linalg.norm(frame.cell, axis=1)
    while frame.n_atoms * times.prod() < SMALLEST_CELL:
        times[int((np.round(lengths * times, 6)).argmin())] += 1
    return int(times[0]), int(times[1]), int(times[2])


def _supercell(system: System, times: tuple[int, int, int]) -> System:
    frame, n = system.frame, int(np.prod(times))
    shifts = np.array(list(np.ndindex(*times))) @ frame.cell
    positions = (frame.positions[None, :, :] + shifts[:, None, :]).reshape(-1, 3)
    larger = replace(
        frame, numbers=np.tile(frame.numbers, n), positions=positions, cell=frame.cell * np.array(times)[:, None]
    )
    moments, charges = (None if one is None else one * n for one in (system.moments, system.charges))
    fixed = None if system.fixed is None else np.tile(system.fixed, (n, 1))
    return replace(system, frame=larger, moments=moments, charges=charges, fixed=fixed)


# -- strained cells -------------------------------------------------------------------------------------------


def _strained(given: Sequence[NewFile], percent: float | None, *, with_stress: bool, notes: list[str]) -> list[NewFile]:
    """Further cells of crystals: smaller, larger, and sheared at the same volume.

    Raises
    ------
    StructureError
        They are asked for, and nothing can be strained.
    """
    systems = [system for one in given for system in one.systems]
    crystals = [system for system in systems if system.frame.pbc.all()]
    if percent and not (crystals and with_stress):
        found = "No structure is periodic in three directions." if not crystals else "The reference gives no stress."
        raise StructureError(Problem("--strain", found, "crystals, and a reference with stress", "Leave --strain out."))
    if percent is None and crystals and with_stress and len(systems) > 1:
        notes.append("Several structures were given, and no strained cells are added; --strain 2 adds them.")
    if percent is None:
        percent = DEFAULT_STRAIN_PERCENT if len(systems) == 1 and with_stress else 0.0
    if not (percent and crystals):
        return []
    notes.append(
        f"Cells strained by {percent:g} % in length are starting structures, too, so that the models learn how stress "
        "depends on the cell; --strain 0 leaves them out."
    )
    return [
        NewFile(f"{name}.xyz", (strained,), text=_text([strained], f"{crystal.name}, {words}"))
        for crystal in crystals
        for name, words, strained in _strains(crystal, percent)
    ]


def _strains(crystal: System, percent: float) -> Iterator[tuple[str, str, System]]:
    """Name, words and structure of each. Strains are symmetric, so that nothing is rotated."""
    s = percent / 100
    shear = np.array([[s, s / 2, s / 2], [s / 2, -s, s / 2], [s / 2, s / 2, 0.0]])  # without trace: of equal volume
    for what, words, strain in (
        ("compressed", f"lengths {-percent:+g} %", -s * np.eye(3)),
        ("stretched", f"lengths {percent:+g} %", s * np.eye(3)),
        ("sheared", f"strained by up to {percent:g} % at the same volume", shear),
    ):
        deformation: FloatArray = np.eye(3) + strain
        frame, name = crystal.frame, f"{crystal.name}_{what}"
        moved = replace(frame, system=name, positions=frame.positions @ deformation, cell=frame.cell @ deformation)
        yield name, words, replace(crystal, name=name, frame=moved)


# -- files ----------------------------------------------------------------------------------------------------


def _placed(folder: Path, given: Sequence[NewFile], strained: Sequence[NewFile]) -> tuple[list[NewFile], str]:
    """The files under their names in the project, and MISC.path_to_geometry.

    Raises
    ------
    StructureError
        The folder for them holds other files.
    """
    if len(given) == 1 and not strained:
        return list(given), "" if given[0].name == DEFAULT_PLACES[0] else given[0].name
    taken: set[str] = set()
    placed = []
    for one in (*given, *strained):
        name = _free_name(one.name, taken)
        taken.add(name)
        renamed = one if name == one.name else _rewritten(one, one.systems, name=name)
        placed.append(replace(renamed, name=f"{FOLDER}/{name}"))
    home = folder / FOLDER
    others = sorted(path.name for path in home.iterdir() if path.name not in taken) if home.is_dir() else []
    others = [name for name in others if not name.startswith(".")]
    if others:
        found = f"This folder holds {others[0]}, which would be a starting structure, too."
        advice = "Name it by --geometry as well, move it away, or choose another folder for the project."
        raise StructureError(Problem(str(home), found, "no files but those that are given", advice))
    return placed, FOLDER


def _free_name(name: str, taken: set[str]) -> str:
    """The name, or the next free one in extended XYZ, which is recognised by its suffix whatever stands before it."""
    if name not in taken:
        return name
    stem = Path(name).stem
    return next(free for number in count(2) if (free := f"{stem}_{number}.xyz") not in taken)


def _is_there(folder: Path, one: NewFile) -> bool:
    return one.source is not None and one.source.resolve() == (folder / one.name).resolve()


def _rewritten(one: NewFile, systems: Sequence[System], *, name: str | None = None) -> NewFile:
    """The same file with other structures or another name, in extended XYZ."""
    source = one.source.name if one.source is not None else one.name
    written = name or f"{Path(one.name).stem}.xyz"
    return NewFile(written, tuple(systems), text=_text(systems, f"from {source}") if one.source else one.text)


def _text(systems: Sequence[System], note: str) -> str:
    """Structures in extended XYZ, with their initial moments, charges and fixed atoms."""
    from ase import Atoms
    from ase.io import write

    text = StringIO()
    for system in systems:
        frame = system.frame
        atoms = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
        if system.moments is not None:
            atoms.set_initial_magnetic_moments(system.moments)
        if system.charges is not None:
            atoms.set_initial_charges(system.charges)
        if system.fixed is not None:
            hold_cartesian(atoms, system.fixed)
        atoms.info["note"] = note
        write(text, atoms, format="extxyz")
    return text.getvalue()
