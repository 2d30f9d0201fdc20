"""Where the MD of exploration begins, and at what temperatures and pressures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from aims_pax.frame import Frame, LabelledFrame, Split
from aims_pax.settings import MDSettings, Project
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.settings.systems import System
from aims_pax.structures.augmentation.streams import Streams

if TYPE_CHECKING:
    from aims_pax.sampling import Segment

SMALLEST_VOLUME_ANG3 = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """How one trajectory begins, and how it moves.

    Parameters
    ----------
    frame : Frame
    md : MDSettings
        With its own ensemble, temperature and pressure.
    """

    frame: Frame
    md: MDSettings

    @property
    def condition(self) -> str:
        """What its frames are called by: ``explored_300K``, ``explored_300K_0.5GPa``."""
        pressure = f"_{self.md.pressure / 1e9:g}GPa" if self.md.moves_cell else ""
        return f"explored_{self.md.temperature:g}K{pressure}"

    @property
    def words(self) -> str:
        """For a sentence: ``silicon at 300 K and 0.5 GPa``."""
        pressure = f" and {self.md.pressure / 1e9:g} GPa" if self.md.moves_cell else ""
        return f"{self.frame.system} at {self.md.temperature:g} K{pressure}"

    def steps(self, time_ps: float) -> int:
        """MD steps in a time: the nearest number."""
        return round(1000 * time_ps / self.md.timestep)

    def n_steps(self, settings: ExploreSettings) -> int:
        """MD steps from its beginning to its last frame."""
        n_frames = settings.frames_per_trajectory
        return self.steps(settings.thermalization_time) + n_frames * self.steps(settings.sampling_time)

    @property
    def segment(self) -> "Segment":
        """What it does, without end."""
        from aims_pax.sampling import Segment
        from aims_pax.sampling.program import dynamics_of
        from aims_pax.units import PASCAL_EV_PER_ANG3

        return Segment(
            dynamics_of(self.md),
            self.md.timestep,
            self.md.temperature,
            pressure_ev_per_ang3=self.md.pressure * PASCAL_EV_PER_ANG3,
        )


def eligible(frames: Iterable[Frame]) -> list[Frame]:
    """Those of two atoms or more, each structure once, in their order."""
    found: dict[bytes, Frame] = {}
    for frame in frames:
        if frame.n_atoms > 1:
            found.setdefault(frame.numbers.tobytes() + frame.positions.tobytes() + frame.cell.tobytes(), frame)
    return list(found.values())


def pool_of(project: Project, labelled: Iterable[LabelledFrame], *, stage: str) -> list[Frame]:
    """Structures at which MD may begin: training structures of other stages, or else those of the project.

    What is labelled on the way from a test structure would resemble it, and no test would be left.
    """
    known = [one.frame for one in labelled if one.stage != stage and one.split is Split.TRAINING]
    return eligible(known) or eligible(system.frame for system in project.systems)


def drawn(pool: Sequence[Frame], settings: ExploreSettings, *, number: int) -> list[Frame]:
    """The starts of a round, in the order of the pool."""
    n_wanted = min(settings.num_random_structures, len(pool))
    rng = Streams(settings.seed).of("starts", "", number)
    return [pool[index] for index in sorted(rng.choice(len(pool), n_wanted, replace=False).tolist())]


def driving_member(settings: ExploreSettings, *, number: int, n_members: int) -> int:
    """Which member moves atoms in a round."""
    return int(Streams(settings.seed).of("driver", "", number).integers(n_members))


def trajectories_of(project: Project, settings: ExploreSettings, frames: Iterable[Frame]) -> list[Start]:
    """Each start at all temperatures, and where its cell can move at all pressures."""
    found = []
    for frame in frames:
        system = system_of(project, frame)
        md, own = project.md_of(system), replace(frame, system=system.name)
        has_stress = settings.dispersion is None or bool(frame.pbc.all())  # that of dispersion is of crystals alone
        for temperature in settings.temperature or (md.temperature,):
            moving = _moving(frame, md, temperature, settings.pressure if has_stress else None)
            found += [Start(own, one) for one in moving]
    return found


def system_of(project: Project, frame: Frame) -> System:
    """The system that a structure belongs to: by its name, or its atoms, or else its elements."""
    systems = project.systems
    by_name = {one.name: one for one in systems}
    atoms, elements = np.sort(frame.numbers).tobytes(), set(frame.numbers.tolist())
    same_atoms = (one for one in systems if np.sort(one.frame.numbers).tobytes() == atoms)
    same_elements = (one for one in systems if set(one.frame.numbers.tolist()) >= elements)
    return by_name.get(frame.system) or next(same_atoms, None) or next(same_elements, systems[0])


def _moving(frame: Frame, md: MDSettings, temperature: float, pressures: Sequence[float] | None) -> list[MDSettings]:
    """How one start moves at one temperature; None: its cell stays."""
    axes = tuple(axis for axis, repeats in zip("abc", frame.pbc, strict=True) if repeats)
    axes = tuple(axis for axis in axes if md.pressure_directions is None or axis in md.pressure_directions)
    has_cell = bool(axes) and abs(float(np.linalg.det(frame.cell))) > SMALLEST_VOLUME_ANG3
    at = {"temperature": temperature, "pressure_directions": axes or None}
    if pressures is None or not has_cell or not (pressures or md.moves_cell):
        return [md.model_copy(update={**at, "stat_ensemble": "nvt", "pressure_directions": None})]
    return [
        md.model_copy(update={**at, "stat_ensemble": "npt", "pressure": pressure})
        for pressure in pressures or (md.pressure,)
    ]
