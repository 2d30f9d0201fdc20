"""One fit: labels and options in, a potential out, by gap_fit in a process of its own."""

import logging
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from ase.data import chemical_symbols

from aims_pax.committee.gap.installation import gap_fit_program
from aims_pax.committee.gap.potential import GapPotential, of_text
from aims_pax.committee.gap.predictor import QUIPPY
from aims_pax.dataset.entries import Keys
from aims_pax.dataset.extxyz import block_of
from aims_pax.errors import ModelError, Problem
from aims_pax.frame import LabelledFrame
from aims_pax.reference.process.leash import ending, kept
from aims_pax.settings.committee.gap import GapInput

log = logging.getLogger(__name__)

KEYS: Final = Keys()

MARGIN_ANG: Final = 20.0
"""By which a box is wider than the molecule in it."""

MAX_SEED: Final = 2**31 - 1
"""gap_fit reads a 4-byte integer."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is fitted.

    Parameters
    ----------
    asked : GapInput
    seed : int
        Draws the sparse points.
    atomic_energies_ev : mapping of int to float
        Of free atoms; what is fitted is the rest.
    learns_stress : bool
    name : str
        Of the member, for messages.
    """

    asked: GapInput
    seed: int
    atomic_energies_ev: Mapping[int, float]
    learns_stress: bool
    name: str


def fitted(task: Task, points: Sequence[LabelledFrame]) -> GapPotential:
    """The potential for some points: equal bits for equal tasks and points, in whatever order these are.

    Raises
    ------
    ModelError
        gap_fit has failed; its folder is kept, and named.
    """
    program = gap_fit_program()
    folder, started = Path(tempfile.mkdtemp(prefix="aims-pax-gap-")), time.monotonic()
    ordered = sorted(points, key=lambda point: point.label_id)
    with (folder / "labels.xyz").open("w", encoding="utf-8") as file:
        file.writelines(block_of(_told(point, with_stress=task.learns_stress), KEYS) for point in ordered)
    with (folder / "gap_fit.out").open("wb") as output:
        command = kept([str(program), *_words(task)])
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=QUIPPY.environment(),
            check=False,
        )
    try:
        if done.returncode != 0:
            raise ValueError(ending(done.returncode))
        potential, _ = of_text((folder / "gap.xml").read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        said = f"gap_fit has not fitted {task.name} ({cause}): {_last_words(folder / 'gap_fit.out')}"
        raise ModelError(Problem(str(folder), said, "", "Its output is there, in gap_fit.out.")) from cause
    shutil.rmtree(folder, ignore_errors=True)
    log.debug("%s fitted to %d structures in %.1f s", task.name, len(points), time.monotonic() - started)
    return potential


def _words(task: Task) -> list[str]:
    energies = ":".join(f"{chemical_symbols[z]}:{value!r}" for z, value in sorted(task.atomic_energies_ev.items()))
    return [
        "at_file=labels.xyz",
        *task.asked.words,
        f"e0={{{energies}}}",
        f"energy_parameter_name={KEYS.energy}",
        f"force_parameter_name={KEYS.forces}",
        f"stress_parameter_name={KEYS.stress}",
        "virial_parameter_name=none_such",
        "sparse_separate_file=F",
        "do_copy_at_file=F",
        f"rnd_seed={1 + task.seed % MAX_SEED}",
        "gp_file=gap.xml",
    ]


def _told(point: LabelledFrame, *, with_stress: bool) -> LabelledFrame:
    """A point as gap_fit is given it: a stress only where it is to be learned, and a box for what has no cell.

    QUIP reads no structure without a lattice; along directions that are not periodic it sees no images.
    """
    frame, label = point.frame, point.label
    if not frame.pbc.any():
        box = (np.ptp(frame.positions, axis=0).max() + MARGIN_ANG) * np.eye(3)
        return replace(point, frame=replace(frame, cell=box), label=replace(label, stress=None))
    return point if with_stress else replace(point, label=replace(label, stress=None))


def _last_words(output: Path) -> str:
    lines = [line.strip() for line in output.read_text(errors="replace").splitlines() if line.strip()]
    aborts = [index for index, line in enumerate(lines) if "SYSTEM ABORT" in line]
    return " | ".join(lines[aborts[0] : aborts[0] + 3] if aborts else lines[-3:]) or "it said nothing"
