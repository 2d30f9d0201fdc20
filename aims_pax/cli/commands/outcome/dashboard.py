"""``aims-pax dashboard``."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.commands.campaign.status import run_folder_of

HOST: Final = "127.0.0.1"
"""Which nobody but this machine reaches."""


@guarded
def dashboard(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="FOLDER...", help="Projects that were run, or folders of runs.")
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Where it is served. At any other address than this one, other machines see it."
        ),
    ] = HOST,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only tell the address.")] = False,
) -> None:
    """Serve the report of runs on this machine as a page that follows them; Ctrl-C ends it.

    Nothing is written into their folders, and campaigns go on. The address holds a secret of this session, without
    which nothing is answered. On a cluster: start it there, and open a tunnel by ssh -L.
    """
    from aims_pax.face.dashboard.server import require_packages

    require_packages()
    from aims_pax.face.dashboard.gallery import Subject
    from aims_pax.face.dashboard.guard import is_here
    from aims_pax.face.dashboard.server import address_of, application, bound, serve
    from aims_pax.face.status import run_home
    from aims_pax.page.writing import names_of

    named = folders or [Path()]
    homes = [run_home(folder, run_folder_of) for folder in named]
    subjects = [Subject(name, home) for name, home in zip(names_of(named), homes, strict=True)]
    guard = application(subjects, host=host)
    with bound(host, port) as listening:
        address = address_of(host, listening, guard.token)
        if not is_here(host):
            typer.secho(
                f"Everybody who reaches this machine and knows the address sees these runs: it is served at {host}, "
                "without encryption. A tunnel is safer: leave --host out, and use ssh -L.",
                err=True,
                bold=True,
            )

        def begun() -> None:
            typer.echo(f"{address}\nCtrl-C ends it.")
            sys.stdout.flush()
            if not no_browser and has_display():
                typer.launch(address_of(host, listening, guard.ticket))  # other users see it: it opens once

        with suppress(KeyboardInterrupt):  # the usual end of it
            serve(guard, listening, begun=begun)
    typer.echo("ended")


def has_display() -> bool:
    """Whether a browser can be opened for whoever types here."""
    if os.environ.get("SSH_CONNECTION"):
        return False
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
