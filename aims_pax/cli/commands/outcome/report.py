"""``aims-pax report``."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.progress import ProgressLine

PAGE: Final = "report.html"


@guarded
def report(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="FOLDER...", help="Projects that were run, or folders of runs.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"The page; when not given: {PAGE} in FOLDER, and in this folder where there are several.",
        ),
    ] = None,
) -> None:
    """Write what a run has done and is worth as one page, which opens in any browser, without a network.

    Of runs that are finished, interrupted or under way; nothing of them is changed. Pictures and data of the figures
    are written beside it. Several folders are shown side by side.
    """
    named = folders or [Path()]
    target = out or (named[0] / PAGE if len(named) == 1 else Path(PAGE))
    with ProgressLine(sys.stderr) as line:
        line.show("reading")
        from aims_pax.face.run import open_run
        from aims_pax.page.writing import names_of, read_materials, require_page, write_page

        require_page(target)
        runs = [open_run(folder) for folder in named]
        materials = read_materials([run.folder for run in runs], names=names_of(named))
        written = write_page(materials, target, show=line.show)
    size = written.page.stat().st_size / 1e6
    typer.echo(f"wrote {written.page} ({size:.1f} MB)")
    typer.echo(f"pictures and data of its {written.n_figures} figures are in {written.folder}")
