"""``aims-pax check``."""

import re
import shlex
import shutil
import textwrap
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aims_pax.cli.boundary import guarded, named_words
from aims_pax.cli.launch import ModelFile, Named, ParslConfig, ProjectFolder, SettingsFile, load
from aims_pax.cli.working import working
from aims_pax.errors import UserError

if TYPE_CHECKING:
    from aims_pax.frame import Stage
    from aims_pax.settings import Project


class StageChoice(StrEnum):
    """What is going to be run; named like the commands."""

    RUN = "run"
    """Both stages."""
    IDG = "idg"
    """The initial dataset alone."""
    AL = "al"
    """Active learning alone."""
    IDG_V2 = "idg-v2"
    """The first committee alone, on datasets that are given."""


_THOUSANDS: Final = re.compile(r"(?<=\d) (?=\d{3}\b)")
_TIED: Final = "\N{NO-BREAK SPACE}"
"""In 1 200, between lines: no number is broken there."""


@guarded
def check(
    folder: ProjectFolder = Path(),
    command: Annotated[
        StageChoice, typer.Option("--for", help="The command that is going to be used.")
    ] = StageChoice.RUN,
    parsl_config: ParslConfig = None,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Also label each structure and a rattled copy of it, as a new run does first, and say whether the "
            "reference makes sense there. The run takes these labels over.",
        ),
    ] = False,
    settings_file: SettingsFile = None,
    model_file: ModelFile = None,
) -> None:
    """Find everything that can fail cheaply, and say what was understood and what a run would do.

    Looks at settings, files, structures, elements, executables, devices and disk. Computes and creates nothing, unless
    it is to probe.
    """

    from aims_pax.settings.stage import ACTIVE, INITIAL

    needed = {
        StageChoice.RUN: (INITIAL, ACTIVE),
        StageChoice.IDG: (INITIAL,),
        StageChoice.AL: (ACTIVE,),
        StageChoice.IDG_V2: (ACTIVE,),
    }[command]
    with working(f"looking at {folder}"):
        project = load(folder, needed, Named(parsl_config, settings_file, model_file))
        stages = () if command is StageChoice.IDG_V2 else project.asked(needed)

        from aims_pax.checking.check import check_project

        report = check_project(project, stages)
    for line in (*_understood(project, stages), "", *(wrapped(f"- {fact}", indent=2) for fact in report.facts)):
        typer.echo(line)
    for doubt in report.doubts:
        first, *rest = str(doubt).splitlines()
        typer.secho(f"\n{wrapped(f'Warning: {first}', indent=2)}", fg=typer.colors.YELLOW)
        typer.echo("\n".join(wrapped(line, indent=4) for line in rest))
    if report.problems:
        typer.echo()
        raise UserError(report.problems)
    if probe:
        _probe(project, stages)
    words = [str(folder), *(["--parsl-config", parsl_config] if parsl_config else []), *named_words()]
    n_doubts = len(report.doubts)
    warned = "" if n_doubts == 0 else f"; {n_doubts} warning{'s' if n_doubts > 1 else ''}"
    typer.echo(f"\nNo problem found{warned}. Start it with: aims-pax {command} {shlex.join(words)}")


def _understood(project: "Project", stages: "tuple[Stage, ...]") -> Iterator[str]:
    """Structures and quantities as they were read."""
    from aims_pax.checking.understood import NAME_WIDTH, understood

    yield from (wrapped(line, indent=NAME_WIDTH) for line in understood(project, stages))


def wrapped(line: str, *, indent: int) -> str:
    """The same in as many lines as the terminal needs; those after the first are indented."""
    width, whole = shutil.get_terminal_size().columns, _THOUSANDS.sub(_TIED, line)
    told = textwrap.fill(whole, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
    return told.replace(_TIED, " ")


def _probe(project: "Project", stages: "tuple[Stage, ...]") -> None:
    """Label what a new run labels first, and say what came of it.

    Raises
    ------
    UserError
        The reference, or the driver, is not sane.
    """
    from aims_pax.campaign.probing import probe_project
    from aims_pax.departure import Departure
    from aims_pax.stages import assembly

    typer.echo("\nProbe: labels of each structure and of a copy rattled by 0.05 Å")
    pool = assembly.build_pool(project)
    try:
        result = probe_project(project, pool, Departure(), stages=stages)
    finally:
        pool.close()
    for line in result.lines():
        typer.echo(wrapped(f"  {line}", indent=4))
    if problems := result.problems():
        raise UserError(problems)
