"""What ``run``, ``idg`` and ``al`` share: load, check, open the diary and the live view, run, say how it ended."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aims_pax.cli.boundary import sigterm_unwinds
from aims_pax.errors import UserError

if TYPE_CHECKING:
    from aims_pax.frame import Stage
    from aims_pax.settings import Project

diary = logging.getLogger("aims_pax.run")

ProjectFolder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="The project: the folder that holds aims_PAX.yaml and mace.yaml.")
]

ParslConfig = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Compute labels on the workers of this Parsl configuration, whatever CLUSTER says."
    ),
]


def load(folder: Path, stages: "Sequence[Stage]", parsl_config: str | None) -> "Project":
    """The project in a folder, with its labels where the command line wants them."""
    from aims_pax.settings import load_project
    from aims_pax.settings.cluster import on_parsl_config

    project = load_project(folder, stages=tuple(stages))  # before PyTorch is imported: a typo is told in a second
    if parsl_config is None:
        return project
    return project.on_cluster(on_parsl_config(project.settings.cluster, parsl_config, Path.cwd()))


def launch(folder: Path, *stages: str, parsl_config: str | None = None) -> None:
    """Run the given stages of the project in `folder`; nothing is created before everything cheap was checked.

    Parameters
    ----------
    folder : Path
    *stages : str
        Values of :class:`aims_pax.frame.Stage`.
    parsl_config : str or None
        Name or file of a Parsl configuration to use instead of CLUSTER's.
    """
    from aims_pax.frame import Stage

    asked = tuple(Stage(stage) for stage in stages)
    project = load(folder, asked, parsl_config)

    from rich.console import Console

    from aims_pax.campaign import run_campaign
    from aims_pax.campaign.check import check_project
    from aims_pax.report.live import LiveView
    from aims_pax.report.logs import open_logs

    report = check_project(project, asked)
    if report.problems:
        raise UserError(report.problems)
    console = Console()
    open_logs(project.log_folder, console, level=project.mace.misc.log_level)
    for fact in report.facts:
        diary.info("%s", fact)
    with sigterm_unwinds(), LiveView(console, title=project.folder.name) as view:
        summary = run_campaign(project, stages=asked, observer=view)
    _say_closing(summary.lines())


def _say_closing(lines: Sequence[str]) -> None:
    typer.echo()
    for line in lines:
        typer.echo(line)
