"""What a worker and the engine's own process say to each other."""

import base64
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.protocols import Reference

MARK: Final = b"aims-pax-host:"
"""Begins each of our lines."""

SIZE_VARIABLES: Final = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
"""Where launchers say how many ranks they have started."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelRequest:
    """Ask for one label."""

    frame: Frame
    folder: Path
    want_stress: bool

    def carried_out(self, reference: Reference, *, rank: int) -> Label | LabelFailure:
        """The label; ranks other than 0 keep their files apart."""
        return reference.label(self.frame, folder=_own(self.folder, rank), want_stress=self.want_stress)


@dataclass(frozen=True, slots=True)
class AtomRequest:
    """Ask for the energy of one free atom."""

    number: int
    folder: Path

    def carried_out(self, reference: Reference, *, rank: int) -> float | None:
        """The energy, eV; None when this method can't tell."""
        return reference.isolated_atom_energy(self.number, folder=_own(self.folder, rank))


Request = LabelRequest | AtomRequest


@dataclass(frozen=True, slots=True)
class Ready:
    """The first answer: the reference is built.

    Parameters
    ----------
    problem : str or None
        Why nothing can be labelled nevertheless.
    """

    problem: str | None = None


def as_line(message: object) -> bytes:
    """A message as one line that no other line looks like; it begins one, whatever stands before it."""
    return b"\n" + MARK + base64.b64encode(pickle.dumps(message)) + b"\n"


def of_line(line: bytes) -> Any:
    """The message in a line with our mark, before which a launcher may have put the number of the rank.

    Raises
    ------
    ValueError, EOFError, pickle.UnpicklingError
        There is none, or not the whole of it.
    """
    _, mark, message = line.partition(MARK)
    if not mark:
        raise ValueError("not a message")
    return pickle.loads(base64.b64decode(message))


def _own(folder: Path, rank: int) -> Path:
    return folder if rank == 0 else folder / f"rank-{rank}"
