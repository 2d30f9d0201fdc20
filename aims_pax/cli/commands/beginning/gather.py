"""``aims-pax gather``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.progress import ProgressLine
from aims_pax.errors import Problem, UserError

if TYPE_CHECKING:
    from aims_pax.gathering.gather import Request
    from aims_pax.gathering.gathered import Gathered


@guarded
def gather(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="Folders of finished calculations, or their files.")
    ],
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="What is written; its ending says the format. It must be new.",
            show_default="gathered.extxyz",
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="extxyz, hdf5, or a folder: npz (AtomProNet's), deepmd."),
    ] = None,
    steps: Annotated[
        str, typer.Option(metavar="WHICH", help="Steps of relaxations and MD: all, last, or every:10.")
    ] = "all",
    split: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,N",
            help="Training, validation and test: 0.8,0.1,0.1 or 800,100,100. Steps of one run stay together.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, metavar="N", help="Of --split; 0 when not given.")
    ] = None,
    max_force: Annotated[
        float | None, typer.Option(metavar="EV/ANG", help="Leave out steps with a larger force on an atom.")
    ] = None,
    mixed: Annotated[bool, typer.Option("--mixed", help="Keep structures of different methods in one set.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge only; write nothing.")] = False,
) -> None:
    """Make one dataset of finished outputs: VASP, Quantum ESPRESSO, FHI-aims and others.

    What can't be learned is left out and told with its reason; methods that differ are refused. Beside the set stand
    what was left out (csv), how it was made (json), and a figure (png).
    """
    from aims_pax.face.gathering import Words, carry_out, request_of

    if seed is not None and split is None:
        raise UserError(Problem("--seed", "Nothing is divided without --split.", "", "Add --split, or leave it out."))
    request = request_of(folders, Words(out, form, steps, split, seed or 0, max_force, mixed, dry_run))
    with ProgressLine(sys.stderr) as line:
        gathered = carry_out(request, show=line.show)
    typer.echo(gathered.text())
    gathered.require_set()
    _say_written(request, gathered)


def _say_written(request: "Request", gathered: "Gathered") -> None:
    from aims_pax.frame import Split
    from aims_pax.gathering.writing.formats import Format, name_of_set

    typer.echo()
    if request.is_dry_run:
        typer.echo(f"nothing was written; without --dry-run: {gathered.n_structures} structures in {request.out}")
        return
    for path in gathered.written:
        typer.echo(f"wrote {path}")
    if request.form not in (Format.EXTXYZ, Format.HDF5):
        return
    train, valid = (
        next((path for path in gathered.written if path.name == name_of_set(request.out, split, request.form)), None)
        for split in (Split.TRAINING, Split.VALIDATION)
    )
    if train is None or valid is None:
        how = ": --split 0.9,0.1 writes both" if train is valid else ""
        typer.echo(f"A campaign goes on from a training and a validation set{how}.")
        return
    typer.echo("A campaign that goes on from it (aims-pax al my_project), in its aims_PAX.yaml:")
    typer.echo("  ACTIVE_LEARNING:")
    for kind, path in (("train", train), ("valid", valid)):
        typer.echo(f"    initial_{kind}_dataset: {path.absolute()}")
    typer.echo("    start_from: structures")
