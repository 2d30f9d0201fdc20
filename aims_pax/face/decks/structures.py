"""Structures that decks are written for, and the project whose settings they have."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aims_pax.atoms import frame_of
from aims_pax.dataset.foreign import config_type_of, is_free_atom
from aims_pax.dataset.given import Given
from aims_pax.errors import Problem, StructureError, UserError
from aims_pax.face.collecting import starts_of
from aims_pax.face.compositions import by_composition, charge_problems
from aims_pax.frame import Frame
from aims_pax.settings import Project, load_project
from aims_pax.settings.labelling import LabellingFiles, labelling_project
from aims_pax.settings.reading.files import SETTINGS_FILES
from aims_pax.settings.systems import structures_of
from aims_pax.spoken import spoken_of
from aims_pax.stages import assembly

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, slots=True)
class Wanted:
    """All structures of a deck.

    Parameters
    ----------
    given : tuple of Given
        As their files tell of them.
    frames : tuple of Frame
        The same, each with the system whose input it has.
    project : Project
    want_stress : bool
    """

    given: tuple[Given, ...]
    frames: tuple[Frame, ...]
    project: Project
    want_stress: bool


def wanted_structures(
    paths: Sequence[Path], settings: Path | None, *, want_stress: bool, parsl_config: str | None
) -> Wanted:
    """The structures of files, or the starting structures of a project, with what labels them.

    Parameters
    ----------
    paths : sequence of Path
        Files in any format of ASE, folders of them, or one project.
    settings : Path or None
        Whose REFERENCE, CLUSTER and MISC count; None: those of the project.
    want_stress : bool
        Whether crystals get their stress, also where the project does not want it.
    parsl_config : str or None
        Whose workers are asked for whatever CLUSTER says.

    Raises
    ------
    UserError
        With everything that is wrong.
    """
    projects = [path for path in paths if any((path / name).exists() for name in SETTINGS_FILES)]
    if projects and len(paths) > 1:
        found = "Folders of projects can't be named together with anything else."
        raise UserError(Problem(str(projects[0]), found, "files, or one project", "Name the files of its structures."))
    if projects and settings is None and parsl_config is None:
        project = load_project(projects[0])
        frames = starts_of(project.systems)
        given = [Given(index, frame, None, {}, frame.charge, False) for index, frame in enumerate(frames)]
        return Wanted(tuple(given), tuple(frames), project, want_stress or assembly.wants_stress(project))
    given = _of_systems(projects[0]) if projects else _of_files(paths)
    written = settings or next(path / name for path in projects for name in SETTINGS_FILES if (path / name).exists())
    frames, systems = by_composition(given, paths[0])
    files = LabellingFiles(written, parsl_config=parsl_config)
    project = labelling_project(files, systems, want_stress=want_stress)
    if problems := [*charge_problems(given, frames, project, paths[0])]:
        raise UserError(problems)
    return Wanted(tuple(given), tuple(frames), project, want_stress)


def _of_systems(folder: Path) -> list[Given]:
    frames = starts_of(load_project(folder).systems)
    return [Given(index, frame, None, {}, frame.charge, False) for index, frame in enumerate(frames)]


def _of_files(paths: Sequence[Path]) -> list[Given]:
    """All structures of files, and of the files of folders, in their order."""
    problems: list[Problem] = []
    found: list[Given] = []
    for file in _files(paths):
        try:
            found += [_given(atoms, file) for atoms in structures_of(file, Path.cwd())]
        except StructureError as error:
            problems += error.problems
    if problems:
        raise StructureError(problems)
    return [replace(one, index=index) for index, one in enumerate(found)]


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in (one.expanduser() for one in paths):
        inside = sorted(one for one in path.iterdir() if one.is_file() and one.name[0] != ".") if path.is_dir() else []
        if path.is_dir() and not inside:
            raise StructureError(Problem(str(path), "The folder holds no files.", "", "Put structure files into it."))
        found += inside or [path]
    if twice := sorted({str(file) for file in found if found.count(file) > 1}):
        raise StructureError(Problem(", ".join(twice), "This file is named twice.", "", "Name it once."))
    return found


def _given(atoms: "Atoms", file: Path) -> Given:
    facts = {str(key): str(value) for key, value in atoms.info.items() if isinstance(value, str | int | float)}
    own = frame_of(atoms, system=facts.get("system") or file.stem.removesuffix(".in"))
    frame = replace(own, config_type=config_type_of(facts))
    return Given(0, frame, None, facts, spoken_of(atoms.info).charge, is_free_atom(frame, facts))
