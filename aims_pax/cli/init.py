"""``aims-pax init``."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aims_pax.cli.boundary import guarded


class ReferenceChoice(StrEnum):
    """References that a project can be written for."""

    TBLITE = "tblite"
    """Extended tight binding (GFN2-xTB); needs nothing else."""
    PYSCF = "pyscf"
    """Molecular density-functional theory."""
    TEACHER = "teacher"
    """A trained model, or any ASE calculator."""
    FHI_AIMS = "fhi-aims"
    """All-electron density-functional theory by FHI-aims, which you have a licence of."""


@guarded
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the project is written; made when missing.")],
    reference: Annotated[
        ReferenceChoice, typer.Option(help="The method that labels structures.")
    ] = ReferenceChoice.TBLITE,
    geometry: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A structure to start from, in any format that ASE reads.")
    ] = None,
) -> None:
    """Write a new project with every common setting explained. Overwrites nothing."""
    from aims_pax.settings.template import write_project

    for path in write_project(folder, reference=reference.value, geometry=geometry):
        typer.echo(f"wrote {path}")
    typer.echo(f"\nNext: aims-pax check {shlex.quote(str(folder))}")
