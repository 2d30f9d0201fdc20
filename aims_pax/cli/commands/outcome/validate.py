"""``aims-pax validate``."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.commands.outcome.evaluate import Device
from aims_pax.cli.progress import ProgressLine
from aims_pax.cli.working import working
from aims_pax.departure import Departure
from aims_pax.errors import Problem, UserError
from aims_pax.face.signals import SignalWatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aims_pax.face.properties import Request
    from aims_pax.outcome.properties.findings import PropertyFindings
    from aims_pax.outcome.properties.speed import Speeds


@guarded
def validate(
    structures: Annotated[
        list[str] | None, typer.Argument(metavar="STRUCTURE...", help="Files of structures; several may be phases.")
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL...",
            help="What is tried: model files, folders of models (their mean), GFN1-xTB, mace-mp, "
            "package.module:Calculator.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="REFERENCE",
            help="What they are compared with: the same; reference, that of --project; for structure alone a "
            "trajectory (.xyz, .extxyz, .traj).",
        ),
    ] = None,
    properties: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME...",
            help="lattice, eos, elastic, cohesive (these when not given), vacancy, divacancy, interstitial, "
            "substitution, stone_wales, surface, phonons, binding; all: all of these; table: those of one table for a "
            "paper; structure: distances, angles and rings at a temperature, by MD.",
        ),
    ] = None,
    project: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The project whose reference they are compared with; its workers compute."),
    ] = None,
    miller: Annotated[
        str, typer.Option(metavar="HKL,...", help="Indices of surfaces: 100,111; 100, 110 and 111 when not given.")
    ] = "",
    elements: Annotated[
        str,
        typer.Option(
            metavar="SYMBOL,...",
            help="What interstitial and substitution put there: Zn,Ag; elements of the structure when not given.",
        ),
    ] = "",
    temperature: Annotated[
        float | None, typer.Option(metavar="K", help="Of the MD of structure; 300 K when not given.")
    ] = None,
    time: Annotated[
        float | None, typer.Option(metavar="PS", help="How long the MD of structure is; 2 ps when not given.")
    ] = None,
    timestep: Annotated[
        float | None,
        typer.Option(metavar="FS", help="Of the MD of structure; 1 fs, and 0.5 fs with hydrogen, when not given."),
    ] = None,
    speed: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="No properties, but how fast MD is, of supercells of up to N atoms: steps/s, ns/day.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Tables and figures are written here.")] = Path(
        "validation"
    ),
    device: Annotated[Device, typer.Option(help="Where models run.")] = Device.AUTO,
) -> None:
    """Properties of materials by models, side by side with a reference: numbers, figures, a sentence each."""
    words = _Words.sorted_out(structures or [], models or [], properties or [])
    _require_sense(words, out=out)
    if speed is not None:
        told = {"--properties": properties, "--against": against, "--project": project, "--miller": miller}
        of_motion = {"--temperature": temperature, "--time": time, "--timestep": timestep}
        _require_alone({**told, "--elements": elements, **of_motion})
    with working("loading models"):
        from aims_pax.committee import cuda_is_usable
        from aims_pax.face.properties import Request
        from aims_pax.outcome.properties.validate import Validation

        if device is Device.CUDA and not cuda_is_usable():
            raise UserError(Problem("--device cuda", "PyTorch finds no usable GPU here.", " | ".join(Device)))
    files = [Path(word).expanduser() for word in words.structures]
    named = {"temperature_k": temperature, "time_ps": time, "timestep_fs": timestep}
    motion = {key: value for key, value in named.items() if value is not None}
    request = Request(files, words.models, against, words.properties, project, device.value, miller, elements, motion)
    departure = Departure()
    with SignalWatch(departure) as watch, ProgressLine(sys.stdout) as line:
        watch.restore_terminal = line.end
        if speed is not None:
            _time(request, speed, out, departure, line)
            return
        with request.inquiry(departure, show=line.show) as inquiry:
            findings = Validation(inquiry, departure, line.show).carry_out()
        line.end()
        typer.echo(f"\n{findings.text()}\n")
        for path in _written(findings, out):
            typer.echo(f"wrote {path}")
        if departure.reason is not None:
            raise typer.Exit(departure.reason.exit_code)  # what was left is said above


@dataclass(frozen=True, slots=True)
class _Words:
    """What was named, by what it is: options take one value, so that further ones arrive as arguments.

    Parameters
    ----------
    structures, models, properties : tuple of str
    """

    structures: tuple[str, ...]
    models: tuple[str, ...]
    properties: tuple[str, ...]

    @classmethod
    def sorted_out(cls, words: list[str], models: list[str], properties: list[str]) -> "_Words":
        """Structures are the words that are neither a property nor a model."""
        from aims_pax.evaluation.properties import PROPERTIES, USUAL
        from aims_pax.outcome.properties.asked import SETS

        known = {*PROPERTIES, *SETS}
        named = [one for word in properties for one in word.split(",") if one]
        named += [word for word in words if word in known and not Path(word).is_file()]
        further = [word for word in words if word not in named and _is_model(word)]
        rest = [word for word in words if word not in named and word not in further]
        return cls(tuple(rest), (*models, *further), tuple(named) or USUAL)


def _is_model(word: str) -> bool:
    """Whether a word can't be a structure's file: the name of a method, a model file, a folder, an import path."""
    path = Path(word)
    if path.is_dir() or path.suffix == ".model":
        return True
    return not path.exists() and (word.startswith(("GFN", "mace-")) or ":" in word)


def _require_sense(words: _Words, *, out: Path) -> None:
    """What can be said without loading anything."""
    problems = []
    if not words.structures:
        problems.append(Problem("STRUCTURE", "No structure was named.", "one file or more, in any format of ASE"))
    if not words.models:
        problems.append(
            Problem("--models", "No model was named.", "model files, folders of them, GFN1-xTB, package.module:Name")
        )
    if out.is_file():
        problems.append(Problem(f"--out {out}", "This is a file.", "a folder, which is made when missing"))
    if problems:
        raise UserError(problems)


def _require_alone(told: "Mapping[str, object]") -> None:
    """Nothing of properties goes together with --speed."""
    problems = [
        Problem(name, "With --speed no properties are computed.", "", "Leave it out.")
        for name, value in told.items()
        if value
    ]
    if problems:
        raise UserError(problems)


def _time(request: "Request", most_atoms: int, out: Path, departure: Departure, line: ProgressLine) -> None:
    """Time MD, and tell of it."""
    from aims_pax.outcome.properties.speed import timed

    def show(words: str) -> None:
        if departure.reason is not None:
            departure.leave()
        line.show(words)

    with request.inquiry(departure) as inquiry:
        speeds = timed(inquiry.structures, inquiry.models, most_atoms=most_atoms, show=show)
    line.end()
    typer.echo(f"\n{speeds.text()}\n")
    for path in _written(speeds, out):
        typer.echo(f"wrote {path}")
    if departure.reason is not None:
        raise typer.Exit(departure.reason.exit_code)


def _written(findings: "PropertyFindings | Speeds", out: Path) -> list[Path]:
    try:
        return findings.write(out)
    except OSError as error:
        found = f"can't be written to ({error.strerror})"
        raise UserError(Problem(str(out), found, "a folder that you may write to")) from error
