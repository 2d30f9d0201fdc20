"""``aims-pax quickstart``."""

import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.launch import NOTHING_NAMED, launch


@guarded
def quickstart(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the example is written; made when missing.")
    ] = Path("quickstart"),
    no_run: Annotated[bool, typer.Option("--no-run", help="Write the files, and leave it at that.")] = False,
) -> None:
    """Write a small example and run it: ethanol at 500 K, learned from about 100 labels by GFN2-xTB.

    Takes some six to eight minutes on two cores, and no GPU. An interrupted one goes on by the same command.
    """
    from aims_pax.settings.words.example import FILES, STARTS, write_example

    written = write_example(folder)
    typer.echo(f"{'wrote' if written else 'found'} the example in {folder}:")
    for name, words in FILES.items():
        typer.echo(f"  {name:<16}{words}")
    named = shlex.quote(str(folder))
    if no_run:
        typer.echo(f"\nNext: aims-pax run {named}")
        return
    _require(f"aims-pax quickstart {named}")
    typer.echo("\nIt runs now, as aims-pax run does; Ctrl-C leaves it, and the same command goes on.\n")
    launch(folder, "initial", "active", named=NOTHING_NAMED)
    starts = shlex.quote(str(folder / STARTS))
    typer.echo("\nNext, three minutes more: how wrong it is on 240 structures that it never saw:")
    typer.echo(f"  aims-pax verify {named} --length 0 --heldout 240 --spacing 0.1 --starts {starts} --yes")
    typer.echo("A project of your own:\n  aims-pax init my_project --interactive")


def _require(command: str) -> None:
    """End here, with what to install, where something is missing.

    Raises
    ------
    typer.Exit
    """
    from aims_pax.checking.installation.finding import Standing
    from aims_pax.checking.installation.packages import CPU_BUILD, GPU_BUILD, needed_packages

    others = needed_packages()
    is_without_torch, is_without_others = find_spec("torch") is None, others.standing is Standing.WRONG
    if not (is_without_torch or is_without_others):
        return
    lines = ["", "It can't be run yet."]
    if is_without_torch:
        lines += ["PyTorch is not installed. A build for CPUs is enough for this:", f"  {CPU_BUILD}"]
        lines += ["For an NVIDIA GPU, ten times as large:", f"  {GPU_BUILD}"]
    if is_without_others:
        lines += [f"Packages are {others.found}. Install them:", f"  {others.advice}"]
    typer.echo("\n".join([*lines, "After that:", f"  {command}"]), err=True)
    raise typer.Exit(1)
