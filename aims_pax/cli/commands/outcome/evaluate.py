"""``aims-pax evaluate``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.working import working
from aims_pax.errors import Problem, UserError


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
    try:
        written = evaluation.write(out)
    except OSError as error:
        found = f"can't be written to ({error.strerror})"
        raise UserError(Problem(str(out), found, "a folder that you may write to")) from error
    for path in written:
        typer.echo(f"wrote {path}")
