"""What a structure is like at a temperature: distances, bond angles, neighbours and rings of atoms that move."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf, prod
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from aims_pax.errors import Problem
from aims_pax.evaluation.blocks import LEAST_BLOCKS
from aims_pax.evaluation.intervals import half_widths
from aims_pax.evaluation.properties.dynamics.motion import Motion, moved
from aims_pax.evaluation.properties.effort import Effort
from aims_pax.evaluation.properties.property import AsGiven, Line, Measured, Panel, Quantity, Unmeasurable
from aims_pax.evaluation.properties.shape import heights, of_one_cell, repeats_for, solid_axes
from aims_pax.evaluation.properties.specimen import Specimen
from aims_pax.evaluation.structure import Curve, Functions, Number, Run, functions_of
from aims_pax.evaluation.structure.coordination import COUNTED as OF_NEIGHBOURS
from aims_pax.evaluation.structure.function import pair_words
from aims_pax.evaluation.structure.rings import COUNTED as OF_RINGS
from aims_pax.frame import BoolArray, FloatArray

if TYPE_CHECKING:
    from ase import Atoms

USUAL_TIMESTEP_FS: Final = 1.0
WITH_HYDROGEN_FS: Final = 0.5

SPACING_FS: Final = 40.0
FEW_ATOMS: Final = 40
SPACING_OF_FEW_FS: Final = 10.0
"""Between two structures that are kept: those nearer in time are nearly the same. Of few atoms, which have few angles
and distances, more are kept."""

LEAST_MEMORIES: Final = 2.5
"""Times of the thermostat in a piece of a run. Of copper with pieces of 1.2 times, two runs by one method with noise of
their own differed in 17 % of the numbers that vary, where it should be 5 %."""

MOST_DENSER: Final = 0.01
"""By which the volumes of two methods may differ without being told."""

COUNTED: Final = (OF_NEIGHBOURS, OF_RINGS)
"""Axes whose places are whole numbers."""

LEAST_SHOWN: Final = 1e-4
"""Of the largest value: places where no method has more are not shown at the ends of an axis."""

LEAST_RELATIVE: Final = {"Å": 0.1, "°": 1.0, "1/atom": 0.01, "": 0.05, "1/Å": 0.01}
"""By unit: deviations from less than this are not told in percent."""


@dataclass(frozen=True, slots=True)
class StructureInMotion(AsGiven):
    """Radial distributions, bond angles, coordination and rings of MD at constant volume.

    Parameters
    ----------
    temperature_k : float
    time_ps : float
        Of the MD of each method; its beginning is left out.
    timestep_fs : float or None
        None: 1 fs, and half of it where there is hydrogen.
    friction_per_fs : float
        Of Langevin's thermostat.
    length_ang : float, Å
        Of the supercell, at least.
    most_atoms : int
        In the supercell; its length gives way.
    seed : int
        Of velocities and noise, which are those of every method.

    Notes
    -----
    The cell is that of the structure as it was given, for every method: what volume a method would have is a number of
    others. As the noise is the same, runs by methods that are alike stay near to one another, and pieces of them at the
    same times are compared as pairs.
    """

    temperature_k: float = 300.0
    time_ps: float = 2.0
    timestep_fs: float | None = None
    friction_per_fs: float = 0.01
    length_ang: float = 10.0
    most_atoms: int = 200
    seed: int = 1

    NAME: ClassVar = "structure"
    TITLE: ClassVar = "structure at a temperature"

    def problems(self) -> list[Problem]:
        """Numbers that can't be, and MD that is over before anything is kept of it."""
        positive = {
            "temperature_k": self.temperature_k,
            "time_ps": self.time_ps,
            "timestep_fs": self._timestep_fs(has_hydrogen=False),
            "friction_per_fs": self.friction_per_fs,
        }
        wrong = [
            Problem(f"structure: {key}", f"is {one:g}.", "> 0") for key, one in positive.items() if not 0 < one < inf
        ]
        if wrong:
            return wrong
        motion = self._motion(has_hydrogen=False, n_atoms=FEW_ATOMS)
        if motion.n_kept >= LEAST_BLOCKS:
            return []
        found = f"is {self.time_ps:g} ps, of which the first {motion.settling_ps:.2g} ps are left out."
        least_ps = motion.settling_ps + 1e-3 * LEAST_BLOCKS * max(SPACING_FS, motion.timestep_fs)
        return [Problem("structure: time_ps", found, f">= {least_ps:.2g} ps", "Give it more time.")]

    def unfit(self, atoms: "Atoms") -> str | None:
        """A single atom is no distance from any; cells with a charge or spin of their own are not repeated."""
        if len(atoms) == 1 and not any(solid_axes(atoms)):
            return "it is a single atom"
        return of_one_cell(atoms, self._repeats(atoms))

    def effort(self, atoms: "Atoms") -> Effort:
        """Each step, and the start."""
        return Effort(0, self._motion_of(atoms).n_steps + 1, len(atoms) * prod(self._repeats(atoms)))

    def measure(self, specimen: Specimen) -> Measured:
        """Functions and numbers of one run, by pieces of it."""
        atoms, recorded = specimen.atoms, specimen.method.runs.get(specimen.name)
        if recorded is None:
            motion, repeats = self._motion_of(atoms), self._repeats(atoms)
            course = tuple(moved(specimen, atoms.repeat(repeats), motion))
            alone = Measured((), remarks=tuple(self._remarks(atoms)), course=(course,))
        else:
            remarks = tuple(self._remarks_on(recorded, atoms))
            alone = Measured((), remarks=remarks, course=tuple(recorded), has_own_noise=True)
        (found,) = self.together([alone])
        if not found.quantities:
            raise Unmeasurable("no two atoms are near each other")
        return found

    def together(self, found: Sequence[Measured]) -> list[Measured]:
        """The same runs, with neighbours that are the same ones for all methods."""
        functions = functions_of([one.course for one in found])
        shown = _shown(functions)
        said = _shells_said(functions)
        return [
            replace(
                one,
                quantities=tuple(_quantities(functions, place)),
                panels=tuple(_panel(curve, shown[curve.key]) for curve in functions.curves[place]),
                remarks=(*(words for words in one.remarks if not words.startswith(NEIGHBOURS)), said),
            )
            for place, one in enumerate(found)
        ]

    def _remarks(self, atoms: "Atoms") -> Iterator[str]:
        """How it was moved, and what its size and shape do to the numbers."""
        motion, repeats = self._motion_of(atoms), self._repeats(atoms)
        n_atoms, solid = len(atoms) * prod(repeats), solid_axes(atoms)
        cells = f" ({' x '.join(map(str, repeats))} cells)" if prod(repeats) > 1 else ""
        yield (
            f"MD of {n_atoms} atoms{cells} at {motion.temperature_k:g} K and constant volume: {motion.time_ps:g} ps in "
            f"steps of {motion.timestep_fs:g} fs, without the first {motion.settling_ps:.2g} ps; ± is half of the 95 % "
            f"interval by {LEAST_BLOCKS} pieces of it"
        )
        piece_ps = (motion.time_ps - motion.settling_ps) / LEAST_BLOCKS
        if piece_ps < 1e-3 * LEAST_MEMORIES / motion.friction_per_fs:
            yield (
                f"pieces of {piece_ps:.2g} ps remember one another: intervals are too narrow, and a longer MD is needed"
            )
        sizes = [height * n for height, n, is_solid in zip(heights(atoms), repeats, solid, strict=True) if is_solid]
        if sizes and min(sizes) < self.length_ang - 1e-6:
            yield (
                f"the supercell is {min(sizes):.1f} Å long, for want of more than {self.most_atoms} atoms: farther "
                "than half of it atoms see their own images"
            )
        if not all(solid):
            what = "a molecule" if not any(solid) else "no solid in all directions"
            yield f"it is {what}, without a volume: distances are neighbours of an atom per Å, and no g(r)"

    def _remarks_on(self, recorded: Sequence[Run], atoms: "Atoms") -> Iterator[str]:
        """What is taken of runs that are there, and what can't be known of them."""
        n_structures, n_runs = sum(map(len, recorded)), len(recorded)
        runs, pieces = ("a run", "it") if n_runs == 1 else (f"{n_runs} runs", "them")
        pieces = f"{LEAST_BLOCKS} pieces of {pieces}" if n_runs < LEAST_BLOCKS else "these runs"
        yield (
            f"{n_structures} structures of {runs}, from the first to the last; ± is half of the 95 % interval by "
            f"{pieces}, each of which should be {1e-3 * LEAST_MEMORIES / self.friction_per_fs:g} ps and more "
            "(times are not read)"
        )
        yield f"it should have been moved at {self.temperature_k:g} K like the others: that is not looked at"
        if all(solid_axes(atoms)):
            own = float(np.mean([abs(np.linalg.det(frame.cell)) for run in recorded for frame in run])) / len(atoms)
            given = float(atoms.cell.volume) / len(atoms)
            if abs(own / given - 1) > MOST_DENSER:
                yield f"its cell has {own:.2f} Å³ per atom, that of the others {given:.2f}: numbers differ by that, too"

    def _timestep_fs(self, *, has_hydrogen: bool) -> float:
        if self.timestep_fs is not None:
            return self.timestep_fs
        return WITH_HYDROGEN_FS if has_hydrogen else USUAL_TIMESTEP_FS

    def _motion(self, *, has_hydrogen: bool, n_atoms: int) -> Motion:
        timestep_fs = self._timestep_fs(has_hydrogen=has_hydrogen)
        spacing_fs = SPACING_OF_FEW_FS if n_atoms < FEW_ATOMS else SPACING_FS
        return Motion(self.temperature_k, self.time_ps, timestep_fs, self.friction_per_fs, self.seed, spacing_fs)

    def _motion_of(self, atoms: "Atoms") -> Motion:
        n_atoms = len(atoms) * prod(self._repeats(atoms))
        return self._motion(has_hydrogen=bool((atoms.numbers == 1).any()), n_atoms=n_atoms)

    def _repeats(self, atoms: "Atoms") -> tuple[int, int, int]:
        return repeats_for(atoms, self.length_ang, most_atoms=self.most_atoms)


NEIGHBOURS: Final = "neighbours up to: "


def _shells_said(functions: Functions) -> str:
    within = ", ".join(f"{pair_words(pair)} {end_ang:.2f} Å" for pair, end_ang in functions.shells.items())
    return f"{NEIGHBOURS}{within or 'none'}; bonds: {', '.join(map(pair_words, functions.bonds)) or 'none'}"


def _quantities(functions: Functions, place: int) -> Iterator[Quantity]:
    """Numbers of one method; rings that others alone have are none of it."""
    own = {one.key: one for one in functions.numbers[place]}
    others = [one for some in functions.numbers for one in some if one.unit == "1/atom"]
    for one in others:
        own.setdefault(one.key, Number(one.key, one.words, one.unit, np.zeros(functions.n_blocks[place])))
    for one in own.values():
        known = one.values[np.isfinite(one.values)]
        if len(known):
            blocks = tuple(float(value) for value in known)
            least = LEAST_RELATIVE[one.unit]
            yield Quantity(one.key, one.words, one.unit, float(known.mean()), least=least, blocks=blocks)


def _panel(curve: Curve, shown: BoolArray) -> Panel:
    y, is_counted = curve.y[:, shown], curve.x_label in COUNTED
    line = Line(curve.x[shown], y.mean(axis=0), marks=is_counted, half_width=half_widths(y))
    return Panel(curve.key, curve.title, curve.x_label, curve.y_label, (line,))


def _shown(functions: Functions) -> dict[str, BoolArray]:
    """Of each curve the places from the first to the last where any method has something, one more at each end."""
    means: dict[str, list[FloatArray]] = {}
    for one in (curve for curves in functions.curves for curve in curves):
        means.setdefault(one.key, []).append(one.y.mean(axis=0))
    found = {}
    for key, some in means.items():
        largest = np.max(some, axis=0)
        seen, places = np.flatnonzero(largest > LEAST_SHOWN * largest.max()), np.arange(len(largest))
        found[key] = (places >= seen.min() - 1) & (places <= seen.max() + 1)
    return found
