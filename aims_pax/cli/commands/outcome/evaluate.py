"""``aims-pax evaluate``."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.working import working
from aims_pax.errors import Problem, UserError

if TYPE_CHECKING:
    from aims_pax.dataset.entries import Keys
    from aims_pax.outcome.assessment.findings import Assessment
    from aims_pax.outcome.assessment.relaxation import Relaxations
    from aims_pax.outcome.calibrated.fitted import Fitted
    from aims_pax.outcome.evaluate import MeasuredModels

STRUCTURES: Final = (".xyz", ".extxyz", ".h5", ".hdf5")
"""Endings of files that are structures, where models are named, too."""


class Device(StrEnum):
    """Where the models run."""

    AUTO = "auto"
    """The GPU when there is one."""
    CPU = "cpu"
    CUDA = "cuda"


@guarded
def evaluate(
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Labelled structures, extended XYZ; again for each further file."),
    ] = None,
    models: Annotated[
        list[Path] | None, typer.Option(metavar="FILE...", help="MACE model files; several make a committee.")
    ] = None,
    further_files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", hidden=True)] = None,
    apart: Annotated[
        bool, typer.Option("--apart", help="The models are no committee: each by itself, side by side, without a mean.")
    ] = False,
    predicted: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE...",
            help="In the place of models: files with the predictions of any program for the structures of --data.",
        ),
    ] = None,
    predicted_prefix: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What names of predictions begin with: MACE_; '' for energy, forces, stress. Found when not given.",
        ),
    ] = None,
    together: Annotated[
        bool,
        typer.Option(
            "--together", help="The files of --predicted are of members of one committee: also of their mean."
        ),
    ] = False,
    relaxation: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE...",
            help="Alone: convergence by ionic step of relaxations (OUTCAR, vasprun.xml, pw.out, .traj, extended XYZ).",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Tables and figures are written here.")] = Path(
        "evaluation"
    ),
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Also fit how errors go with the models' disagreement, and write calibration.json beside the models.",
        ),
    ] = False,
    device: Annotated[Device, typer.Option(help="Where the models run.")] = Device.AUTO,
    energy_key: Annotated[str, typer.Option(metavar="NAME", help="The energy's name in the file.")] = "REF_energy",
    forces_key: Annotated[str, typer.Option(metavar="NAME", help="The forces' name in the file.")] = "REF_forces",
    stress_key: Annotated[str, typer.Option(metavar="NAME", help="The stress's name in the file.")] = "REF_stress",
) -> None:
    """Measure models, or predictions of any program, on labelled structures: tables, and figures for a paper."""
    asked = _Asked.sorted_out(data or [], models or [], predicted or [], relaxation or [], further=further_files or [])
    problems = [
        *asked.problems(),
        *_problems(asked, out=out, apart=apart, calibrate=calibrate, prefix=predicted_prefix),
    ]
    if together and len(asked.predicted) < 2:
        problems.append(Problem("--together", "It takes the mean of several files.", "--predicted with two or more"))
    if problems:
        raise UserError(problems)

    from aims_pax.dataset.entries import Keys

    keys = Keys(energy=energy_key, forces=forces_key, stress=stress_key)
    if asked.relaxations:
        _tell(_relaxations(asked, keys), out, ())
    elif asked.predicted:
        with working(f"comparing {_several(len(asked.predicted), 'file')} with {asked.of}"):
            from aims_pax.outcome.assessment.findings import compare_files

            found = compare_files(asked.data, asked.predicted, keys=keys, prefix=predicted_prefix)
            found = found.as_committee() if together else found
        _tell(found, out, found.remarks)
    elif apart:
        with working(f"measuring {_several(len(asked.models), 'model')} on {asked.of}"):
            from aims_pax.outcome.assessment.models import assess_apart

            _require_device(device)
            found = assess_apart(asked.models, asked.data, device=device.value, keys=keys)
        _tell(found, out, found.remarks)
    else:
        _committee(asked, keys, out=out, device=device, calibrate=calibrate)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was named, by what it is: options take one value, so that further ones arrive as arguments.

    Parameters
    ----------
    data, models, predicted, relaxations : tuple of Path
    """

    data: tuple[Path, ...]
    models: tuple[Path, ...]
    predicted: tuple[Path, ...]
    relaxations: tuple[Path, ...]

    @classmethod
    def sorted_out(
        cls,
        data: Sequence[Path],
        models: Sequence[Path],
        predicted: Sequence[Path],
        relaxations: Sequence[Path],
        *,
        further: Sequence[Path],
    ) -> "_Asked":
        """Further files belong to what was asked for; beside models, structures are data."""
        if relaxations:
            return cls((*data,), (*models,), (*predicted,), (*relaxations, *further))
        if predicted:
            return cls((*data,), (*models,), (*predicted, *further), ())
        structures = [path for path in further if path.suffix.lower() in STRUCTURES]
        rest = [path for path in further if path not in structures]
        return cls((*data, *structures), (*models, *rest), (), ())

    @property
    def of(self) -> str:
        """What it is measured on."""
        return " and ".join(path.name for path in self.data)

    def problems(self) -> Iterator[Problem]:
        """What makes no sense together, or is missing."""
        for path in (*self.data, *self.models, *self.predicted, *self.relaxations):
            if not path.exists():
                is_pattern = "*" in path.name
                advice = "Members of a run lie in results/committee/." if is_pattern else "Correct the name."
                found = "Nothing matches this pattern." if is_pattern else "There is no such file."
                yield Problem(str(path), found, "", advice)
        if self.relaxations:
            others = {"--data": self.data, "--models": self.models, "--predicted": self.predicted}
            for name in [one for one, paths in others.items() if paths]:
                found = "Relaxations are looked at by themselves."
                yield Problem(name, found, "--relaxation and --out alone", "Give a command of its own.")
            return
        if self.models and self.predicted:
            found = "Both models and predictions of others were given."
            yield Problem("--predicted", found, "either of them", "Give a command for each, with an --out of its own.")
        if not (self.models or self.predicted):
            allowed = "one or more MACE model files; or --predicted, or --relaxation"
            yield Problem("--models", "no model file was given", allowed)
        if not self.data:
            yield Problem("--data", "no labelled structures were given", "a file in extended XYZ format")


def _problems(asked: _Asked, *, out: Path, apart: bool, calibrate: bool, prefix: str | None) -> Iterator[Problem]:
    if out.is_file():
        yield Problem(f"--out {out}", "This is a file.", "a folder, which is made when missing")
    if calibrate and (apart or len(asked.models) < 2):
        found = "One model was given, and one does not disagree."
        found = "Models that are no committee do not disagree." if apart else found
        found = "There are no models." if not asked.models else found
        yield Problem("--calibrate", found, "two models or more of one committee", "Name all its files.")
    if apart and len(asked.models) < 2:
        yield Problem("--apart", "It sets several models side by side.", "--models with two files or more")
    if prefix is not None and not asked.predicted:
        yield Problem("--predicted-prefix", "No file with predictions was given.", "with --predicted FILE")


def _committee(asked: _Asked, keys: "Keys", *, out: Path, device: Device, calibrate: bool) -> None:
    """Models of one committee, each and their mean."""
    paths = asked.models
    with working(f"measuring {_several(len(paths), 'model')} on {asked.of}"):
        from aims_pax.outcome.evaluate import evaluate_models

        _require_device(device)
        evaluation = evaluate_models(paths, asked.data, device=device.value, keys=keys)
        found = evaluation.assessment()
        found.text()
    fitted: list[Fitted] = []
    extra = (lambda: fitted.append(_fitted(evaluation, paths))) if calibrate else None
    _tell(found, out, evaluation.remarks, between=extra)
    for one in fitted:
        typer.echo(f"wrote {_kept(one, paths)}")


def _relaxations(asked: _Asked, keys: "Keys") -> "Relaxations":
    with working(f"reading {_several(len(asked.relaxations), 'relaxation')}"):
        from aims_pax.outcome.assessment.relaxation import read_relaxations

        return read_relaxations(asked.relaxations, keys)


def _tell(
    found: "Assessment | Relaxations",
    out: Path,
    remarks: Sequence[Problem],
    *,
    between: Callable[[], None] | None = None,
) -> None:
    """Print it, and write it down."""
    for remark in remarks:
        typer.echo(f"warning: {remark}\n", err=True)
    typer.echo(found.text())
    if between is not None:
        between()
    try:
        with working("drawing figures"):
            written = found.write(out)
    except OSError as error:
        raise _unwritable(out, error) from error
    for stem in dict.fromkeys(path.with_suffix("") for path in written):
        endings = [path.suffix for path in written if path.with_suffix("") == stem]
        typer.echo(f"wrote {stem}{', '.join(endings)}")


def _several(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}"


def _require_device(device: Device) -> None:
    from aims_pax.committee import cuda_is_usable

    if device is Device.CUDA and not cuda_is_usable():
        raise UserError(Problem("--device cuda", "PyTorch finds no usable GPU here.", " | ".join(Device)))


def _fitted(evaluation: "MeasuredModels", paths: Sequence[Path]) -> "Fitted":
    """Estimates of errors, and how they do, which is shown."""
    with working("fitting how errors go with disagreement"):
        from aims_pax.outcome.calibrated.of_file import calibrate_on

        fitted = calibrate_on(evaluation, paths)
    typer.echo(f"\n{fitted.text()}\n")
    return fitted


def _kept(fitted: "Fitted", paths: Sequence[Path]) -> Path:
    """The file beside the models."""
    from aims_pax.outcome.calibrated.kept import write
    from aims_pax.outcome.calibrated.of_file import home_of

    try:
        return write(fitted, paths, home_of(paths))
    except OSError as error:
        raise _unwritable(home_of(paths), error) from error


def _unwritable(folder: Path, error: OSError) -> UserError:
    found = f"can't be written to ({error.strerror})"
    return UserError(Problem(str(folder), found, "a folder that you may write to"))
