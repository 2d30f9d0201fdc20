"""``aims-pax doctor``."""

import json
import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.working import working

if TYPE_CHECKING:
    from aims_pax.checking.installation.examination import Examination
    from aims_pax.checking.installation.finding import Finding

MARGIN: Final = 20
"""Columns before what was found: mark and name."""


@guarded
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead.")] = False,
) -> None:
    """Look at the installation and the machine, and say what to do.

    ok: works; -: not here, and not needed; !!: to be mended. Tries PyTorch, a label by tblite and a worker of Parsl for
    real, which takes some seconds; writes nothing. The exit code is 0 when a campaign with tblite can run here.
    """
    from aims_pax.checking.installation.examination import examine

    with working("trying PyTorch, a label and a worker"):
        found = examine(Path.cwd())
    if as_json:
        typer.echo(json.dumps(found.record(), indent=2))
    else:
        _print(found)
    if not found.can_run:
        raise typer.Exit(1)


def _print(found: "Examination") -> None:
    width = max(60, shutil.get_terminal_size().columns)
    for finding in found.findings:
        typer.echo("\n".join(_lines(finding, width)))
    troubled = [finding.name for finding in found.findings if finding.prevents]
    if troubled:
        typer.echo(f"\nNo campaign can run here before this is mended: {', '.join(troubled)}.")
        return
    typer.echo("\nA campaign with tblite can run here. Next: aims-pax quickstart")


def _lines(finding: "Finding", width: int) -> list[str]:
    """What was found, and below it what to do; commands stay in one line, to be copied."""
    margin = " " * MARGIN
    first = f"{finding.standing:<3}{finding.name:<{MARGIN - 3}}"
    lines = textwrap.wrap(
        finding.found, width, initial_indent=first, subsequent_indent=margin, break_on_hyphens=False
    ) or [first]
    if " -m pip " in finding.advice:
        return [*lines, f"{margin}> {finding.advice}"]
    return [
        *lines,
        *textwrap.wrap(finding.advice, width, initial_indent=f"{margin}> ", subsequent_indent=f"{margin}  "),
    ]
