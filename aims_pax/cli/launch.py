"""What ``run``, ``idg`` and ``al`` share: load, check, open the diary and the live view, run, say how it ended."""

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TextIO, cast

import typer

from aims_pax.cli.boundary import NAMING
from aims_pax.cli.signals import SignalWatch
from aims_pax.cli.slurm_job import END, end_of_job
from aims_pax.departure import Departure, leaving_time
from aims_pax.errors import UserError

if TYPE_CHECKING:
    from aims_pax.campaign import Summary
    from aims_pax.frame import Stage
    from aims_pax.settings import Project

diary = logging.getLogger("aims_pax.run")

FOREVER_S: Final = 300 * 86400.0
"""Slurm gives jobs without a limit an end that is a year away."""

ProjectFolder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="The project: the folder that holds aims_PAX.yaml and mace.yaml.")
]

ParslConfig = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Compute labels on the workers of this Parsl configuration, whatever CLUSTER says."
    ),
]


SettingsFile = Annotated[
    Path | None, typer.Option(NAMING[0], metavar="FILE", help="Settings in the place of FOLDER's aims_PAX.yaml.")
]

ModelFile = Annotated[
    Path | None, typer.Option(NAMING[1], metavar="FILE", help="Settings in the place of FOLDER's mace.yaml.")
]


@dataclass(frozen=True, slots=True)
class Named:
    """What the command line says of a project besides its folder.

    Parameters
    ----------
    parsl_config : str or None
        Name or file of a Parsl configuration to use instead of CLUSTER's.
    settings_file, model_file : Path or None
        In the place of aims_PAX.yaml and mace.yaml.
    """

    parsl_config: str | None = None
    settings_file: Path | None = None
    model_file: Path | None = None


def load(folder: Path, stages: "Sequence[Stage]", named: Named) -> "Project":
    """The project in a folder, with its settings and its labels where the command line wants them."""
    from aims_pax.settings import load_project
    from aims_pax.settings.cluster import on_parsl_config
    from aims_pax.settings.project import NamedFiles

    files = NamedFiles(named.settings_file, named.model_file)
    project = load_project(
        folder, stages=tuple(stages), files=files
    )  # before PyTorch is imported: a typo is told in a second
    if named.parsl_config is None:
        return project
    return project.on_cluster(on_parsl_config(project.settings.cluster, named.parsl_config, Path.cwd()))


def launch(folder: Path, *stages: str, named: Named) -> None:
    """Run the given stages of the project in `folder`; nothing is created before everything cheap was checked.

    Parameters
    ----------
    folder : Path
    *stages : str
        Values of :class:`aims_pax.frame.Stage`.
    named : Named
    """
    departure = Departure()
    with SignalWatch(departure) as watch:
        watch.folder = folder
        summary = _run(folder, stages, named, watch)
    _say_closing(summary.lines())


def _run(folder: Path, stages: Sequence[str], named: Named, watch: SignalWatch) -> "Summary":
    from aims_pax.frame import Stage

    started_at = time.time()
    asked = tuple(Stage(stage) for stage in stages)
    project = load(folder, asked, named)

    from rich.console import Console

    from aims_pax.campaign import run_campaign
    from aims_pax.checking.check import check_project
    from aims_pax.report.live import LiveView
    from aims_pax.report.logs import open_logs
    from aims_pax.report.outlet import Outlet

    report = check_project(project, asked)
    if report.problems:
        raise UserError(report.problems)
    console = Console(file=cast(TextIO, Outlet(sys.stdout)))
    open_logs(project.log_folder, console, level=project.mace.misc.log_level)
    for fact in report.facts:
        diary.info("%s", fact)
    for doubt in report.doubts:
        diary.warning("%s", " ".join(str(doubt).split()))
    mind_walltime(watch.departure, project.settings.misc.walltime, started_at=started_at)
    with LiveView(console, title=project.folder.name) as view:
        watch.restore_terminal = view.close
        return run_campaign(project, stages=asked, observer=view, departure=watch.departure)


def mind_walltime(departure: Departure, walltime_s: float | None, *, started_at: float) -> None:
    """Have the campaign leave before its walltime or its batch job is over, and say when that is.

    Parameters
    ----------
    departure : Departure
    walltime_s : float or None
        MISC.walltime.
    started_at : float
        Unix time, s.
    """
    job_ends_at = _job_end(end_of_job(), now=started_at)
    ends_at = leaving_time(started_at=started_at, walltime_s=walltime_s, job_ends_at=job_ends_at)
    if ends_at is not None:
        departure.limit(ends_at)
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ends_at))
        diary.info("this session leaves at %s, to keep its walltime; the same command goes on after that", when)


def _job_end(found: str, *, now: float) -> float | None:
    """When Slurm ends the job that this process runs in, Unix time; None when there is no job, or no end that holds."""
    if not found:
        return None
    if found.isdecimal() and now < int(found) < now + FOREVER_S:
        return float(found)
    if not (found.isdecimal() and int(found) >= now + FOREVER_S):
        diary.warning("%s is %r, which is no time to come, and is not used; MISC.walltime sets a limit", END, found)
    return None


def _say_closing(lines: Sequence[str]) -> None:
    typer.echo()
    for line in lines:
        typer.echo(line)
