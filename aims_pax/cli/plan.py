"""``aims-pax plan``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.launch import ProjectFolder
from aims_pax.errors import Problem, UserError

if TYPE_CHECKING:
    from aims_pax.campaign.forecast import Forecast


@guarded
def plan(
    folder: ProjectFolder = Path(),
    label_s: Annotated[
        float | None,
        typer.Option(metavar="S", help="Duration of a label, s. Seen in the run here, or measured, when not given."),
    ] = None,
    trajectories: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Trajectories; num_trajectories when not given.")
    ] = None,
    labels: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Labels to be made; the goals of the project when not given.")
    ] = None,
    workers: Annotated[
        str, typer.Option(metavar="N,N,...", help="Workers to look at; 1, 2, 4, ... when not given.")
    ] = "",
    md_steps_per_s: Annotated[
        float | None,
        typer.Option(metavar="X", help="MD steps in a second, of all trajectories together. Measured when not given."),
    ] = None,
    epoch_s: Annotated[
        float | None,
        typer.Option(metavar="S", help="Duration of an epoch of all members, s. Measured when not given."),
    ] = None,
    pick_rate: Annotated[
        float | None,
        typer.Option(metavar="X", help="Fraction of checks that ask for a label. Seen in the run here when not given."),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw it, as a PNG, with more trajectories beside it.")
    ] = None,
) -> None:
    """Say how many workers active learning would keep busy, and how long it would take.

    Plays the campaign against a simulated clock. Labels one structure and times the models on this machine, unless
    --label-s, --md-steps-per-s and --epoch-s say how long that takes elsewhere. Writes nothing into the project.
    """
    _require_positive(label_s=label_s, md_steps_per_s=md_steps_per_s, epoch_s=epoch_s, pick_rate=pick_rate)
    numbers = _numbers(workers)
    from aims_pax.frame import Stage
    from aims_pax.settings import load_project

    project = load_project(folder, stages=(Stage.ACTIVE,))

    from aims_pax.campaign.forecast import doubled, forecast
    from aims_pax.campaign.pace import Wishes, workload_of

    wishes = Wishes(label_s, md_steps_per_s, epoch_s, pick_rate, trajectories, labels)
    workload, facts = workload_of(project, wishes)
    for fact in facts:
        typer.echo(f"- {fact}")
    found = forecast(workload, numbers or doubled(workload.n_trajectories))
    _print_table(found)
    typer.echo(found.advice())
    if figure is not None:
        found.draw(figure)
        typer.echo(f"wrote {figure}")


def _require_positive(**options: float | None) -> None:
    problems = [
        Problem(f"--{name.replace('_', '-')}", f"is {value:g}", allowed)
        for name, value in options.items()
        if value is not None and (allowed := _allowed(name, value)) is not None
    ]
    if problems:
        raise UserError(problems)


def _allowed(name: str, value: float) -> str | None:
    """What may stand there, when this value may not."""
    if name == "pick_rate":
        return None if 0 < value <= 1 else "0 < fraction <= 1"
    return None if value > 0 else "a number above 0"


def _numbers(text: str) -> list[int]:
    """Numbers of workers from ``1,2,4``; none from nothing."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isdecimal() and 0 < int(word) <= 100_000 for word in words):
        raise UserError(Problem("--workers", f"is {text!r}", "numbers from 1 to 100 000, such as 1,2,4,8"))
    return [int(word) for word in words]


def _print_table(found: "Forecast") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from aims_pax.campaign.forecast import duration

    table = Table(box=box.SIMPLE_HEAD)
    for name in ("workers", "labels", "makespan", "busy workers", "busy", "node-hours"):
        table.add_column(name, justify="right")
    for outcome in found.outcomes:
        table.add_row(
            str(outcome.n_workers),
            str(outcome.n_labels),
            duration(outcome.makespan_s),
            f"{outcome.busy_workers:.1f}",
            f"{outcome.efficiency:.0%}",
            f"{outcome.worker_hours:.3g}",
            style="bold" if outcome is found.recommended else None,
        )
    Console(highlight=False).print(table)
