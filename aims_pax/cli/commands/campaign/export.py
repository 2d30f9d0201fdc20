"""``aims-pax export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.launch import ModelFile, Named, ProjectFolder, SettingsFile, load
from aims_pax.cli.working import working
from aims_pax.errors import Problem, UserError

if TYPE_CHECKING:
    from aims_pax.settings import Project

FORMATS: Final = ("extxyz", "hdf5")
FILE_SUFFIXES: Final = (".xyz", ".extxyz", ".h5", ".hdf5")
"""As :mod:`aims_pax.outcome.datasets` has them, which takes seconds to import."""


@guarded
def export(
    folder: ProjectFolder = Path(),
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER|FILE",
            help="Where to: a folder, or a file (.extxyz, .h5) for all structures together. When not given: results/ "
            "of the run, and with --models snapshot/ while it is not finished.",
        ),
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option("--format", metavar="extxyz|hdf5", help="extxyz, or hdf5: files that MACE trains on, .h5."),
    ] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", metavar="N", help="N structures at random of each file, not all.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Of --sample; 0 when not given.")] = None,
    models: Annotated[
        bool, typer.Option("--models", help="With the models of the newest checkpoint, their errors, and all figures.")
    ] = False,
    settings_file: SettingsFile = None,
    model_file: ModelFile = None,
) -> None:
    """Write the labelled structures of a run: interrupted, finished, or while it is running.

    These are training.extxyz, validation.extxyz and, where there is one, test.extxyz; or one file by --out all.h5.
    aims-pax export --models my_project also writes usable models, and says what state of the run they are of.
    """
    _check(out, file_format, sample, seed, with_models=models)
    with working(f"reading the {'models and ' if models else ''}labels of {folder}"):
        project = load(folder, (), Named(None, settings_file, model_file))
        wanted = out, file_format, sample, seed
        lines = _exported_with_models(project, out) if models else _exported(project, *wanted)
    for line in lines:
        typer.echo(line)


def _check(
    out: Path | None, file_format: str | None, sample: int | None, seed: int | None, *, with_models: bool
) -> None:
    """See that options are right, and go together."""
    problems = []
    if file_format not in (None, *FORMATS):
        problems.append(Problem("--format", f"{file_format} is no format.", " | ".join(FORMATS)))
    if sample is not None and sample < 1:
        problems.append(Problem("--sample", f"{sample} structures can't be drawn.", "an integer >= 1"))
    if seed is not None and sample is None:
        problems.append(Problem("--seed", "Nothing is drawn without --sample.", "", "Add --sample, or leave it out."))
    if seed is not None and seed < 0:
        problems.append(Problem("--seed", f"{seed} is no seed.", "an integer >= 0"))
    if with_models:
        asked = {"--format": file_format, "--sample": sample}
        problems += [
            Problem(name, "With --models all structures are written, in extended XYZ.", "", "Leave it out.")
            for name, value in asked.items()
            if value is not None
        ]
        if out is not None and (out.is_file() or out.suffix.lower() in FILE_SUFFIXES):
            problems.append(Problem(f"--out {out}", "Models go into a folder.", "a folder, which is made when missing"))
    if problems:
        raise UserError(problems)


def _exported_with_models(project: "Project", out: Path | None) -> list[str]:
    """Write models and datasets; lines that tell of it."""
    from aims_pax.campaign.snapshot import export_snapshot

    return list(export_snapshot(project, out).lines())


def _exported(
    project: "Project", out: Path | None, file_format: str | None, sample: int | None, seed: int | None
) -> list[str]:
    """Write datasets; lines that tell of it."""
    from aims_pax.outcome.datasets import Format, Wanted, export_datasets

    wanted = Wanted(out, None if file_format is None else Format(file_format), sample, seed or 0)
    written = export_datasets(project, wanted)
    return [f"wrote {path} ({n_structures} structures)" for path, n_structures in written.items()]
