"""``aims-pax verify``."""

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aims_pax.cli.boundary import guarded, kept_words
from aims_pax.cli.commands.outcome.evaluate import Device
from aims_pax.cli.launch import ModelFile, Named, ParslConfig, ProjectFolder, SettingsFile, load
from aims_pax.cli.progress import ProgressLine
from aims_pax.departure import Departure
from aims_pax.errors import Problem, UserError
from aims_pax.face.signals import SignalWatch

if TYPE_CHECKING:
    from aims_pax.frame import Frame
    from aims_pax.outcome.dihedrals.opponent import Opponent
    from aims_pax.outcome.heldout.heldout_plan import HeldoutPlan
    from aims_pax.outcome.heldout.heldout_set import HeldoutSet
    from aims_pax.outcome.verify import Subject, Verification, Wishes
    from aims_pax.settings import Project


class DriveChoice(StrEnum):
    """Which model moves the atoms."""

    FIRST = "first"
    MEAN = "mean"
    EACH = "each"


class SelectChoice(StrEnum):
    """Which held-out structures are labelled."""

    SPACED = "spaced"
    FPS = "fps"


@guarded
def verify(
    folder: ProjectFolder = Path(),
    further_models: Annotated[list[Path] | None, typer.Argument(metavar="FILE", hidden=True)] = None,
    models: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE...", help="MACE model files to try instead of the run's own; the first one drives."),
    ] = None,
    temperatures: Annotated[
        str, typer.Option(metavar="K,K,...", help="Temperatures, K; those of the run when not given.")
    ] = "",
    runs: Annotated[int, typer.Option(min=1, metavar="N", help="MD runs at each temperature.")] = 12,
    length: Annotated[float, typer.Option(min=0.0, metavar="PS", help="Length of each run, ps. 0: no MD.")] = 20.0,
    drive: Annotated[
        DriveChoice,
        typer.Option(help="What moves the atoms: the first model, their mean, or each in its share of runs."),
    ] = DriveChoice.FIRST,
    heldout: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Make a held-out set of N labels (or go on with it), and measure on it."),
    ] = 0,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Measure on these labelled structures, extended XYZ.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="DRIVER",
            help="What drives the MD of the held-out set: driver (of the run's initial stage), product, reference, "
            "GFN2-xTB, mace-off, a model file, ...",
        ),
    ] = None,
    select: Annotated[
        SelectChoice,
        typer.Option(help="Structures to label: evenly spaced, or farthest points by the model's descriptors."),
    ] = SelectChoice.SPACED,
    heldout_runs: Annotated[int, typer.Option(min=1, metavar="N", help="MD runs of the held-out set.")] = 6,
    equilibrate: Annotated[
        float, typer.Option(min=0.0, metavar="PS", help="Time at the beginning of each of them that is not used, ps.")
    ] = 10.0,
    spacing: Annotated[float, typer.Option(metavar="PS", help="Time between structures of one run, ps.")] = 0.25,
    heldout_temperature: Annotated[
        float | None,
        typer.Option(metavar="K", help="Temperature of the held-out set, K; those of the run when not given."),
    ] = None,
    starts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the held-out runs begin; the project's structures if not given."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="DRIVER",
            help="Compare dihedrals with those of MD by another one: a model file, GFN2-xTB, reference, ... (as --by); "
            "or, with --structure, a file of its trajectories.",
        ),
    ] = None,
    structure: Annotated[
        bool,
        typer.Option(
            "--structure", help="Compare radial distributions, bond angles, neighbours and rings with --against, too."
        ),
    ] = False,
    dihedrals: Annotated[
        str,
        typer.Option(
            metavar="auto|I-J-K-L,...",
            help="Which: four atoms each, counted from 0; auto: those of all bonds that turn.",
        ),
    ] = "auto",
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to; verify/ beside results/ when not given.")
    ] = None,
    device: Annotated[Device, typer.Option(help="Where the models run.")] = Device.AUTO,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of starts, velocities and noise.")] = 1,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask before labels are computed.")] = False,
    parsl_config: ParslConfig = None,
    settings_file: SettingsFile = None,
    model_file: ModelFile = None,
) -> None:
    """Try finished models: MD at several temperatures, watched for what breaks, and errors on held-out structures."""
    folder, paths = _models_of(folder, models, further_models)
    kelvin = _temperatures(temperatures)
    problems = [
        *_problems(out=out, spacing=spacing, heldout=heldout, data=data, length=length),
        *_problems_of_comparison(against=against, dihedrals=dihedrals, length=length, structure=structure),
    ]
    if problems:
        raise UserError(problems)
    project = load(folder, (), Named(parsl_config, settings_file, model_file))
    target = out or project.run_folder / "verify"

    from aims_pax.committee import cuda_is_usable
    from aims_pax.outcome.conditions import common_temperature
    from aims_pax.outcome.drivers import usual_driver
    from aims_pax.outcome.heldout.heldout_plan import HeldoutPlan
    from aims_pax.outcome.rival import Rival
    from aims_pax.outcome.verify import Drive, Subject, Wishes, heldout_name, measure_heldout

    if device is Device.CUDA and not cuda_is_usable():
        raise UserError(Problem("--device cuda", "PyTorch finds no usable GPU here.", " | ".join(Device)))
    plan = HeldoutPlan(
        n_frames=heldout,
        by=by or usual_driver(project),
        select=select.value,
        n_runs=heldout_runs,
        equilibration_ps=equilibrate,
        spacing_ps=spacing,
        temperature_k=heldout_temperature or common_temperature(project),
    )
    subject = Subject.of(project, paths, device=device.value)
    typer.echo(f"models: {', '.join(subject.names)}")
    wishes = Wishes(kelvin, runs, length, Drive(drive.value), seed)
    rival = Rival.of(subject, wishes, against=against, dihedrals=dihedrals, structure=structure)
    if rival.opponent is not None:
        _say_opponent(rival.opponent, subject, wishes, yes=yes)
    departure = Departure()
    with SignalWatch(departure) as watch, ProgressLine(sys.stdout) as line:
        watch.restore_terminal, watch.kept_words = line.end, kept_words
        file = data
        if heldout:
            file = _made(
                plan, subject, target / heldout_name(project), starts=starts, yes=yes, departure=departure, line=line
            )
        measured = None if file is None else measure_heldout(subject, file, drive=wishes.drive)
        verification = rival.tried(subject, wishes, measured, folder=target, departure=departure, show=line.show)
        line.end()
        typer.echo(f"\n{verification.text()}\n")
        for path in _written(verification, target):
            typer.echo(f"wrote {path}")
        if departure.reason is not None:
            departure.leave()


def _models_of(folder: Path, models: list[Path] | None, further: list[Path] | None) -> tuple[Path, list[Path]]:
    """The project and the models: an option takes one value, so the other files of ``--models`` arrive as arguments."""
    rest = list(further or [])
    if folder.is_file() and models:
        folder, rest = Path(), [folder, *rest]
    if rest and not models:
        raise UserError(Problem(str(rest[0]), "is one argument too many.", "one FOLDER; models are named by --models"))
    return folder, [*(models or []), *rest]


def _temperatures(text: str) -> tuple[float, ...]:
    """Temperatures from ``300,500``; none from nothing."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    try:
        values = tuple(float(word) for word in words)
    except ValueError:
        values = (-1.0,)
    if not all(0 < value <= 100_000 for value in values):
        raise UserError(Problem("--temperatures", f"is {text!r}", "temperatures in K above 0, such as 300,500,700"))
    return values


def _problems(*, out: Path | None, spacing: float, heldout: int, data: Path | None, length: float) -> Iterator[Problem]:
    if out is not None and out.is_file():
        yield Problem(f"--out {out}", "This is a file.", "a folder, which is made when missing")
    if not spacing > 0:
        yield Problem("--spacing", f"is {spacing:g}", "a time above 0, ps")
    if heldout and data is not None:
        yield Problem("--data", "is given together with --heldout.", "one of them")
    if not length and not heldout and data is None:
        allowed = "--length above 0, --heldout or --data"
        yield Problem("aims-pax verify", "There is nothing to do: no MD and no held-out set.", allowed)


def _problems_of_comparison(
    *, against: str | None, dihedrals: str, length: float, structure: bool
) -> Iterator[Problem]:
    if against is None and dihedrals != "auto":
        advice = "Name what the models are compared with: a model file, GFN2-xTB, reference, ..."
        yield Problem("--dihedrals", "is given without --against.", "", advice)
    if against is None and structure:
        advice = (
            "Name what the models are compared with: a model file, GFN2-xTB, reference, a file of trajectories, ..."
        )
        yield Problem("--structure", "is given without --against.", "", advice)
    is_file = against is not None and Path(against).suffix.lower() in (".xyz", ".extxyz", ".traj")
    if is_file and structure and dihedrals != "auto":
        found = f"is given, and --against is {against}: with a file of structures dihedrals are not compared."
        yield Problem("--dihedrals", found, "", "Leave it out.")
    if is_file and not structure:
        found = f"is {against}, which holds structures."
        yield Problem("--against", found, "a model file, GFN2-xTB, reference, ...", "Add --structure to compare them.")
    if against is not None and not length:
        yield Problem("--against", "is given together with --length 0.", "--length above 0: MD is compared")


def _say_opponent(opponent: "Opponent", subject: "Subject", wishes: "Wishes", *, yes: bool) -> None:
    """What is compared; and, where each step of the other one is a calculation, how many that are."""
    for system, own in opponent.dihedrals.items():
        typer.echo(f"dihedrals of {system}, compared with {opponent.name}: {', '.join(own.names)}")
    n_calculations = opponent.n_calculations(subject, wishes)
    if n_calculations:
        typer.echo(f"  each step of its MD is a calculation by the reference: {n_calculations} of them")
        if not yes and sys.stdin.isatty():
            typer.confirm("Go on?", abort=True)


def _made(
    plan: "HeldoutPlan",
    subject: "Subject",
    folder: Path,
    *,
    starts: Path | None,
    yes: bool,
    departure: Departure,
    line: "ProgressLine",
) -> Path:
    """The held-out set, made or gone on with, once its cost was said."""
    from aims_pax.outcome.heldout.heldout_set import HeldoutParts, HeldoutSet

    parts = HeldoutParts(
        subject.project,
        folder,
        _starts(subject.project, starts),
        subject.models,
        subject.ensemble,
        departure=departure,
        show=line.show,
    )
    made = HeldoutSet(plan, parts)
    try:
        _say_cost(plan, made, folder, yes=yes)
        path = made.make()
    finally:
        made.close()
    line.end()
    return path


def _say_cost(plan: "HeldoutPlan", made: "HeldoutSet", folder: Path, *, yes: bool) -> None:
    from aims_pax.outcome.drivers import driver_name
    from aims_pax.times import duration

    cost = made.cost()
    if not cost.n_labels:
        typer.echo(f"held-out set: complete, in {folder}")
        return
    typer.echo(f"held-out set: {cost.n_labels} labels by the reference, which are kept in {folder}")
    driver, runs = driver_name(plan.by, made.project), f"{plan.n_runs} runs of {plan.length_ps:g} ps"
    first = f"the first {plan.equilibration_ps:g} ps of each not used"
    at = "the temperature of its system" if plan.temperature_k is None else f"{plan.temperature_k:g} K"
    typer.echo(f"  MD by {driver} at {at}: {runs}, {first}")
    if cost.by_reference:
        typer.echo(f"  the MD is driven by the reference itself: {cost.n_steps} more calculations")
    seconds = cost.seconds
    typer.echo(
        "  how long a label takes is not known here (aims-pax references FOLDER measures it)"
        if seconds is None
        else f"  about {duration(seconds)} with one worker: MD {duration(cost.n_steps * cost.step_s)}, labels "
        f"{duration(cost.n_labels * (cost.label_s or 0.0))}"
    )
    if not yes and sys.stdin.isatty():
        typer.confirm("Go on?", abort=True)


def _starts(project: "Project", starts: Path | None) -> "tuple[Frame, ...]":
    own = tuple(system.frame for system in project.systems)
    if starts is None:
        return own
    from aims_pax.settings.systems import read_systems

    frames = tuple(system.frame for system in read_systems(Path.cwd(), starts))
    if strange := {int(number) for frame in frames for number in frame.numbers} - set(project.elements):
        found = f"holds the elements Z = {', '.join(map(str, sorted(strange)))}, which the project does not."
        raise UserError(Problem(f"--starts {starts}", found, "structures of the project's elements"))
    return frames


def _written(verification: "Verification", target: Path) -> list[Path]:
    try:
        return verification.write(target)
    except OSError as error:
        found = f"can't be written to ({error.strerror})"
        raise UserError(Problem(str(target), found, "a folder that you may write to")) from error
