"""``aims-pax export``."""

from pathlib import Path
from typing import Annotated

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.launch import ProjectFolder


@guarded
def export(
    folder: ProjectFolder = Path(),
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to; results/ of the run when not given.")
    ] = None,
) -> None:
    """Write training.extxyz and validation.extxyz of a run: interrupted, finished, or while it is running."""
    from aims_pax.campaign.results import export_datasets
    from aims_pax.settings import load_project

    project = load_project(folder, stages=())
    for path, n_structures in export_datasets(project, out or project.run_folder / "results").items():
        typer.echo(f"wrote {path} ({n_structures} structures)")
