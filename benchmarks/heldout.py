"""Errors by loop on structures that nobody picked: frames of MD that are labelled one by one, RMSE with its intervals.

`carbon.py` measures the models before and after each round of exploration by it, on the same structures.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.io import read, write
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.stress import voigt_6_to_full_3x3_stress

from aims_pax.frame import FloatArray, Frame, Label, LabelFailure
from aims_pax.xyz import drop_cut_off

if TYPE_CHECKING:
    from aims_pax.outcome.evaluate import MeasuredModels

QUANTITIES: Final = {"energy": "meV/atom", "forces": "meV/Å", "stress": "meV/Å³"}
N_DRAWS: Final = 5000
FEWEST: Final = 3
"""Blocks, below which there is no interval."""


@dataclass(frozen=True, slots=True)
class Motion:
    """MD that frames are taken from: uniformly in time, whatever anybody says of them.

    Parameters
    ----------
    temperatures_k : tuple of float
    n_frames : int
        Of each trajectory.
    apart_fs : float
        Between two of them, and before the first.
    timestep_fs : float
    friction_per_fs : float
    """

    temperatures_k: tuple[float, ...]
    n_frames: int
    apart_fs: float
    timestep_fs: float = 1.0
    friction_per_fs: float = 0.02


def moved(starts: Mapping[str, Atoms], driver: Calculator, motion: Motion, *, seed: int) -> Iterator[Atoms]:
    """Frames of a trajectory from each start at each temperature; which one it was stands in `info`."""
    rng = np.random.default_rng(seed)
    number = 0
    for name, start in starts.items():
        for temperature in motion.temperatures_k:
            atoms = start.copy()
            atoms.calc = driver
            MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
            dynamics = Langevin(
                atoms,
                motion.timestep_fs * units.fs,
                temperature_K=temperature,
                friction=motion.friction_per_fs / units.fs,
                rng=rng,
                fixcm=False,
            )
            for _ in range(motion.n_frames):
                dynamics.run(round(motion.apart_fs / motion.timestep_fs))
                frame = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
                frame.info = {"system": name, "trajectory": number, "md_step": dynamics.nsteps}
                yield frame
            number += 1


def label_all(frames: Sequence[Atoms], file: Path, label: Callable[[Atoms], Label | LabelFailure]) -> list[str]:
    """Add to a file the labels that it lacks, one by one; what can't be labelled, in words."""
    failed = []
    if file.is_file():
        drop_cut_off(file)
    known = {_identity(one) for one in (read(file, ":") if file.is_file() else [])}
    for frame in frames:
        if _identity(frame) in known:
            continue
        found = label(frame)
        if isinstance(found, LabelFailure):
            failed.append(f"{frame.info['system']}, trajectory {frame.info['trajectory']}: {found.message}")
            continue
        one = frame.copy()
        one.info["REF_energy"] = found.energy
        one.arrays["REF_forces"] = found.forces
        if found.stress is not None:
            one.info["REF_stress"] = voigt_6_to_full_3x3_stress(found.stress)
        write(file, one, append=True)
    return failed


def _identity(atoms: Atoms) -> tuple[int, int]:
    return int(atoms.info["trajectory"]), int(atoms.info["md_step"])


@dataclass(frozen=True, slots=True, eq=False)
class Squares:
    """Squared errors of the mean of some models, structure by structure.

    Parameters
    ----------
    sums, counts : (n_structures,)
        Of the components of each; stress of what is no crystal has none.
    """

    sums: FloatArray
    counts: FloatArray

    def of(self, chosen: Sequence[int]) -> "Squares":
        """Some of the structures, or blocks."""
        return Squares(self.sums[list(chosen)], self.counts[list(chosen)])

    def together(self, blocks: Sequence[Sequence[int]]) -> "Squares":
        """By block."""
        found = [self.of(block) for block in blocks]
        return Squares(np.array([one.sums.sum() for one in found]), np.array([one.counts.sum() for one in found]))


def squares(measured: "MeasuredModels") -> dict[str, Squares]:
    """By quantity; energy in eV/atom, forces in eV/Å, stress in eV/Å³."""
    found: dict[str, list[tuple[float, int]]] = {quantity: [] for quantity in QUANTITIES}
    for label, said in zip(measured.labels, measured.predictions, strict=True):
        n_atoms = len(label.forces)
        found["energy"].append((((float(said.energies.mean()) - label.energy) / n_atoms) ** 2, 1))
        forces = said.forces.mean(axis=0) - label.forces
        found["forces"].append((float(np.square(forces).sum()), forces.size))
        if label.stress is None or said.stress is None:
            found["stress"].append((0.0, 0))
        else:
            found["stress"].append((float(np.square(said.stress.mean(axis=0) - label.stress).sum()), 6))
    return {
        quantity: Squares(np.array([one for one, _ in rows]), np.array([float(n) for _, n in rows]))
        for quantity, rows in found.items()
    }


def blocks_of(frames: Iterable[Frame]) -> list[list[int]]:
    """Indices by trajectory; what was made is a block by itself."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for index, frame in enumerate(frames):
        key = (frame.system, frame.trajectory) if frame.md_step else (index,)
        found.setdefault(key, []).append(index)
    return list(found.values())


def rmse(some: Squares) -> float | None:
    """Root of the mean square; None of nothing."""
    return None if not some.counts.sum() else float(np.sqrt(some.sums.sum() / some.counts.sum()))


def intervals(by_point: Sequence[Squares]) -> list[list[float] | None]:
    """95 % intervals of the RMSE of each point, and of the last over the first, of blocks drawn again.

    Parameters
    ----------
    by_point : sequence of Squares
        Of the same blocks, so that they are drawn for all points alike.

    Returns
    -------
    list of [low, high] or None
        None where fewer than three blocks have the quantity; of the last over the first also where that may be zero.

    Notes
    -----
    Percentiles of a bootstrap (Efron, Ann. Stat. 7, 1, 1979).
    """
    with_some = np.flatnonzero(by_point[0].counts)
    if len(with_some) < FEWEST:
        return [None] * (len(by_point) + 1)
    drawn = np.random.default_rng(0).integers(len(with_some), size=(N_DRAWS, len(with_some)))
    chosen = with_some[drawn]
    roots = [np.sqrt(one.sums[chosen].sum(axis=1) / one.counts[chosen].sum(axis=1)) for one in by_point]
    found = [*roots, roots[-1] / roots[0]] if roots[0].all() else [*roots, None]
    return [None if one is None else np.percentile(one, [2.5, 97.5]).tolist() for one in found]


def rows_of(by_point: Mapping[str, Mapping[str, Squares]], blocks: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """A row for each quantity that there is: RMSE by point in thousandths of its unit, and the last over the first."""
    rows = []
    for quantity, unit in QUANTITIES.items():
        every = [found[quantity] for found in by_point.values()]
        some = [one.together(blocks) for one in every]
        values = [1000 * value for one in some if (value := rmse(one)) is not None]
        if not values:
            continue
        *ranges, ratio = intervals(some)
        scaled = [None if one is None else [1000 * edge for edge in one] for one in ranges]
        rows.append(
            {
                "quantity": quantity,
                "unit": unit,
                "n_structures": sum(int(np.count_nonzero(every[0].of(block).counts)) for block in blocks),
                "rmse": dict(zip(by_point, values, strict=True)),
                "interval": dict(zip(by_point, scaled, strict=True)),
                "last_over_first": values[-1] / values[0] if values[0] else None,
                "last_over_first_interval": ratio,
            }
        )
    return rows


def lines_of(name: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each row of a set of structures."""
    for row in rows:
        cells = [f"{value:8.1f} {_range(row['interval'][point], '.1f'):18s}" for point, value in row["rmse"].items()]
        over, interval = row["last_over_first"], row["last_over_first_interval"]
        ratio = "" if over is None else f"{over:6.2f} {_range(interval, '.2f')}"
        start = f"{name:14s} {row['n_structures']:3d}  {row['quantity'] + ', ' + row['unit']:17s}"
        yield f"{start} {' '.join(cells)} {ratio}".rstrip()


def _range(interval: Sequence[float] | None, digits: str) -> str:
    return "" if interval is None else f"({interval[0]:{digits}} to {interval[1]:{digits}})"
