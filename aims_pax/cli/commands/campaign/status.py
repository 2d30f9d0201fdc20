"""``aims-pax status``."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aims_pax.cli.boundary import guarded

if TYPE_CHECKING:
    from rich.console import Console

    from aims_pax.face.status import RunStatus

FOLLOW_S: Final = 2.0
"""How often a run that is followed is looked at."""

RunFolderArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER", help="The project: the folder that holds aims_PAX.yaml; or a run folder, which holds run.db."
    ),
]


@guarded
def status(
    folder: RunFolderArgument = Path(),
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on showing it, until the run ends or Ctrl-C is pressed.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="As a JSON object; with --follow a line for each change.")
    ] = False,
    wanted_mev: Annotated[
        float | None,
        typer.Option(
            "--wanted",
            metavar="MEV",
            min=0.001,
            help="Foretell with how many structures this force MAE is reached, meV/Å; else that of desired_acc.",
        ),
    ] = None,
) -> None:
    """Show where a run stands: stages and the time that they take, trajectories, labels, workers, errors.

    Reads the run's files only: beside a campaign under way, from another node, or when nobody works on it; then it
    says how the run has ended, and which command goes on.
    """
    from aims_pax.face.status import read_status, run_home

    home = run_home(folder, run_folder_of)

    def look() -> "RunStatus":
        return read_status(home, wanted_ev_per_ang=None if wanted_mev is None else wanted_mev / 1000)

    if follow:
        try:
            _follow(look, as_json=as_json)
        except KeyboardInterrupt:  # the usual end of it
            return
    elif as_json:
        typer.echo(json.dumps(look().record(), indent=2))
    else:
        _console().print(look().panel(at=time.time()))


def run_folder_of(folder: Path) -> Path:
    """Where the runs of a project are."""
    from aims_pax.settings import load_project

    return load_project(folder, stages=()).run_folder


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False)


def _follow(look: "Callable[[], RunStatus]", *, as_json: bool) -> None:
    console = _console()
    if as_json or not console.is_terminal:
        _tell_changes(look, as_json=as_json)
        return
    from rich.live import Live

    now = look()
    with Live(now.panel(at=time.time()), console=console, auto_refresh=False, transient=False) as live:
        while now.state == "running":
            time.sleep(FOLLOW_S)
            now = look()
            live.update(now.panel(at=time.time()), refresh=True)


def _tell_changes(look: "Callable[[], RunStatus]", *, as_json: bool) -> None:
    """A line when something has changed."""
    told: object = None
    while True:
        now = look()
        if (news := now.work()) != told:
            typer.echo(json.dumps(now.record()) if as_json else now.line(at=time.time()))
            told = news
        if now.state != "running":
            return
        time.sleep(FOLLOW_S)
