"""``aims-pax collect``."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.commands.beginning.database import (
    AboveHull,
    Chemsys,
    Database,
    Elements,
    Filter,
    Formula,
    Ids,
    KeyFile,
    Limit,
    MaxAtoms,
    Search,
)
from aims_pax.cli.working import working
from aims_pax.errors import Problem, UserError

if TYPE_CHECKING:
    from aims_pax.frame import Frame
    from aims_pax.settings.augmentation import AugmentSettings
    from aims_pax.structures.collection import Collected
    from aims_pax.structures.databases.entry import Fact
    from aims_pax.structures.databases.fetched import Fetched, Question

OUT: Final = "collected.extxyz"

NONE: Final = "none"
"""What `--augment` says where structures are to stay as they are."""


@guarded
def collect(
    structures: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="Structures, in any format of ASE; or folders of them; or one project."),
    ] = None,
    database: Database = None,
    ids: Ids = None,
    formula: Formula = None,
    elements: Elements = None,
    chemsys: Chemsys = None,
    optimade_filter: Filter = None,
    above_hull: AboveHull = None,
    max_atoms: MaxAtoms = None,
    limit: Limit = None,
    key_file: KeyFile = None,
    augment: Annotated[
        str | None,
        typer.Option(
            metavar="none|FILE|MAPPING",
            help="What to make: a YAML file that holds augment, or the mapping itself: '{distort: 20, strain: true}'; "
            "none for the structures as they are. When not given: none of a database, else what the TrainsPot paper "
            "makes.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, metavar="N", help="In the place of the seed of augment.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file that is written; it must be new.")] = Path(OUT),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Make and count all structures; write none.")] = False,
) -> None:
    """Take structures from files or a database, and make others of them without MD: supercells, distorted and strained
    ones, surfaces, clusters, alloys.

    Writes one extended XYZ file, in which each structure tells its source, its system and its kind; those of a
    database also what it says of them.
    """
    said: dict[str, str | float | None] = {"ids": ids, "formula": formula, "elements": elements, "chemsys": chemsys}
    said |= {"filter": optimade_filter, "above_hull_ev": above_hull, "max_atoms": max_atoms, "limit": limit}
    search = Search.of(database, said, key_file)
    settings, starts, question = _asked(structures or [], search, (augment, seed), None if dry_run else out)
    is_unchanged = question is not None and augment in (None, NONE)
    facts: dict[str, Mapping[str, Fact]] = {}
    if question is not None:
        with working(f"asking {question.service.name}"):
            fetched = question.fetched()
        typer.echo(f"{fetched.text()}\n")
        starts, facts = [entry.frame for entry in fetched.entries], _facts(fetched, is_unchanged=is_unchanged)
    from aims_pax.structures.collection import collect as collect_frames

    with working(f"making structures of {', '.join(start.system for start in starts[:5])}"):
        collected = collect_frames(starts, settings)
        if not dry_run:
            _write(out, collected, facts)
    for words in map(str, collected.told) if is_unchanged else [collected.text()]:
        typer.echo(f"{words}\n")
    n_structures = len(collected.frames)
    counted = f"{n_structures} structure{'s' * (n_structures != 1)}"
    if dry_run:
        typer.echo(f"nothing was written; without --dry-run: {counted} in {out}")
        return
    typer.echo(f"wrote {out} ({counted})")
    if is_unchanged:
        typer.echo(f"A project that starts from what was written: MISC.path_to_geometry: {out}")
    labelling = f"aims-pax relabel {shlex.quote(str(out))} --settings aims_PAX.yaml"
    typer.echo(f"Labels of them, by the REFERENCE of a project: {labelling}")


def _asked(
    structures: Sequence[Path], search: Search, making: tuple[str | None, int | None], out: Path | None
) -> "tuple[AugmentSettings, list[Frame], Question | None]":
    """What to make of what; all that is wrong is told together."""
    problems: list[Problem] = []
    settings: AugmentSettings | None = None
    starts: list[Frame] = []
    question: Question | None = None
    augment, seed = making
    try:
        settings = _settings(NONE if augment is None and search.database is not None else augment, seed)
    except UserError as error:
        problems += error.problems
    try:
        if search.database is not None:
            question = search.question()
        elif structures:
            starts = _starts(structures)
    except UserError as error:
        problems += error.problems
    problems += [*_misplaced(structures, search), *([] if out is None else _problems_of(out))]
    if problems or settings is None:
        raise UserError(problems)
    return settings, starts, question


def _misplaced(structures: Sequence[Path], search: Search) -> list[Problem]:
    """Files beside a database, options of a database without one, and neither."""
    if search.database is not None and structures:
        found, allowed = "Files and a database can't be named together.", "files, or a database"
        return [Problem(f"--from {search.database}", found, allowed, "Write the structures of the database first.")]
    if search.database is None and search.words:
        found = "This is asked of a database, and none is named."
        return [Problem(", ".join(search.words), found, "--from mp, or --from URL")]
    if search.database is None and not structures:
        return [Problem("FILE...", "No structures are named.", "files, a project, or --from mp with --formula or such")]
    return []


def _facts(fetched: "Fetched", *, is_unchanged: bool) -> "dict[str, Mapping[str, Fact]]":
    """What is written of the structures of a system; of what was made of them, where they come from alone."""
    from aims_pax.structures.databases.fetched import PROVENANCE

    return {
        entry.name: {name: one for name, one in entry.facts.items() if is_unchanged or name in PROVENANCE}
        for entry in fetched.entries
    }


def _settings(augment: str | None, seed: int | None) -> "AugmentSettings":
    from aims_pax.settings.augmentation.augment import UNCHANGED
    from aims_pax.settings.augmentation.reading import augment_argument, augment_file, augment_text

    if augment is None or augment == NONE:
        settings = augment_argument(None if augment is None else UNCHANGED)
    elif augment.lstrip().startswith("{"):
        settings = augment_text(augment, name="--augment")
    else:
        path = Path(augment).expanduser()
        if not path.is_file():
            found, allowed = "There is no such file.", "none, a YAML file, or a mapping: '{distort: 20, strain: true}'"
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


def _write(out: Path, collected: "Collected", told: "Mapping[str, Mapping[str, Fact]]") -> None:
    from aims_pax.dataset.durable import replacing
    from aims_pax.dataset.extxyz import structure_block_of

    try:
        with replacing(out.absolute()) as file:
            for frame, facts in collected.told_frames():
                file.write(structure_block_of(frame, {**facts, **told.get(frame.system, {}), **facts}))
    except OSError as error:
        found = f"The file can't be written ({error.strerror})."
        raise UserError(Problem(f"--out {out}", found, "a folder that you may write to")) from error
