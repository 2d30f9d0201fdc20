"""``aims-pax export``."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
PROGRAMS: Final = ("ase", "lammps", "ipi")
"""As :mod:`aims_pax.outcome.handover.writing` has them."""
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
    program: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="ase|lammps|ipi",
            help="The force field for a program, with an input that runs as it is, in a new folder: no datasets.",
        ),
    ] = None,
    using: Annotated[
        list[Path] | None,
        typer.Option(metavar="MODEL", help="With --for: model files in the place of a run's; also several times."),
    ] = None,
    structure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --for: where MD begins; the project's first structure when not given."),
    ] = None,
    committee: Annotated[
        bool, typer.Option("--committee", help="With --for: all members, whose deviation is told, not the best alone.")
    ] = False,
    settings_file: SettingsFile = None,
    model_file: ModelFile = None,
) -> None:
    """Write the labelled structures of a run: interrupted, finished, or while it is running.

    These are training.extxyz, validation.extxyz and, where there is one, test.extxyz; or one file by --out all.h5.
    aims-pax export --models my_project also writes usable models, and says what state of the run they are of.
    aims-pax export --for lammps my_project writes the force field with an input that LAMMPS runs.
    """
    handing = Handing(program, tuple(using or ()), structure, as_committee=committee)
    of_datasets = {"--format": file_format, "--sample": sample, "--seed": seed, "--models": models or None}
    _require_one_purpose(handing, of_datasets)
    if program is not None:
        named = Named(None, settings_file, model_file)
        for line in _handed_over(folder, handing, named, out or Path(f"for_{program}")):
            typer.echo(line)
        return
    _check(out, file_format, sample, seed, with_models=models)
    with working(f"reading the {'models and ' if models else ''}labels of {folder}"):
        project = load(folder, (), Named(None, settings_file, model_file))
        wanted = out, file_format, sample, seed
        lines = _exported_with_models(project, out) if models else _exported(project, *wanted)
    for line in lines:
        typer.echo(line)


@dataclass(frozen=True, slots=True)
class Handing:
    """What is asked for of a program.

    Parameters
    ----------
    program : str or None
        None: nothing.
    using : tuple of Path
        Model files; none: those of the run.
    structure : Path or None
    as_committee : bool
    """

    program: str | None
    using: tuple[Path, ...]
    structure: Path | None
    as_committee: bool

    def problems(self) -> Iterator[Problem]:
        """What can't be done."""
        if self.program is None:
            asked = {"--using": self.using, "--structure": self.structure, "--committee": self.as_committee}
            for name in (name for name, value in asked.items() if value):
                yield Problem(name, "It says something of --for, which is not there.", "", "Add --for ase|lammps|ipi.")
        elif self.program not in PROGRAMS:
            yield Problem("--for", f"{self.program} is no program that inputs are written for.", " | ".join(PROGRAMS))
        if self.using and self.structure is None:
            found = "Models that are named come without a structure."
            yield Problem("--using", found, "", "Add --structure FILE: where MD begins.")
        if self.using and self.as_committee:
            found = "All models that are named are handed over anyway."
            yield Problem("--committee", found, "", "Leave it out.")


def _require_one_purpose(handing: Handing, of_datasets: Mapping[str, object]) -> None:
    """See that --for goes together with what else is asked for."""
    problems = list(handing.problems())
    if handing.program is not None:
        found = "With --for no datasets are written."
        named = [name for name, value in of_datasets.items() if value is not None]
        problems += [Problem(name, found, "", "Leave it out.") for name in named]
    if problems:
        raise UserError(problems)


def _handed_over(folder: Path, handing: Handing, named: Named, out: Path) -> list[str]:
    """Write the force field for a program; lines that tell of it."""
    assert handing.program is not None
    with working(f"writing what {handing.program} needs"):
        from aims_pax.campaign.handing_over import of_files, of_project
        from aims_pax.outcome.handover.writing import write_handover

        if handing.using:
            assert handing.structure is not None
            handover = of_files(handing.using, handing.structure)
        else:
            project = load(folder, (), named)
            handover = of_project(project, handing.structure, as_committee=handing.as_committee)
        return write_handover(handover, handing.program, out).lines()


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
