"""Whether a method is sane for a structure: what it says of it, and of a copy whose atoms were moved a little.

Near a structure that holds together, the energy to second order is E(x + d) = E(x) - F·d + ½ d·H·d. Rattling all atoms
at random costs ½ σ² tr H on average, which stiff bonds dominate: some 0.05 eV for each atom at σ = 0.05 Å. It is less
than nothing only where the method has no minimum near by at all.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import numpy as np

from aims_pax.errors import Problem
from aims_pax.frame import FloatArray, Frame, Label, LabelFailure

FIRST_TRAJECTORY: Final = -2
"""Structures of a probe belong to no trajectory of the run: -2, -3, ... for its systems. (-1: the user's datasets.)"""

RATTLE_ANG: Final = 0.05
"""Root mean square of the displacement of a coordinate: a stretched bond costs 0.1 eV, as at a thousand kelvin, and is
still described by its harmonic and cubic terms."""

SEED: Final = 29
"""Of the displacements: the same at every attempt, so that a label that was paid for is found again."""

MAX_FALL_EV, MAX_FALL_EV_PER_ATOM = 0.5, 0.02
"""How far the energy may fall below what the forces at the start say: the larger of the two. In 8-atom cells, by three
seeds each: MgO by GFN2-xTB -0.86 to -1.82 eV; MgO and silicon by GFN1-xTB, which is usable, -0.02 to -0.09 eV; salt,
copper, diamond and molecules by either method above -0.01 eV."""

MAX_MISFIT_EV, MAX_MISFIT_EV_PER_ATOM, MAX_MISFIT = 0.03, 0.015, 0.5
"""How far the change of the energy may be from the mean force along the way, in eV, in eV for each atom, and as a part
of the second-order term: the largest of the three. What is left out is of third order, a tenth of the second for a C-H
bond; the discontinuities of GFN1-xTB for silicon are 0.01 eV for each atom. Forces in another unit, or of the other
sign, are far beyond it."""

MAX_FORCE_EV_PER_ANG: Final = 50.0
"""Forces of structures that hold together are below 10 eV/Å, those of a bond compressed by 0.3 Å some 30."""


INSIST: Final = "MISC.probe: false starts a run all the same."


def rattled(frame: Frame, index: int) -> Frame:
    """A copy with every coordinate displaced at random, named as MD step 1 of the same trajectory.

    Parameters
    ----------
    index : int
        Of the system; each has displacements of its own.
    """
    rng = np.random.default_rng((SEED, index))
    drawn = rng.normal(size=frame.positions.shape)
    # Scaled, since the nine numbers of a small molecule may happen to be half as large as they should.
    moved = frame.positions + drawn * (RATTLE_ANG / np.sqrt(np.mean(drawn**2)))
    return replace(frame, md_step=1, positions=moved)


@dataclass(frozen=True)
class Response:
    """What a method says of a structure and of its rattled copy.

    Parameters
    ----------
    displacement : (n_atoms, 3), Å
    energies : pair of float, eV
        At the start, and of the copy.
    forces : pair of (n_atoms, 3), eV/Å
    """

    displacement: FloatArray
    energies: tuple[float, float]
    forces: tuple[FloatArray, FloatArray]

    @property
    def change_ev(self) -> float:
        """What rattling costs."""
        return self.energies[1] - self.energies[0]

    @cached_property
    def largest_force_ev_per_ang(self) -> float:
        """Of both structures."""
        return max(float(np.linalg.norm(forces, axis=1).max()) for forces in self.forces)

    @cached_property
    def curvature_ev(self) -> float:
        """What rattling costs beyond what the forces at the start say, ½ d·H·d."""
        return self.change_ev + float((self.forces[0] * self.displacement).sum())

    @cached_property
    def misfit_ev(self) -> float:
        """The change of the energy against the mean of the forces at both ends, by the trapezoidal rule."""
        return self.change_ev + float((0.5 * (self.forces[0] + self.forces[1]) * self.displacement).sum())

    def complaints(self) -> Iterator[str]:
        """What is not sane, each in a sentence."""
        n_atoms = len(self.displacement)
        if not all(np.isfinite(energy) for energy in self.energies) or not all(
            np.isfinite(forces).all() for forces in self.forces
        ):
            yield "Energy or forces are not finite."
            return
        if self.largest_force_ev_per_ang > MAX_FORCE_EV_PER_ANG:
            yield (
                f"The largest force is {self.largest_force_ev_per_ang:.0f} eV/Å, and structures that hold together "
                f"stay below {MAX_FORCE_EV_PER_ANG:.0f}."
            )
        if self.curvature_ev < -max(MAX_FALL_EV, MAX_FALL_EV_PER_ATOM * n_atoms):
            yield (
                f"When all atoms are moved by {RATTLE_ANG} Å at random, the energy falls by {-self.change_ev:.2f} eV, "
                "where it should rise: for this method the structure stands on a hill, and MD falls off it."
            )
        # The second-order term by the forces alone, since the energy may be what is wrong.
        second_order = abs(0.5 * float(((self.forces[1] - self.forces[0]) * self.displacement).sum()))
        if abs(self.misfit_ev) > max(MAX_MISFIT_EV, MAX_MISFIT_EV_PER_ATOM * n_atoms, MAX_MISFIT * second_order):
            along = self.change_ev - self.misfit_ev
            yield (
                f"Energy and forces contradict each other: when all atoms are moved by {RATTLE_ANG} Å at random, the "
                f"energy changes by {self.change_ev:+.2f} eV, where the forces say {along:+.2f} eV."
            )


@dataclass(frozen=True, slots=True, eq=False)
class SystemProbe:
    """What the reference says of one system.

    Parameters
    ----------
    reference : str
        Engine, version and method.
    frames : pair of Frame
        The starting structure and its rattled copy.
    results : pair of Label or LabelFailure
    stress_for : str
        What needs the stress of its labels, for a person; empty: nothing does.
    """

    reference: str
    frames: tuple[Frame, Frame]
    results: tuple[Label | LabelFailure, Label | LabelFailure]
    stress_for: str = ""

    @property
    def label_s(self) -> float | None:
        """What a label takes once the engine runs, s; None when there is none."""
        times = [result.wall_s for result in self.results if isinstance(result, Label)]
        return min(times, default=None)

    @property
    def response(self) -> Response | None:
        """What rattling does; None where a label is missing."""
        start, copy = self.results
        if isinstance(start, LabelFailure) or isinstance(copy, LabelFailure):
            return None
        return response(self.frames, (start.energy, copy.energy), (start.forces, copy.forces))

    def complaints(self) -> Iterator[str]:
        """What is not sane, each in a sentence or two."""
        for result, which in zip(self.results, ("It", "The rattled copy of it"), strict=True):
            if isinstance(result, LabelFailure):
                kept = f" Its files are kept in {result.folder}." if result.folder is not None else ""
                yield f"{which} got no label ({result.reason}): {result.message.rstrip('.')}.{kept}"
        if self.stress_for and any(isinstance(one, Label) and one.stress is None for one in self.results):
            yield f"It gives no stress, and {self.stress_for}."
        if self.response is not None:
            yield from self.response.complaints()


@dataclass(frozen=True, slots=True, eq=False)
class DriverProbe:
    """What drives the MD of a stage says of the starting structures.

    Parameters
    ----------
    name : str
    setting : str
        Where it is named.
    others : str
        How another driver is named.
    responses : mapping of str to Response
        By system.
    step_s : float
        Time for the forces of all systems together, once it is warm, s.
    failures : mapping of str to str
        Why it can't drive a system, by its own words or ours.
    """

    name: str
    setting: str
    others: str
    responses: Mapping[str, Response]
    step_s: float
    failures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class ProbeResult:
    """What a probe has found.

    Parameters
    ----------
    systems : mapping of str to SystemProbe
    drivers : tuple of DriverProbe
        Of stages that something else than the reference and the committee drives; each once.
    """

    systems: Mapping[str, SystemProbe]
    drivers: tuple[DriverProbe, ...] = ()

    @property
    def label_s(self) -> dict[str, float]:
        """What a label of each system takes, s; systems without a label are left out."""
        return {name: one.label_s for name, one in self.systems.items() if one.label_s is not None}

    @property
    def driver_step_s(self) -> float | None:
        """What one step of all systems takes by the first driver, s; None where there is none."""
        return self.drivers[0].step_s if self.drivers else None

    def problems(self) -> list[Problem]:
        """All that is not sane."""
        problems = []
        for name, one in self.systems.items():
            where = f"The reference ({one.reference}) for structure {name}"
            problems += [Problem(where, said, "", _reference_advice(one)) for said in one.complaints()]
        for driver in self.drivers:
            for name, seen in driver.responses.items():
                where = f"{driver.setting} ({driver.name}) for structure {name}"
                advice = f"Name another driver: {driver.others}. {INSIST}"
                failure = driver.failures.get(name)
                complaints = seen.complaints() if failure is None else (failure,)
                problems += [Problem(where, said, "", advice) for said in complaints]
        return problems

    def lines(self) -> list[str]:
        """What was found, for a person."""
        said = [f"{name}: {_account(one.response, one.label_s, 'label')}" for name, one in self.systems.items()]
        for driver in self.drivers:
            for name, seen in driver.responses.items():
                told = _account(seen, None, "")
                if told != _account(self.systems[name].response if name in self.systems else None, None, ""):
                    said.append(f"{name}, by {driver.name}: {told}")  # else the reference drives, as was said
        return said


def response(frames: tuple[Frame, Frame], energies: tuple[float, float], forces: tuple[object, object]) -> Response:
    """The response to rattling."""
    arrays = (np.asarray(forces[0], dtype=np.float64), np.asarray(forces[1], dtype=np.float64))
    return Response(frames[1].positions - frames[0].positions, energies, arrays)


def _account(seen: Response | None, label_s: float | None, what: str) -> str:
    time_said = "" if label_s is None else f"{_seconds(label_s)} a {what}, "
    if seen is None:
        return f"{time_said}no label"
    return f"{time_said}rattling costs {seen.change_ev:+.3f} eV, largest force {seen.largest_force_ev_per_ang:.2f} eV/Å"


def _seconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _reference_advice(probe: SystemProbe) -> str:
    if "GFN2-xTB" in probe.reference and probe.frames[0].pbc.any():
        return f"GFN2-xTB fails for many crystals; try REFERENCE.method: GFN1-xTB, or another reference. {INSIST}"
    return f"Correct the reference, or the structure (units, missing atoms, charge and spin). {INSIST}"


def is_probe(frame: Frame) -> bool:
    """Whether a structure was labelled to probe the reference."""
    return frame.trajectory <= FIRST_TRAJECTORY
