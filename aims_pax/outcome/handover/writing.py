"""The folder that a force field is handed over in."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aims_pax.dataset.durable import replacing
from aims_pax.errors import Problem, UserError
from aims_pax.outcome.handover.ase_input import ASE
from aims_pax.outcome.handover.handover import CALCULATOR, MODELS, Handover, Target
from aims_pax.outcome.handover.ipi_input import IPI
from aims_pax.outcome.handover.lammps_input import LAMMPS

TARGETS: Final[dict[str, Target]] = {"ase": ASE, "lammps": LAMMPS, "ipi": IPI}
"""By what `aims-pax export --for` calls them."""

CONVERSION_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What was written.

    Parameters
    ----------
    folder : Path
    target : Target
    files : tuple of str
        Below the folder.
    remarks : tuple of Problem
    """

    folder: Path
    target: Target
    files: tuple[str, ...]
    remarks: tuple[Problem, ...] = ()

    def lines(self) -> list[str]:
        """What a person is told."""
        needs = [f"what it needs besides: {self.target.needs}"] if self.target.needs else []
        return [
            f"wrote {self.folder} ({', '.join(self.files)})",
            f"to run it: cd {self.folder} && {self.target.run}",
            *needs,
            *(str(remark) for remark in self.remarks),
        ]


def write_handover(handover: Handover, name: str, folder: Path) -> HandedOver:
    """Write models, calculator, structure and input into a new folder.

    Raises
    ------
    UserError
        The folder is there already, or can't be written.
    """
    target, where = TARGETS[name], f"--out {folder}"
    try:
        (folder / MODELS).mkdir(parents=True)
        for path in handover.models:
            shutil.copyfile(path, folder / MODELS / path.name)
        converted = (
            _converted(folder / MODELS / handover.models[0].name) if target is LAMMPS and handover.is_mace else ()
        )
        target.start(handover, folder)
        texts = {CALCULATOR: handover.calculator_text(), **target.texts(handover, folder)}
        for file, text in texts.items():
            with replacing(folder / file) as opened:
                opened.write(text)
    except FileExistsError as error:
        found, advice = "This folder has models already, and nothing is overwritten.", "Name another, or remove it."
        raise UserError(Problem(where, found, "a new folder", advice)) from error
    except OSError as error:
        found = f"The folder can't be written ({error.strerror})."
        raise UserError(Problem(where, found, "a folder that you may write to")) from error
    written = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return HandedOver(folder, target, tuple(written), (*handover.remarks, *converted))


def _converted(model: Path) -> tuple[Problem, ...]:
    """Have MACE write the file of its own pair style beside a model; what is to be told when it does not."""
    command = [sys.executable, "-m", "mace.cli.create_lammps_model", model.name]
    try:
        done = subprocess.run(
            command,
            cwd=model.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CONVERSION_S,
            check=False,
        )
        words = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
    except (OSError, subprocess.SubprocessError) as error:
        words = str(error)
    if list(model.parent.glob("*-lammps.pt")):
        return ()
    found = f"MACE's mace_create_lammps_model wrote no file for its own pair style ({words})."
    return (Problem(str(model), found, "", "in.lammps with fix external does not need it."),)
