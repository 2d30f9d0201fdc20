"""``aims-pax init``."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.completion import reference_types


@guarded
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the project is written; made when missing.")],
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="The same as --geometry, for lists of files.")
    ] = None,
    reference: Annotated[
        str,
        typer.Option(
            metavar="TYPE",
            help="The method that labels structures; aims-pax references lists them.",
            autocompletion=reference_types,
        ),
    ] = "tblite",
    geometry: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Structures to start from, in any format that ASE reads; a folder of such files; may be repeated.",
        ),
    ] = None,
    periodic: Annotated[
        bool | None,
        typer.Option("--periodic/--molecule", help="What structures are that have a cell and no periodicity."),
    ] = None,
    strain: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT",
            min=0.0,
            max=20.0,
            help="Start from strained cells, too; 0: don't. 2 for one crystal, 0 for several structures.",
        ),
    ] = None,
    workflow: Annotated[
        bool,
        typer.Option("--workflow", help="Write an exploration workflow beside: the structure is melted and quenched."),
    ] = False,
    interactive: Annotated[
        bool,
        typer.Option("--interactive", "-i", help="Ask six questions, each with an answer to take over by Enter."),
    ] = False,
) -> None:
    """Write a new project with every common setting explained. Overwrites nothing."""
    from aims_pax.settings.words.answers import NOTHING_SAID
    from aims_pax.settings.words.starting import Wanted
    from aims_pax.settings.words.template import write_project

    wanted = Wanted((*(geometry or ()), *(more or ())), periodic=periodic, strain_percent=strain)
    answers = NOTHING_SAID
    if interactive:
        from aims_pax.cli.questions import asked

        wanted, reference, answers = asked(folder, wanted, reference)
    answers = replace(answers, workflow=workflow)
    project = write_project(folder, reference=reference, wanted=wanted, answers=answers)
    for line in () if interactive else project.structures:
        typer.echo(line)
    for path in project.files:
        typer.echo(f"wrote {path}")
    for note in project.notes:
        typer.echo(f"\n{note}")
    if project.needs:
        typer.echo("\nBefore it can run, see to:")
        for need in project.needs:
            typer.echo(f"- {need}")
    typer.echo(f"\nNext: aims-pax check {shlex.quote(str(folder))}")
