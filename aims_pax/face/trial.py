"""Finished models tried later and longer, as ``aims-pax verify`` does."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from aims_pax.departure import Departure
from aims_pax.errors import Problem, UserError
from aims_pax.outcome.conditions import common_temperature
from aims_pax.outcome.drivers import usual_driver
from aims_pax.outcome.heldout.heldout_plan import HeldoutPlan
from aims_pax.outcome.heldout.heldout_set import HeldoutParts, HeldoutSet
from aims_pax.outcome.rival import Rival
from aims_pax.outcome.structure.trajectories import is_trajectory
from aims_pax.outcome.verify import Drive, Subject, Verification, Wishes, heldout_name, measure_heldout
from aims_pax.settings import Project
from aims_pax.settings.project import load_project


def verify(
    project: "str | Path | Project",
    *,
    models: Sequence[str | Path] = (),
    temperatures_k: Sequence[float] = (),
    n_runs: int = 12,
    length_ps: float = 20.0,
    drive: str = "first",
    heldout: int = 0,
    data: str | Path | None = None,
    against: str | Path | None = None,
    dihedrals: str = "auto",
    structure: bool = False,
    device: str = "auto",
    seed: int = 1,
) -> Verification:
    """Move atoms by finished models, watched for what breaks, and measure errors on held-out structures.

    Parameters
    ----------
    project : Project, or its folder
    models : sequence of paths
        Other models than those of the run; the first one drives.
    temperatures_k : sequence of float
        Those of the run when empty.
    n_runs : int
        At each temperature.
    length_ps : float
        Of each run; 0: no MD.
    drive : str
        ``first`` model, their ``mean``, or ``each`` in its share of the runs.
    heldout : int
        Labels of a held-out set that is made, or gone on with, in verify/heldout of the run folder.
    data : path or None
        Labelled structures to measure on instead, extended XYZ.
    against : str, path or None
        Another model whose dihedrals are compared with those of the models: its file, ``GFN2-xTB``, ``reference``, and
        all else that ``--by`` takes. With `structure` also a file of trajectories, whose dihedrals are not compared.
    dihedrals : str
        ``auto``, or four atoms each, counted from 0: ``0-1-2-8,1-2-8-3``.
    structure : bool
        Whether radial distributions, bond angles, neighbours and rings are compared, too.
    device : str
        auto, cpu, cuda, or one GPU such as cuda:1.
    seed : int
        Of starts, velocities and noise.

    Raises
    ------
    UserError
        There are no models, or they do not fit the project.
    CampaignStopped
        The held-out set can't be made.
    """
    chosen = project if isinstance(project, Project) else load_project(project, stages=())
    subject = Subject.of(chosen, [Path(path).expanduser() for path in models], device=device)
    wishes = Wishes(tuple(temperatures_k), n_runs, length_ps, Drive(drive), seed)
    if structure and against is None:
        raise UserError(Problem("structure", "is True, and against names nothing to compare with."))
    if structure and is_trajectory(str(against)) and dihedrals != "auto":
        raise UserError(Problem("dihedrals", "are given, and those of a file of structures are not compared."))
    named = None if against is None else str(against)
    rival = Rival.of(subject, wishes, against=named, dihedrals=dihedrals, structure=structure)
    file = None if data is None else Path(data).expanduser()
    if heldout:
        file = _made(chosen, subject, heldout)
    measured = None if file is None else measure_heldout(subject, file, drive=wishes.drive)
    folder = chosen.run_folder / "verify"
    return rival.tried(subject, wishes, measured, folder=folder, departure=Departure(), show=_unshown)


def _unshown(_words: str) -> None:
    """Nobody looks at a line of progress."""


def _made(project: Project, subject: Subject, n_frames: int) -> Path:
    plan = HeldoutPlan(n_frames, by=usual_driver(project), temperature_k=common_temperature(project))
    starts = tuple(system.frame for system in project.systems)
    folder = project.run_folder / "verify" / heldout_name(project)
    with closing(
        HeldoutSet(plan, HeldoutParts(subject.project, folder, starts, subject.models, subject.ensemble))
    ) as made:
        return made.make()
