"""How fast MD is by a model, against the number of atoms: steps per second, ns per day, and how that scales."""

import csv
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import log
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.dataset.durable import replacing
from aims_pax.departure import Departed
from aims_pax.evaluation.properties import Method, Unmeasurable
from aims_pax.frame import FloatArray
from aims_pax.reference.ase_adapter import foreign_code
from aims_pax.reference.calculation import ENGINE_ERRORS, raised_words
from aims_pax.report.properties import DrawnLine, DrawnPanel, Methods, draw_curves

if TYPE_CHECKING:
    from ase import Atoms

TEMPERATURE_K: Final = 300.0
TIMESTEP_FS: Final = 1.0
"""Of what is told in ns per day; half of it is half as fast."""

LEAST_S: Final = 2.0
"""How long steps of one size are timed at least."""
MOST_S: Final = 60.0
"""A size of which a single step takes longer is the last."""
LEAST_STEPS: Final = 3
N_WARMING: Final = 2
"""Steps before the clock runs: the first ones compile, allocate and build neighbours."""

DAY_S: Final = 86_400.0
HEADER: Final = ("model", "structure", "atoms", "threads", "steps_per_s", "ns_per_day", "steps_timed")


@dataclass(frozen=True, slots=True)
class Timed:
    """MD of one size by one method.

    Parameters
    ----------
    method, structure : str
    n_atoms : int
    n_threads : int
        Cores that a process may use, as OMP_NUM_THREADS or the machine says.
    steps_per_s : float
    n_steps : int
        That were timed.
    """

    method: str
    structure: str
    n_atoms: int
    n_threads: int
    steps_per_s: float
    n_steps: int

    @property
    def ns_per_day(self) -> float:
        """At :data:`TIMESTEP_FS`."""
        return self.steps_per_s * DAY_S * TIMESTEP_FS * 1e-6

    @property
    def curve(self) -> str:
        """What its curve is called."""
        return f"{self.method}, {self.structure}, {self.n_threads} thread{'s' * (self.n_threads > 1)}"

    def cells(self) -> tuple[object, ...]:
        """Its row of the table."""
        told = f"{self.steps_per_s:.5g}", f"{self.ns_per_day:.5g}"
        return self.method, self.structure, self.n_atoms, self.n_threads, *told, self.n_steps


@dataclass(frozen=True, slots=True)
class Speeds:
    """All that was timed, also before, on the same machine.

    Parameters
    ----------
    timed : tuple of Timed
    remarks : tuple of str
    """

    timed: tuple[Timed, ...]
    remarks: tuple[str, ...] = ()

    def curves(self) -> Mapping[str, list[Timed]]:
        """What belongs together, by growing number of atoms."""
        found: dict[str, list[Timed]] = {}
        for one in sorted(self.timed, key=lambda one: one.n_atoms):
            found.setdefault(one.curve, []).append(one)
        return found

    def text(self) -> str:
        """A table by curve, and the exponent."""
        lines = [f"{'atoms':>10}{'steps/s':>12}{'ns/day':>12}   (velocity Verlet of ASE, {TIMESTEP_FS:g} fs)"]
        for name, some in self.curves().items():
            lines.append(name)
            lines += [f"{one.n_atoms:>10}{one.steps_per_s:>12.4g}{one.ns_per_day:>12.4g}" for one in some]
            if (exponent := exponent_of(some)) is not None:
                lines.append(f"  time of a step grows as atoms to the power of {exponent:.2f} (the larger sizes)")
        return "\n".join([*lines, *(f"note: {remark}" for remark in self.remarks)])

    def write(self, folder: Path) -> list[Path]:
        """Write speed.csv and speed.png; what an earlier call has timed otherwise (threads, models) stays."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / "speed.csv", folder / "speed.png"]
        together = Speeds((*self._earlier(paths[0]), *self.timed))
        with replacing(paths[0]) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADER)
            writer.writerows(one.cells() for some in together.curves().values() for one in some)
        draw_curves(
            [[together.panel()]], paths[1], title="speed of MD", methods=Methods(tuple(together.curves()), None)
        )
        return paths

    def panel(self) -> DrawnPanel:
        """Speed against size, on logarithmic axes."""
        lines = [
            DrawnLine(name, np.array([one.n_atoms for one in some], float), _speeds(some), marks)
            for name, some in self.curves().items()
            for marks in (False, True)
        ]
        return DrawnPanel("", "atoms", "steps per second", (), lines, is_logarithmic=True)

    def _earlier(self, path: Path) -> list[Timed]:
        try:
            rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
            known = [
                Timed(
                    *(row["model"], row["structure"], int(row["atoms"]), int(row["threads"])),
                    *(float(row["steps_per_s"]), int(row["steps_timed"])),
                )
                for row in rows
            ]
        except (OSError, KeyError, ValueError):
            return []
        curves = self.curves()
        return [one for one in known if one.curve not in curves]


def _speeds(some: Sequence[Timed]) -> FloatArray:
    return np.array([one.steps_per_s for one in some], dtype=np.float64)


def exponent_of(some: Sequence[Timed]) -> float | None:
    """x of time ~ atoms^x, by least squares of logarithms over the larger sizes; None of fewer than four."""
    if len(some) < 4:
        return None
    larger = some[len(some) // 2 - (len(some) < 6) :]
    atoms = [log(one.n_atoms) for one in larger]
    return float(-np.polyfit(atoms, np.log(_speeds(larger)), 1)[0])


def sizes_of(atoms: "Atoms", *, most_atoms: int) -> "Iterator[Atoms]":
    """The structure, and supercells of it of twice as many atoms each, as long as they have no more than asked for.

    The shortest of the periodic vectors is doubled.
    """
    grown = atoms.copy()
    while len(grown) <= most_atoms:
        yield grown
        if not grown.pbc.any():
            return
        lengths = np.where(grown.pbc, grown.cell.lengths(), np.inf)
        repeats = [1, 1, 1]
        repeats[int(np.argmin(lengths))] = 2
        grown = grown.repeat(repeats)


def timed(
    structures: "Mapping[str, Atoms]",
    methods: Sequence[Method],
    *,
    most_atoms: int,
    show: Callable[[str], None] = lambda _words: None,
) -> Speeds:
    """Time MD at 300 K by each method, of each structure and its supercells.

    Parameters
    ----------
    structures : mapping of str to Atoms
    methods : sequence of Method
    most_atoms : int
    show : callable
        Takes what is being done, in words; may raise to end it.
    """
    found, remarks = list[Timed](), list[str]()
    try:
        for method in methods:
            for name, atoms in structures.items():
                for one in _curve(name, sizes_of(atoms, most_atoms=most_atoms), method, show):
                    if isinstance(one, str):
                        remarks.append(one)
                    else:
                        found.append(one)
    except Departed:
        remarks.append("left before its end: this is what was timed until then")
    return Speeds(tuple(found), tuple(remarks))


def _curve(name: str, sizes: "Iterator[Atoms]", method: Method, show: Callable[[str], None]) -> Iterator[Timed | str]:
    """Every size of a structure by one method; last a sentence, where there might have been more."""
    n_threads = int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0] or len(os.sched_getaffinity(0)))
    for grown in sizes:
        show(f"MD of {len(grown)} atoms of {name} by {method.name}")
        try:
            steps_per_s, n_steps = _speed(grown, method)
        except Unmeasurable as error:
            yield f"{len(grown)} atoms of {name} by {method.name}: {error}"
            return
        yield Timed(method.name, name, len(grown), n_threads, steps_per_s, n_steps)
        if 1 / steps_per_s > MOST_S:
            yield f"a step of {len(grown)} atoms takes {1 / steps_per_s:.0f} s: no larger size was tried"
            return


def _speed(atoms: "Atoms", method: Method) -> tuple[float, int]:
    """Steps per second, and how many were made for it.

    Raises
    ------
    Unmeasurable
        The method fails: by memory, or by itself.
    """
    from ase import units
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
    from ase.md.verlet import VelocityVerlet

    moving = atoms.copy()
    try:
        with foreign_code():
            moving.calc = method.calculator(moving)
            MaxwellBoltzmannDistribution(moving, temperature_K=TEMPERATURE_K, rng=np.random.default_rng(1))
            dynamics = VelocityVerlet(moving, TIMESTEP_FS * units.fs)
            dynamics.run(N_WARMING)
            begun = perf_counter()
            for n_steps in count(1):
                dynamics.run(1)
                passed = perf_counter() - begun
                if passed > MOST_S or (n_steps >= LEAST_STEPS and passed >= LEAST_S):
                    return n_steps / passed, n_steps
    except ENGINE_ERRORS as error:
        raise Unmeasurable(raised_words(error)) from error
    raise AssertionError("the loop has no other end")
