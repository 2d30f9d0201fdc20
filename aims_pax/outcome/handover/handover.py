"""What is handed over to a program that moves atoms, whichever it is."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aims_pax.errors import Problem

if TYPE_CHECKING:
    from ase import Atoms

MODELS: Final = "models"
START: Final = "start.extxyz"
CALCULATOR: Final = "model.py"

_CALCULATOR_TEXT: Final = '''\
"""The force field as a calculator of ASE; the other files here take it from this one.

The mean of all files in FILES drives, and of several the deviation is told: where it grows beyond what it was in
training, do not believe the MD. Leave one file for speed.
"""

from pathlib import Path

import aims_pax as ap

FILES = {files}
DEVICE = "auto"  # or cpu, cuda


def calculator():
    folder = Path(__file__).resolve().parent / "{models}"
    return ap.calculator([folder / name for name in FILES], device=DEVICE)
'''


@dataclass(frozen=True, slots=True, eq=False)
class Conditions:
    """How atoms shall move; what a user changes first.

    Parameters
    ----------
    temperature_k : float
    timestep_fs : float
    pressure_pa : float or None
        None: the cell stays as it is.
    """

    temperature_k: float = 300.0
    timestep_fs: float = 0.5
    pressure_pa: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Handover:
    """A force field, where the MD begins, and how it goes.

    Parameters
    ----------
    name : str
        Of the force field.
    models : tuple of Path
        One file, or those of a committee.
    atoms : Atoms
        The structure to begin with.
    conditions : Conditions
    remarks : tuple of Problem
        What the input does not do though the run did.
    """

    name: str
    models: tuple[Path, ...]
    atoms: "Atoms"
    conditions: Conditions
    remarks: tuple[Problem, ...] = ()

    @property
    def is_mace(self) -> bool:
        """Whether the files are those of MACE, which MACE's own tools convert."""
        return self.models[0].suffix == ".model"

    @property
    def is_crystal(self) -> bool:
        """Whether it is periodic along all vectors, so that it has a stress."""
        return bool(self.atoms.pbc.all())

    def address(self, folder: Path) -> str:
        """A name for a socket that no other folder has."""
        return f"aims_pax_{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:10]}"

    def calculator_text(self) -> str:
        """The file that makes the calculator."""
        names = "[\n" + "".join(f'    "{path.name}",\n' for path in self.models) + "]"
        return _CALCULATOR_TEXT.format(files=names, models=MODELS)


Texts = Mapping[str, str]
"""Files by their names."""


@dataclass(frozen=True, slots=True)
class Target:
    """A program that models are handed over to.

    Parameters
    ----------
    title : str
    run : str
        The command that runs the input.
    needs : str
        How to get what it needs besides this package.
    texts : function of a handover and the folder
        Its files, beside models and calculator.
    start : function of a handover and the folder
        Writes the structure as the program reads it.
    """

    title: str
    run: str
    needs: str
    texts: Callable[[Handover, Path], Texts]
    start: Callable[[Handover, Path], None]
