"""What ``run``, ``idg`` and ``al`` share: load, check, open the diary and the live view, run, say how it ended."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from aims_pax.cli.boundary import sigterm_unwinds
from aims_pax.errors import UserError

diary = logging.getLogger("aims_pax.run")

ProjectFolder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="The project: the folder that holds aims_PAX.yaml and mace.yaml.")
]


def launch(folder: Path, *stages: str) -> None:
    """Run the given stages of the project in `folder`; nothing is created before everything cheap was checked.

    Parameters
    ----------
    folder : Path
    *stages : str
        Values of :class:`aims_pax.frame.Stage`.
    """
    from aims_pax.frame import Stage
    from aims_pax.settings import load_project

    asked = tuple(Stage(stage) for stage in stages)
    project = load_project(folder, stages=asked)  # before PyTorch is imported: a typo is told in a second

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
