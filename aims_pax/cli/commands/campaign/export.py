"""``aims-pax export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.launch import ModelFile, Named, ProjectFolder, SettingsFile, load
from aims_pax.cli.working import working
from aims_pax.errors import Problem, UserError

if TYPE_CHECKING:
    from aims_pax.settings import Project


@guarded
def export(
    folder: ProjectFolder = Path(),
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where to; when not given: results/ of the run, and with --models snapshot/ while it is not finished.",
        ),
    ] = None,
    models: Annotated[
        bool, typer.Option("--models", help="With the models of the newest checkpoint, their errors, and all figures.")
    ] = False,
    settings_file: SettingsFile = None,
    model_file: ModelFile = None,
) -> None:
    """Write training.extxyz and validation.extxyz of a run: interrupted, finished, or while it is running.

    aims-pax export --models my_project also writes usable models, and says what state of the run they are of.
    """
    if out is not None and out.is_file():
        raise UserError(Problem(f"--out {out}", "This is a file.", "a folder, which is made when missing"))
    with working(f"reading the {'models and ' if models else ''}labels of {folder}"):
        lines = _exported(load(folder, (), Named(None, settings_file, model_file)), out, with_models=models)
    for line in lines:
        typer.echo(line)


def _exported(project: "Project", out: Path | None, *, with_models: bool) -> list[str]:
    """Write what was asked for; lines that tell of it."""
    if with_models:
        from aims_pax.campaign.snapshot import export_snapshot

        return list(export_snapshot(project, out).lines())
    from aims_pax.outcome.results import export_datasets

    written = export_datasets(project, out or project.run_folder / "results")
    return [f"wrote {path} ({n_structures} structures)" for path, n_structures in written.items()]
