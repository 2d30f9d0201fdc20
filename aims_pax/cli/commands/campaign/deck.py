"""``aims-pax deck``."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.launch import ParslConfig
from aims_pax.cli.progress import ProgressLine
from aims_pax.errors import Problem, UserError

SETTINGS: Final = Path("aims_PAX.yaml")


@guarded
def deck(
    structures: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Structures, in any format of ASE; or folders of them; or one project."),
    ],
    settings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Whose REFERENCE says what is run, and whose CLUSTER what is asked for. That of the project, or "
            f"{SETTINGS} here, when not given.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder that is written; it must be new.")] = Path(
        "deck"
    ),
    job_script: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Template of the job scripts: fills {command}, {name}, {folder}, {n_atoms}. CLUSTER when not given.",
        ),
    ] = None,
    stress: Annotated[bool, typer.Option("--stress", help="Have the stress of crystals computed, too.")] = False,
    parsl_config: ParslConfig = None,
) -> None:
    """Write input and job scripts for structures, as the reference would, for whoever submits by hand.

    Nothing is computed or submitted. `aims-pax relabel` does that itself, and goes on where it was interrupted.
    """
    from aims_pax.face.decks.writing import DeckWishes, write_decks
    from aims_pax.settings.reading.files import SETTINGS_FILES

    is_project = len(structures) == 1 and any((structures[0] / name).exists() for name in SETTINGS_FILES)
    settings = settings or (None if is_project else SETTINGS)
    if settings is not None and not settings.is_file():
        found = "There is no such file."
        raise UserError(Problem(f"--settings {settings}", found, "a file with the section REFERENCE", "Name one."))
    wishes = DeckWishes(tuple(structures), out, settings, job_script, stress, parsl_config)
    with ProgressLine(sys.stdout) as line:
        written = write_decks(wishes, show=line.show)
        line.end()
    for said in written.lines():
        typer.echo(said)
