"""Relaxations of files, ionic step by ionic step: whether they have converged, in numbers and as a figure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aims_pax.calculations.lines import opened
from aims_pax.calculations.reader import READER_ERRORS
from aims_pax.calculations.registry import reader_of
from aims_pax.dataset.durable import replacing
from aims_pax.dataset.entries import Keys
from aims_pax.dataset.told import CONSISTENT, Names, structures_in
from aims_pax.errors import Problem, StructureError
from aims_pax.evaluation.relaxation import MARKS_EV_PER_ANG, Relaxation
from aims_pax.frame import BoolArray, FloatArray
from aims_pax.outcome.assessment.tables import plain_number
from aims_pax.report.paper.relaxation import DrawnRelaxation, draw_relaxations
from aims_pax.report.table import Table
from aims_pax.units import GIGAPASCAL_EV_PER_ANG3


@dataclass(frozen=True, slots=True, eq=False)
class Relaxations:
    """Some relaxations side by side.

    Parameters
    ----------
    found : tuple of Relaxation
    """

    found: tuple[Relaxation, ...]

    def text(self) -> str:
        """A paragraph for each."""
        return "\n\n".join(_paragraph(one) for one in self.found)

    def table(self) -> Table:
        """All steps as columns."""
        sizes = [one.n_steps for one in self.found]
        columns = ("energy_ev", "energy_difference_ev_per_atom", "mean_force_ev_per_ang", "max_force_ev_per_ang")
        return Table(
            relaxation=np.repeat(np.array([one.name for one in self.found], dtype=object), sizes),
            step=np.concatenate([np.arange(1, size + 1) for size in sizes]),
            **{name: np.concatenate([getattr(one, name) for one in self.found]) for name in (*columns, "pressure_gpa")},
        )

    def record(self) -> dict[str, Any]:
        """The last step of each, and from which step on forces are below what."""
        return {"relaxations": [_record(one) for one in self.found], "text": self.text()}

    def write(self, folder: str | Path) -> list[Path]:
        """Write relaxation.json, .txt, .csv, .png and .pdf; the folder is made when missing.

        Raises
        ------
        OSError
            The folder can't be written to.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"relaxation.{ending}" for ending in ("json", "txt", "csv", "png", "pdf")]
        with replacing(paths[0]) as file:
            json.dump(self.record(), file, indent=2)
        with replacing(paths[1]) as file:
            file.write(self.text() + "\n")
        self.table().write_csv(paths[2])
        draw_relaxations([_drawn(one) for one in self.found], folder / "relaxation")
        return paths


def read_relaxations(paths: Sequence[Path], keys: Keys | None = None) -> Relaxations:
    """Relaxations of files: outputs of programs that `aims-pax gather` reads, extended XYZ, and what else ASE reads.

    Parameters
    ----------
    paths : sequence of Path
    keys : Keys or None
        Names in extended XYZ; the usual ones count where there are none by these.

    Raises
    ------
    StructureError
        A file can't be read, has one structure alone, or structures of different sizes; with all of these.
    """
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    found: list[Relaxation] = []
    problems: list[Problem] = []
    for path, name in zip(paths, names, strict=True):
        try:
            found.append(_read(path, name, keys or Keys()))
        except StructureError as error:
            problems += error.problems
    if problems:
        raise StructureError(problems)
    return Relaxations(tuple(found))


def _read(path: Path, name: str, keys: Keys) -> Relaxation:
    seen = list(_steps(path, keys))
    if len(seen) < 2:
        found = f"holds {len(seen)} structure{'s' if len(seen) != 1 else ''} with an energy"
        raise StructureError(Problem(str(path), found, "all steps of a relaxation, two or more"))
    sizes = {one.n_atoms for one in seen}
    if len(sizes) > 1:
        found = f"holds structures of {min(sizes)} to {max(sizes)} atoms"
        raise StructureError(Problem(str(path), found, "the steps of one relaxation, of the same atoms"))
    forces = np.array([_lengths(one) for one in seen])
    traces = [np.nan if one.stress is None else float(one.stress[:3].sum()) for one in seen]
    pressures = -np.array(traces) / 3 / GIGAPASCAL_EV_PER_ANG3
    return Relaxation(name, sizes.pop(), np.array([one.energy for one in seen]), forces[:, 0], forces[:, 1], pressures)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What counts of one step; forces (n, 3) of some atoms, or None."""

    n_atoms: int
    energy: float
    forces: FloatArray | None
    stress: FloatArray | None
    fixed: BoolArray | None


def _steps(path: Path, keys: Keys) -> Iterator[_Seen]:
    """Of the output of a program by its reader, as `aims-pax gather` reads it; of anything else by ASE."""
    reader = reader_of(path) if path.is_file() else None
    if reader is None:
        for told in structures_in(path, (Names.of_keys(keys), CONSISTENT)):
            yield _Seen(told.frame.n_atoms, told.energy, told.forces, told.stress, told.fixed)
        return
    try:
        with opened(path) as lines:
            for step in reader.steps(lines):
                table = next((one for one in (step.forces, step.positions, step.numbers) if one is not None), None)
                if step.energy is not None and table is not None:
                    yield _Seen(len(table), step.energy, step.forces, step.stress, step.fixed)
    except READER_ERRORS as error:
        found = f"Its reader failed ({type(error).__name__}: {error})."
        raise StructureError(Problem(str(path), found, f"an output of {reader.program} as others are")) from error


def _lengths(one: _Seen) -> tuple[float, float]:
    """Mean and largest force on what is not held, eV/Å; NaN where there are none."""
    forces = one.forces
    if forces is not None and one.fixed is not None:
        forces = np.where(one.fixed, 0.0, forces)[~one.fixed.all(axis=1)]
    if forces is None or not len(forces):
        return np.nan, np.nan
    lengths = np.linalg.norm(forces, axis=1)
    return float(lengths.mean()), float(lengths.max())


def _drawn(one: Relaxation) -> DrawnRelaxation:
    return DrawnRelaxation(
        one.name,
        1000 * np.abs(one.energy_difference_ev_per_atom),
        one.mean_force_ev_per_ang,
        one.max_force_ev_per_ang,
        one.pressure_gpa,
    )


def _paragraph(one: Relaxation) -> str:
    change = 1000 * one.energy_difference_ev_per_atom
    n_rises = int(np.count_nonzero(change > 0))
    rises = f"; it rises in {n_rises}, by {plain_number(float(np.nanmax(change)))} at most" if n_rises else ""
    lines = [
        f"{one.name}: {one.n_steps} steps of {one.n_atoms} atoms",
        f"  energy    {one.energy_ev[-1]:.6f} eV; the last step: {plain_number(change[-1])} meV/atom{rises}",
    ]
    if np.isfinite(one.max_force_ev_per_ang[-1]):
        mean, most = one.mean_force_ev_per_ang[-1], one.max_force_ev_per_ang[-1]
        lines.append(f"  forces    largest {plain_number(most)}, mean {plain_number(mean)} eV/Å at the last step")
        lines.append(f"            {_below(one)}")
    if np.isfinite(one.pressure_gpa[-1]):
        lines.append(f"  pressure  {plain_number(one.pressure_gpa[-1])} GPa at the last step")
    return "\n".join(lines)


def _below(one: Relaxation) -> str:
    """From which steps on all forces are below the usual limits."""
    steps = [(limit, one.below_from(limit)) for limit in MARKS_EV_PER_ANG]
    told = [f"below {limit:g} from step {step} on" for limit, step in steps if step is not None]
    return ", ".join(told) or f"the largest does not stay below {MARKS_EV_PER_ANG[0]:g}"


def _record(one: Relaxation) -> dict[str, Any]:
    def known(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    return {
        "name": one.name,
        "n_steps": one.n_steps,
        "n_atoms": one.n_atoms,
        "energy_ev": known(one.energy_ev[-1]),
        "energy_difference_ev_per_atom": known(one.energy_difference_ev_per_atom[-1]),
        "mean_force_ev_per_ang": known(one.mean_force_ev_per_ang[-1]),
        "max_force_ev_per_ang": known(one.max_force_ev_per_ang[-1]),
        "pressure_gpa": known(one.pressure_gpa[-1]),
        "step_from_which_largest_force_is_below": {str(limit): one.below_from(limit) for limit in MARKS_EV_PER_ANG},
    }
