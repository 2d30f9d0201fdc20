"""Whether a step can be learned, and what is to be told of one that can."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from ase.data import chemical_symbols

from aims_pax.calculations.step import Convergence, Step
from aims_pax.dataset.foreign import (
    GPA_PER_EV_PER_ANG3,
    MAX_FORCE_EV_PER_ANG,
    MAX_STRESS_EV_PER_ANG3,
    forces_are_masked,
)
from aims_pax.frame import FloatArray
from aims_pax.gathering.nearness import nearest_pair
from aims_pax.gathering.reasons import Reason

LARGE_FORCE_EV_PER_ANG: Final = 50.0
"""Forces of structures that hold together are below 10 eV/Å, those of a bond compressed by 0.3 Å some 30: told."""

NET_FORCE_EV_PER_ANG: Final = 5e-3
"""Sum of the forces for each atom from which on it is told: grids and drifts of programs leave less."""

NET_FORCE_SHARE: Final = 0.01
"""The same as a part of the mean force: below, it drowns in the errors of any model."""

SMALLEST_VOLUME: Final = 1e-3
"""What lattice vectors span at least: Å, Å² or Å³ by their number."""

EMPTY_ANG: Final = 5.0
"""Space around an atom alone from which on it is free: no lattice of one atom has such."""

FAR_EMPTY_ANG: Final = 8.0
"""The same where k points are not told: an equation of state may go beyond the first."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a person says of values.

    Parameters
    ----------
    max_force_ev_per_ang : float or None
        Steps with a larger force on an atom are left out; None: they are told from 50 eV/Å on.
    """

    max_force_ev_per_ang: float | None = None


def is_free_atom(step: Step) -> bool:
    """Whether a step is an atom alone, with empty space around it, at no more than one k point."""
    if step.numbers is None or len(step.numbers) != 1 or step.cell is None:
        return False
    if not any(step.pbc):
        return True
    mesh = step.method.mesh
    if mesh not in (None, (1, 1, 1)) or abs(np.linalg.det(step.cell)) < SMALLEST_VOLUME:
        return False
    heights = 1 / np.linalg.norm(np.linalg.inv(step.cell), axis=0)
    return bool(heights.min() > (FAR_EMPTY_ANG if mesh is None else EMPTY_ANG))


def refusal(step: Step, limits: Limits) -> tuple[Reason, str] | None:
    """Why a step can't be learned, with what is particular to it; None where it can."""
    missing = [part for part in step.missing if not (part == "forces" and is_free_atom(step))]
    if missing and step.convergence.is_believed:
        return Reason.MISSING, ", ".join(missing)
    if step.flaws:
        return Reason.FLAWED, "; ".join(step.flaws)
    if not step.convergence.is_believed:  # after which programs may print nothing more of it
        return Reason.NOT_CONVERGED, ""
    return _absurdity(step, limits)


def _absurdity(step: Step, limits: Limits) -> tuple[Reason, str] | None:
    assert step.numbers is not None, "asked of whole steps"
    assert step.positions is not None, "asked of whole steps"
    assert step.cell is not None, "asked of whole steps"
    values = {"energy": step.energy, "forces": step.forces, "positions": step.positions, "cell": step.cell}
    values["stress"] = step.stress
    broken = [name for name, value in values.items() if value is not None and not np.isfinite(value).all()]
    if broken:
        return Reason.NOT_FINITE, ", ".join(broken)
    if not len(step.numbers) or step.numbers.min() < 1 or step.numbers.max() >= len(chemical_symbols):
        return Reason.ABSURD, "atoms of no element"
    pbc = np.array(step.pbc)
    if pbc.any() and _volume(step.cell[pbc]) < SMALLEST_VOLUME:
        return Reason.ABSURD, "its cell has no volume"
    force = 0.0 if step.forces is None else largest(step)
    if force > MAX_FORCE_EV_PER_ANG:
        return Reason.ABSURD, f"a force of {force:.3g} eV/Å"
    if step.stress is not None and (stress := float(np.abs(step.stress).max())) > MAX_STRESS_EV_PER_ANG3:
        return Reason.ABSURD, f"a stress of {stress:.3g} eV/Å³, {stress * GPA_PER_EV_PER_ANG3 / 1e3:.2g} TPa"
    if limits.max_force_ev_per_ang is not None and force > limits.max_force_ev_per_ang:
        return Reason.LARGE_FORCE, f"{force:.3g} eV/Å"
    if (pair := nearest_pair(step.numbers, step.positions, step.cell, pbc)) is not None:
        return Reason.TOO_NEAR, " and ".join(f"{chemical_symbols[step.numbers[one]]} {one + 1}" for one in pair)
    return None


def _volume(vectors: FloatArray) -> float:
    """Volume, area or length that some lattice vectors span, Å to the power of their number."""
    return float(np.sqrt(max(0.0, np.linalg.det(vectors @ vectors.T))))


def largest(step: Step) -> float:
    """Largest force on an atom, eV/Å; 0 where none was printed."""
    return 0.0 if step.forces is None else float(np.linalg.norm(step.forces, axis=1).max(initial=0.0))


def warnings_on(step: Step) -> Iterator[str]:
    """What may spoil a set, and is kept."""
    if step.forces is not None and forces_are_masked(step.forces, step.fixed):
        yield "forces of held atoms are printed as zero, and models would learn that nothing pulls at these"


def remarks_on(step: Step) -> Iterator[tuple[str, str]]:
    """What is told of a step that can be learned: a sentence, and what is particular to this step."""
    if step.convergence is Convergence.AT_LIMIT:
        yield "converged with the last cycle that was allowed: believed", ""
    if step.convergence is Convergence.NOT_STATED:
        yield "the output does not say whether it converged: believed", ""
    for remark in step.remarks:
        yield remark.rstrip("."), ""
    if step.stress is None and all(step.pbc) and not is_free_atom(step):
        yield "no stress was printed", ""
    if step.forces is None:
        return
    if (force := largest(step)) > LARGE_FORCE_EV_PER_ANG:
        yield f"a force above {LARGE_FORCE_EV_PER_ANG:.0f} eV/Å; --max-force leaves such steps out", f"{force:.3g} eV/Å"
    net = float(np.linalg.norm(step.forces.sum(axis=0))) / len(step.forces)
    mean = float(np.linalg.norm(step.forces, axis=1).mean())
    if len(step.forces) > 1 and net > max(NET_FORCE_EV_PER_ANG, NET_FORCE_SHARE * mean):
        yield (
            f"forces don't sum to zero: above {NET_FORCE_EV_PER_ANG * 1e3:.0f} meV/Å an atom",
            f"{net * 1e3:.0f} meV/Å",
        )
