"""``aims-pax evaluate``."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.working import working
from aims_pax.errors import Problem, UserError

if TYPE_CHECKING:
    from aims_pax.outcome.calibrated.fitted import Fitted
    from aims_pax.outcome.evaluate import MeasuredModels


class Device(StrEnum):
    """Where the models run."""

    AUTO = "auto"
    """The GPU when there is one."""
    CPU = "cpu"
    CUDA = "cuda"


@guarded
def evaluate(
    data: Annotated[Path, typer.Option(metavar="FILE", help="Labelled structures, extended XYZ.")],
    models: Annotated[
        list[Path] | None, typer.Option(metavar="FILE...", help="MACE model files; several make a committee.")
    ] = None,
    further_models: Annotated[list[Path] | None, typer.Argument(metavar="FILE", hidden=True)] = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="metrics.json, metrics.txt and parity.png are written here.")
    ] = Path("evaluation"),
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
    """Measure models on labelled structures: MAE and RMSE of each model and of the committee's mean."""
    # An option takes one value, so of `--models a b c` the files b and c arrive as arguments.
    paths = [*(models or []), *(further_models or [])]
    if not paths:
        raise UserError(Problem("--models", "no model file was given", "one or more MACE model files"))
    if out.is_file():
        raise UserError(Problem(f"--out {out}", "This is a file.", "a folder, which is made when missing"))
    if calibrate and len(paths) < 2:
        found = "One model was given, and one does not disagree."
        raise UserError(Problem("--calibrate", found, "two models or more of one committee", "Name all its files."))
    with working(f"measuring {len(paths)} model{'s' if len(paths) > 1 else ''} on {data}"):
        from aims_pax.committee import cuda_is_usable
        from aims_pax.dataset.entries import Keys
        from aims_pax.outcome.evaluate import evaluate_models

        if device is Device.CUDA and not cuda_is_usable():
            raise UserError(Problem("--device cuda", "PyTorch finds no usable GPU here.", " | ".join(Device)))
        keys = Keys(energy=energy_key, forces=forces_key, stress=stress_key)
        evaluation = evaluate_models(paths, data, device=device.value, keys=keys)
    for remark in evaluation.remarks:
        typer.echo(f"warning: {remark}\n", err=True)
    typer.echo(evaluation.text())
    fitted = _fitted(evaluation, paths) if calibrate else None
    try:
        written = evaluation.write(out)
    except OSError as error:
        raise _unwritable(out, error) from error
    if fitted is not None:
        written.append(_kept(fitted, paths))
    for path in written:
        typer.echo(f"wrote {path}")


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
