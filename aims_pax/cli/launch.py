"""What ``run``, ``idg`` and ``al`` share: load, run, say how it ended."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aims_pax.cli.boundary import kept_words
from aims_pax.departure import Departure
from aims_pax.face.signals import SignalWatch

if TYPE_CHECKING:
    from aims_pax.campaign import Summary
    from aims_pax.frame import Stage
    from aims_pax.settings import Project

ProjectFolder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="The project: the folder that holds aims_PAX.yaml and mace.yaml.")
]

ParslConfig = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Compute labels on the workers of this Parsl configuration, whatever CLUSTER says."
    ),
]


def load(folder: Path, stages: "Sequence[Stage]", parsl_config: str | None) -> "Project":
    """The project in a folder, with its labels where the command line wants them."""
    from aims_pax.settings import load_project
    from aims_pax.settings.cluster import on_parsl_config

    project = load_project(folder, stages=tuple(stages))
    if parsl_config is None:
        return project
    return project.on_cluster(on_parsl_config(project.settings.cluster, parsl_config, Path.cwd()))


def launch(folder: Path, *stages: str, parsl_config: str | None = None) -> None:
    """Run the given stages of the project in `folder`; nothing is created before everything cheap was checked.

    Parameters
    ----------
    folder : Path
    *stages : str
        Values of :class:`aims_pax.frame.Stage`.
    parsl_config : str or None
        Name or file of a Parsl configuration to use instead of CLUSTER's.
    """
    departure = Departure()
    with SignalWatch(departure) as watch:
        watch.kept_words = lambda: kept_words(folder)
        summary = _run(folder, stages, parsl_config, watch)
    _say_closing(summary.lines())


def _run(folder: Path, stages: Sequence[str], parsl_config: str | None, watch: SignalWatch) -> "Summary":
    from aims_pax.frame import Stage

    started_at = time.time()
    asked = tuple(Stage(stage) for stage in stages)
    project = load(folder, asked, parsl_config)  # before PyTorch is imported: a typo is told in a second

    from aims_pax.face.session import run_session

    return run_session(project, asked, watch, started_at=started_at)


def _say_closing(lines: Sequence[str]) -> None:
    typer.echo()
    for line in lines:
        typer.echo(line)
