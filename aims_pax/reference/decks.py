"""Input of calculations that somebody else starts, as the reference would write it for itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aims_pax.frame import Frame
from aims_pax.reference.ase_adapter import foreign_code
from aims_pax.reference.charged import settings_of
from aims_pax.reference.programs.by_hand import Written
from aims_pax.reference.programs.engines import EngineReference
from aims_pax.reference.programs.fhi_aims import ERRORS, OUTPUT, write_input
from aims_pax.settings.methods.engines import ENGINE_SETTINGS, EngineSettings
from aims_pax.settings.methods.fhi_aims import FhiAimsInput

WITH_INPUT = (FhiAimsInput, EngineSettings)
"""Settings of references that are programs which read files."""

TYPES = ("fhi-aims", *sorted(ENGINE_SETTINGS))
"""By REFERENCE.type."""


def deck_problems(settings: Any, numbers: Sequence[int], *, periodic: bool) -> list[str]:
    """Why there can be no input for such a structure, as far as that shows without writing it; no program is needed."""
    if not isinstance(settings, WITH_INPUT):
        return [f"the method {settings.type} reads no input file, so that there is none to write"]
    if isinstance(settings, EngineSettings):
        return EngineReference(settings).input_problems(numbers, periodic=periodic)
    return []


def write_deck(settings: Any, frame: Frame, folder: Path, *, want_stress: bool) -> Written:
    """The very files that a label of this frame would begin with, in an existing folder.

    Parameters
    ----------
    settings : FhiAimsInput or EngineSettings
        Their commands hold no placeholders any more.
    frame : Frame
        With the charge and spin that are its own, if it has such.
    folder : Path
    want_stress : bool

    Raises
    ------
    ENGINE_ERRORS
        The input can't be written, in the words of whoever writes it.
    """
    told = settings_of(settings, frame)
    if isinstance(told, FhiAimsInput):
        write_input(told, frame, folder, want_stress=want_stress and bool(frame.pbc.any()))
        return Written(f"{told.command} > {OUTPUT} 2> {ERRORS}")
    with foreign_code():
        return EngineReference(told).write_input(frame, folder=folder, want_stress=want_stress)


def write_atom_deck(settings: Any, number: int, folder: Path) -> Written | None:
    """The same of a free atom in the spin of its ground state; None where the reference can't tell such.

    Raises
    ------
    ENGINE_ERRORS
        As above.
    """
    atom = EngineReference(settings).for_free_atom(number) if isinstance(settings, EngineSettings) else None
    if atom is None:
        return None
    frame = Frame("isolated atom", 0, 0, 0, np.array([number], dtype=np.int64), np.zeros((1, 3)))
    with foreign_code():
        return atom.write_input(frame, folder=folder, want_stress=False)
