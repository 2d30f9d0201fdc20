"""``aims-pax plan``."""

import json
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.commands.campaign.check import StageChoice
from aims_pax.cli.launch import ModelFile, Named, ProjectFolder, SettingsFile, load
from aims_pax.cli.working import working
from aims_pax.errors import Problem, UserError

if TYPE_CHECKING:
    from aims_pax.forecast.standing import Standing
    from aims_pax.forecast.timetable import Outlook, StageForecasts
    from aims_pax.forecast.workers import Forecast
    from aims_pax.frame import Stage
    from aims_pax.settings import Project

STAGES: Final = {
    StageChoice.RUN: ("initial", "active"),
    StageChoice.IDG: ("initial",),
    StageChoice.AL: ("active",),
    StageChoice.IDG_V2: (),
}


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
        typer.Option(metavar="X", help="Fraction of estimates that ask for a label. Seen in the run here by default."),
    ] = None,
    driver_step_s: Annotated[
        float | None,
        typer.Option(metavar="S", help="Duration of an MD step of the initial stage, s. Measured when not given."),
    ] = None,
    command: Annotated[
        StageChoice | None,
        typer.Option("--for", help="The command that is going to be used. Known from the project when not given."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the forecast by stage as JSON.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw it, as a PNG, with more trajectories beside it.")
    ] = None,
    settings_file: SettingsFile = None,
    model_file: ModelFile = None,
) -> None:
    """Foretell a run by stage: time, labels, MD steps, epochs; and how many workers would be kept busy.

    Plays the campaign, or what is left of it, against a simulated clock. Labels a structure of each kind, makes
    some steps of the driver of the initial stage, and times the models on this machine, unless --label-s,
    --driver-step-s, --md-steps-per-s and --epoch-s say how long that takes elsewhere. Writes nothing into the project.
    """
    _require_positive(
        label_s=label_s,
        md_steps_per_s=md_steps_per_s,
        epoch_s=epoch_s,
        pick_rate=pick_rate,
        driver_step_s=driver_step_s,
    )
    numbers = _numbers(workers)
    project, stages = _project(folder, command, Named(None, settings_file, model_file))

    from aims_pax.forecast.amounts import amount_facts, parts_ahead
    from aims_pax.forecast.pace import Wishes
    from aims_pax.forecast.standing import read_standing
    from aims_pax.forecast.timetable import Outlook

    wishes = Wishes(label_s, md_steps_per_s, epoch_s, pick_rate, trajectories, labels, driver_step_s)
    standing = read_standing(project)
    if not parts_ahead(project, stages, standing):
        typer.echo(f"The run in {project.run_folder} is finished: nothing is left to do.")
        return
    if not project.settings.samples:
        for _, fact in amount_facts(project, stages, standing=standing):
            typer.echo(fact)
        typer.echo("Their time depends on how much is picked, which nobody knows before.")
        return
    n_workers = numbers[0] if len(numbers) == 1 else None
    _foretell(project, Outlook(stages, standing, n_workers, wishes), numbers, json_file=json_file, figure=figure)


def _project(folder: Path, command: StageChoice | None, named: Named) -> "tuple[Project, tuple[Stage, ...]]":
    """The project, read for the stages of a command; of none, for those that its files are made for."""
    from aims_pax.frame import Stage
    from aims_pax.settings.stage import ACTIVE, INITIAL

    if command is not None:
        stages = tuple(Stage(stage) for stage in STAGES[command])
        return load(folder, stages or (ACTIVE,), named), stages
    project = load(folder, (), named)
    if not project.settings.samples:
        return project, (ACTIVE,)
    if not project.settings.learning:
        halves = project.stages if ACTIVE in project.stages else (INITIAL,)
        return load(folder, halves, named), halves
    project = load(folder, (ACTIVE,), named)
    if project.settings.initial is None or project.settings.bringing is not None:
        return project, (ACTIVE,)
    return load(folder, (INITIAL, ACTIVE), named), (INITIAL, ACTIVE)


def _foretell(
    project: "Project", outlook: "Outlook", numbers: list[int], *, json_file: Path | None, figure: Path | None
) -> None:
    """Measure, then print and write what was asked for."""
    from aims_pax.forecast.foretold import foretell
    from aims_pax.forecast.timetable import WIDTH

    with working("timing a label, steps of MD and an epoch, as far as they are not known"):
        found = foretell(project, outlook, numbers)
    for fact in found.facts:
        typer.echo(fill(f"- {fact}", WIDTH, subsequent_indent="  "))
    _print_stages(found.by_stage, outlook.standing)
    if found.workers is not None:
        _print_workers(found.workers, is_asked=bool(numbers))
    if json_file is not None:
        json_file.write_text(json.dumps(found.record(), indent=2) + "\n", encoding="utf-8")
        typer.echo(f"wrote {json_file}")
    if figure is not None and found.workers is not None:
        found.workers.draw(figure)
        typer.echo(f"wrote {figure}")


def _print_stages(found: "StageForecasts", standing: "Standing | None") -> None:
    if standing is not None:
        typer.echo(f"\nWhat is left of the run here, which has {standing.n_labels} labels:")
    else:
        workers = {0: "labels by the campaign itself", 1: "1 worker"}
        typer.echo(f"\nThe whole run, with {workers.get(found.n_workers, f'{found.n_workers} workers')}:")
    typer.echo()
    for line in found.lines():
        typer.echo(line)


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


def _print_workers(found: "Forecast", *, is_asked: bool) -> None:
    """How busy workers would be; where labels take next to no time, that there is nothing to be gained by them."""
    from aims_pax.forecast.timetable import WIDTH

    if found.are_labels_negligible and not is_asked:
        share = f"{found.outcomes[0].busy_workers:.1%}"
        text = f"Labels take {share} of the time of active learning: more workers would not make it faster."
        typer.echo(f"\n{fill(text, WIDTH)}")
        return
    typer.echo("\nActive learning by the number of workers:")
    _print_table(found)
    typer.echo(fill(found.advice(), WIDTH))


def _print_table(found: "Forecast") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from aims_pax.times import duration

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
