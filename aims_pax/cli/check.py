"""``aims-pax check``."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.launch import ParslConfig, ProjectFolder, load
from aims_pax.errors import UserError


class StageChoice(StrEnum):
    """What is going to be run; named like the commands."""

    RUN = "run"
    """Both stages."""
    IDG = "idg"
    """The initial dataset alone."""
    AL = "al"
    """Active learning alone."""


@guarded
def check(
    folder: ProjectFolder = Path(),
    command: Annotated[
        StageChoice, typer.Option("--for", help="The command that is going to be used.")
    ] = StageChoice.RUN,
    parsl_config: ParslConfig = None,
) -> None:
    """Find everything that can fail cheaply, and say what a run would do and cost.

    Looks at settings, files, structures, elements, executables, devices and disk. Computes and creates nothing.
    """
    from aims_pax.frame import Stage

    stages = {
        StageChoice.RUN: (Stage.INITIAL, Stage.ACTIVE),
        StageChoice.IDG: (Stage.INITIAL,),
        StageChoice.AL: (Stage.ACTIVE,),
    }[command]
    project = load(folder, stages, parsl_config)

    from aims_pax.campaign.check import check_project

    report = check_project(project, stages)
    for fact in report.facts:
        typer.echo(f"- {fact}")
    if report.problems:
        raise UserError(report.problems)
    words = [str(folder), *(["--parsl-config", parsl_config] if parsl_config else [])]
    typer.echo(f"\nNo problem found. Start it with: aims-pax {command} {shlex.join(words)}")
