"""What ``run``, ``idg`` and ``al`` share: load, run, say how it ended."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aims_pax.cli.boundary import NAMING, kept_words, this_command
from aims_pax.cli.working import working
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


SettingsFile = Annotated[
    Path | None, typer.Option(NAMING[0], metavar="FILE", help="Settings in the place of FOLDER's aims_PAX.yaml.")
]

ModelFile = Annotated[
    Path | None, typer.Option(NAMING[1], metavar="FILE", help="Settings in the place of FOLDER's mace.yaml.")
]


@dataclass(frozen=True, slots=True)
class Named:
    """What the command line says of a project besides its folder.

    Parameters
    ----------
    parsl_config : str or None
        Name or file of a Parsl configuration to use instead of CLUSTER's.
    settings_file, model_file : Path or None
        In the place of aims_PAX.yaml and mace.yaml.
    """

    parsl_config: str | None = None
    settings_file: Path | None = None
    model_file: Path | None = None


NOTHING_NAMED: Final = Named()


def load(folder: Path, stages: "Sequence[Stage]", named: Named) -> "Project":
    """The project in a folder, with its settings and its labels where the command line wants them."""
    from aims_pax.settings import load_project
    from aims_pax.settings.reading.files import NamedFiles

    files = NamedFiles(named.settings_file, named.model_file, named.parsl_config)
    return load_project(folder, stages=tuple(stages), files=files)


def launch(folder: Path, *stages: str, named: Named, needed: Sequence[str] = ()) -> None:
    """Run the given stages of the project in `folder`; nothing is created before everything cheap was checked.

    Parameters
    ----------
    folder : Path
    *stages : str
        Values of :class:`aims_pax.frame.Stage`. None: what comes before any stage where datasets are given, which is
        the training of the first committee.
    named : Named
    needed : sequence of str
        Further stages whose settings must be there.
    """
    departure = Departure()
    with SignalWatch(departure) as watch:
        watch.kept_words = lambda: kept_words(folder)
        summary = _run(folder, stages, needed, named, watch)
    _say_closing(summary.lines())


def _run(folder: Path, stages: Sequence[str], needed: Sequence[str], named: Named, watch: SignalWatch) -> "Summary":
    from aims_pax.frame import Stage

    started_at = time.time()
    asked = tuple(Stage(stage) for stage in stages)
    with working(f"looking at {folder}"):
        # Before PyTorch is imported: a typo is told in a second.
        project = load(folder, [*asked, *map(Stage, needed)], named)

        import aims_pax.campaign
        import aims_pax.checking.check  # noqa: F401 - seconds, in which nothing else would be seen
        from aims_pax.face.session import run_session

    return run_session(project, project.asked(asked), watch, started_at=started_at, command=this_command())


def _say_closing(lines: Sequence[str]) -> None:
    typer.echo()
    for line in lines:
        typer.echo(line)
