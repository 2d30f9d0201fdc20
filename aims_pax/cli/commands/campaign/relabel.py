"""``aims-pax relabel``, and ``aims-pax recalc`` with the options of v0.2's aims-PAX-recalc."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aims_pax.cli.boundary import guarded, kept_words
from aims_pax.cli.launch import ParslConfig
from aims_pax.cli.progress import ProgressLine
from aims_pax.departure import Departure
from aims_pax.errors import Problem, UserError
from aims_pax.face.signals import SignalWatch

if TYPE_CHECKING:
    from aims_pax.face.relabelling import RelabelWishes

OUT: Final = "relabelled.extxyz"
RECALC_OUT: Final = "recalculated_data_parsl.xyz"
"""What v0.2 calls its file."""

PROPERTIES: Final = ("energy", "forces", "stress")


@guarded
def relabel(
    data: Annotated[
        Path,
        typer.Argument(metavar="DATA", help="Structures, extended XYZ; or the folder of a run, whose dataset it is."),
    ],
    settings: Annotated[
        Path, typer.Option(metavar="FILE", help="Whose REFERENCE labels, where its CLUSTER says; and MISC for keys.")
    ] = Path("aims_PAX.yaml"),
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file that is written; it must be new.")] = Path(OUT),
    start: Annotated[int, typer.Option(min=0, metavar="N", help="The first structure that is labelled, from 0.")] = 0,
    end: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The structure before which it ends; all when not given.")
    ] = None,
    stress: Annotated[bool, typer.Option("--stress", help="Label the stress of crystals, too.")] = False,
    parsl_config: ParslConfig = None,
) -> None:
    """Label structures by another reference. The file has both labels, in the order of the input.

    What is interrupted goes on by the same command. Structures that can't be labelled are named and left out.
    """
    from aims_pax.face.relabelling import RelabelWishes
    from aims_pax.settings.labelling import LabellingFiles

    files = LabellingFiles(_there(settings, "--settings"), parsl_config=parsl_config)
    _launch(RelabelWishes(_there(data, "DATA"), files, out, start=start, end=end, want_stress=stress))


@guarded
def recalc(
    data: Annotated[Path, typer.Option(metavar="FILE", help="Structures, extended XYZ.")],
    further_properties: Annotated[list[str] | None, typer.Argument(metavar="NAME", hidden=True)] = None,
    basis_dir: Annotated[
        Path | None, typer.Option("--basis_dir", metavar="FOLDER", help="Species defaults of FHI-aims.")
    ] = None,
    control: Annotated[Path | None, typer.Option(metavar="FILE", help="control.in.")] = None,
    properties: Annotated[
        list[str] | None, typer.Option(metavar="NAME...", help="energy forces, and stress where that is wanted.")
    ] = None,
    settings: Annotated[Path, typer.Option(metavar="FILE", help="Settings.")] = Path("aimsPAX.yaml"),
    start_idx: Annotated[int, typer.Option("--start_idx", min=0, metavar="N", help="The first structure.")] = 0,
    end_idx: Annotated[
        int | None, typer.Option("--end_idx", min=1, metavar="N", help="The structure before which it ends.")
    ] = None,
    save_interval: Annotated[
        int, typer.Option("--save_interval", min=1, metavar="N", help="Accepted; each label is kept when it comes.")
    ] = 10,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file that is written.")] = Path(RECALC_OUT),
    parsl_config: ParslConfig = None,
) -> None:
    """Label a dataset anew, with the options of aims-PAX-recalc; aims-pax relabel says the same in fewer words."""
    from aims_pax.face.relabelling import RelabelWishes
    from aims_pax.settings.labelling import LabellingFiles

    wanted = [*(properties or []), *(further_properties or [])]
    if strange := [name for name in wanted if name not in PROPERTIES]:
        found = f"{', '.join(strange)} can't be computed here."
        raise UserError(Problem("--properties", found, " ".join(PROPERTIES), "Leave it out."))
    files = LabellingFiles(
        _there(settings, "--settings"),
        control=None if control is None else _there(control, "--control"),
        species_dir=None if basis_dir is None else _there(basis_dir, "--basis_dir"),
        parsl_config=parsl_config,
    )
    wishes = RelabelWishes(
        _there(data, "--data"), files, out, start=start_idx, end=end_idx, want_stress="stress" in wanted
    )
    _launch(wishes)


def _there(path: Path, option: str) -> Path:
    if not path.exists():
        allowed = "a file that exists" if option != "--basis_dir" else "a folder that exists"
        raise UserError(Problem(f"{option} {path}", "There is no such file.", allowed, "Correct the name."))
    return path


def _launch(wishes: "RelabelWishes") -> None:
    from aims_pax.face.relabelling import relabel_structures

    departure = Departure()
    with SignalWatch(departure) as watch, ProgressLine(sys.stdout) as line:
        watch.restore_terminal, watch.kept_words = line.end, kept_words
        relabelled = relabel_structures(wishes, departure=departure, show=line.show)
        line.end()
    for said in relabelled.lines():
        typer.echo(said)
    if not relabelled.n_written:
        raise typer.Exit(1)
