"""``aims-pax collect``."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.working import working
from aims_pax.errors import Problem, UserError

if TYPE_CHECKING:
    from aims_pax.frame import Frame
    from aims_pax.settings.augmentation import AugmentSettings
    from aims_pax.structures.collection import Collected

OUT: Final = "collected.extxyz"


@guarded
def collect(
    structures: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Structures, in any format of ASE; or folders of them; or one project."),
    ],
    augment: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|MAPPING",
            help="What to make: a YAML file that holds augment, or the mapping itself: '{distort: 20, strain: true}'. "
            "What the TrainsPot paper makes, when not given.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, metavar="N", help="In the place of the seed of augment.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file that is written; it must be new.")] = Path(OUT),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Make and count all structures; write none.")] = False,
) -> None:
    """Make structures from others without MD: supercells, distorted and strained ones, surfaces, clusters, alloys.

    Writes one extended XYZ file, in which each structure tells its source, its system and its kind.
    """
    settings, starts = _asked(structures, augment, seed, None if dry_run else out)
    from aims_pax.structures.collection import collect as collect_frames

    with working(f"making structures of {', '.join(start.system for start in starts[:5])}"):
        collected = collect_frames(starts, settings)
        if not dry_run:
            _write(out, collected)
    typer.echo(collected.text())
    n_structures = len(collected.frames)
    if dry_run:
        typer.echo(f"\nnothing was written; without --dry-run: {n_structures} structures in {out}")
        return
    typer.echo(f"\nwrote {out} ({n_structures} structures)")
    labelling = f"aims-pax relabel {shlex.quote(str(out))} --settings aims_PAX.yaml"
    typer.echo(f"Labels of them, by the REFERENCE of a project: {labelling}")


def _asked(
    structures: Sequence[Path], augment: str | None, seed: int | None, out: Path | None
) -> "tuple[AugmentSettings, list[Frame]]":
    """What to make of what; all that is wrong is told together."""
    problems: list[Problem] = []
    settings: AugmentSettings | None = None
    starts: list[Frame] = []
    try:
        settings = _settings(augment, seed)
    except UserError as error:
        problems += error.problems
    try:
        starts = _starts(structures)
    except UserError as error:
        problems += error.problems
    problems += [] if out is None else _problems_of(out)
    if problems or settings is None:
        raise UserError(problems)
    return settings, starts


def _settings(augment: str | None, seed: int | None) -> "AugmentSettings":
    from aims_pax.settings.augmentation.reading import augment_argument, augment_file, augment_text

    if augment is None:
        settings = augment_argument(None)
    elif augment.lstrip().startswith("{"):
        settings = augment_text(augment, name="--augment")
    else:
        path = Path(augment).expanduser()
        if not path.is_file():
            found, allowed = "There is no such file.", "a YAML file, or a mapping: '{distort: 20, strain: true}'"
            raise UserError(Problem(f"--augment {augment}", found, allowed, "Correct the name."))
        settings = augment_file(path)
    return settings if seed is None else settings.model_copy(update={"seed": seed})


def _starts(structures: Sequence[Path]) -> "list[Frame]":
    """The structures of files, or the starting structures of a project.

    Raises
    ------
    UserError
        With everything that is wrong with any.
    """
    from aims_pax.face.collecting import read_files, starts_of
    from aims_pax.settings.reading.files import SETTINGS_FILES

    folders = [path for path in structures if any((path / name).exists() for name in SETTINGS_FILES)]
    if not folders:
        return starts_of(read_files(structures))
    if len(structures) > 1:
        found = "Folders of projects can't be named together with anything else."
        raise UserError(Problem(str(folders[0]), found, "files, or one project", "Name the files of its structures."))
    from aims_pax.settings import load_project

    return starts_of(load_project(folders[0]).systems)


def _problems_of(out: Path) -> list[Problem]:
    where = f"--out {out}"
    if out.exists():
        advice = "Name another, or remove it."
        return [Problem(where, "This file exists, and is not overwritten.", "a new file", advice)]
    if not out.absolute().parent.is_dir():
        return [Problem(where, "There is no folder to write it into.", "a folder that exists", "Make it first.")]
    return []


def _write(out: Path, collected: "Collected") -> None:
    from aims_pax.dataset.durable import replacing
    from aims_pax.dataset.extxyz import structure_block_of

    try:
        with replacing(out.absolute()) as file:
            for source, frame in collected.sourced():
                facts: dict[str, str | int] = {"source": source, "system": frame.system, "number": frame.md_step}
                file.write(structure_block_of(frame, facts))
    except OSError as error:
        found = f"The file can't be written ({error.strerror})."
        raise UserError(Problem(f"--out {out}", found, "a folder that you may write to")) from error
