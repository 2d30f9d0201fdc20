"""The force field of a run, or of files, for a program that moves atoms."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from aims_pax.atoms import telling_atoms
from aims_pax.campaign.snapshot import export_snapshot
from aims_pax.errors import ModelError, Problem, StructureError
from aims_pax.outcome.handover.handover import Conditions, Handover
from aims_pax.settings import Project
from aims_pax.settings.md import MDSettings
from aims_pax.settings.systems import System, read_systems

_LEFT_OUT = ("hold", "load", "restraints", "metadynamics", "uncertainty_bias", "program")
"""Settings of MD that no input of another program is written for."""


def of_project(project: Project, structure: Path | None, *, as_committee: bool) -> Handover:
    """What a project hands over: the model of its run, finished or not, and its MD.

    Parameters
    ----------
    project : Project
    structure : Path or None
        Where MD begins; the first starting structure when None.
    as_committee : bool
        All members, in the place of the best alone.

    Raises
    ------
    UserError
        There is no run, or it has no models yet.
    StructureError
        The structure can't be read.
    """
    snapshot = export_snapshot(project, None)
    if not snapshot.models:
        raise ModelError(Problem(str(project.folder), "The run has no models yet.", "", "Wait for its first training."))
    product, *members = snapshot.models
    models = tuple(members) if as_committee and members else (product,)
    system = project.systems[0] if structure is None else _system(structure)
    md = project.md_of(project.systems[0])
    remarks = (*_fixed_remarks(system), *_md_remarks(project, md))
    name = project.mace.general.name_exp
    return Handover(name, models, telling_atoms(system.frame), _conditions(md, system), remarks)


def of_files(models: Sequence[Path], structure: Path) -> Handover:
    """Model files and a structure, at 300 K.

    Raises
    ------
    ModelError
        A file is missing, or two have one name.
    StructureError
        The structure can't be read.
    """
    known = [path.expanduser() for path in models]
    problems = [
        Problem(f"--using {path}", "There is no such file.", "a model file", "Correct the name.")
        for path in known
        if not path.is_file()
    ]
    names = [path.name for path in known]
    problems += [
        Problem(f"--using {path}", "Another model has the same name.", "files of different names", "Rename one.")
        for path in known
        if names.count(path.name) > 1
    ]
    try:
        system = _system(structure)
    except StructureError as error:
        raise StructureError([*problems, *error.problems]) from error
    if problems:
        raise ModelError(problems)
    conditions, remarks = Conditions(), tuple(_fixed_remarks(system))
    return Handover(known[0].stem, tuple(known), telling_atoms(system.frame), conditions, remarks)


def _system(structure: Path) -> System:
    systems = read_systems(Path.cwd(), {0: structure.expanduser()})
    if len(systems) != 1:
        found = f"The file has {len(systems)} structures."
        raise StructureError(Problem(f"--structure {structure}", found, "one", "Name a file of the one to begin with."))
    return systems[0]


def _conditions(md: MDSettings, system: System) -> Conditions:
    held = md.held
    moves = held.stat_ensemble == "npt" and bool(system.frame.pbc.all())
    return Conditions(held.temperature, held.timestep, held.pressure if moves else None)


def _fixed_remarks(system: System) -> Iterator[Problem]:
    if system.fixed is not None:
        found = f"{system.name} holds atoms where they are, and the input does not."
        yield Problem(system.origin, found, "", "Hold them by the program's own means before you run it.")


def _md_remarks(project: Project, md: MDSettings) -> Iterator[Problem]:
    left_out = [key for key in _LEFT_OUT if getattr(md, key)]
    if left_out:
        found = f"MD has {', '.join(left_out)}, which the input does not have."
        yield Problem(project.where("MD"), found, "", "Write it by the program's own means where it is needed.")
