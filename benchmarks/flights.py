"""Do checks that models' deviation calls save calls of the reference? Errors of the MD that was flown, against calls.

    python benchmarks/flights.py                    five ways, three seeds: half an hour of a core
    python benchmarks/flights.py --seeds 1 --ways clock-200 early-0.10

Methanol at 300 K by GFN2-xTB, which costs so little that each fifth structure of the MD is labelled besides: the errors
are those of the forces that have moved the atoms, at structures that nobody has picked. Ways: `clock-N`, one model
that is checked at intervals which grow to N steps; `pair-200`, two models by the clock alone; `early-S`, two models
whose deviation beyond S eV/Å calls a check at once, besides the intervals of clock-200. `beyond` is the part of the
structures that breaks a tolerance (5 meV/atom, 150 meV/Å RMS). Stopped, the same command goes on with the next run.
"""

import argparse
import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from ase import Atoms, units
from ase.build import molecule
from ase.md.langevin import Langevin
from curves import append

import aims_pax as ap
from aims_pax.atoms import frame_of
from aims_pax.frame import Label
from aims_pax.learner.checks import Differences, Tolerances
from aims_pax.selection import differences

TEMPERATURE_K: Final = 300.0
N_STEPS: Final = 1000
EVERY: Final = 5
"""Steps between two structures whose true error is looked at."""

TOLERANCES: Final = {"ediff": 0.005, "frmse": 0.15}
MACE: Final[dict[str, dict[str, object]]] = {
    "ARCHITECTURE": {"num_channels": 16, "max_L": 0},
    "TRAINING": {"batch_size": 5},
    "MISC": {"device": "cpu"},
}
WAYS: Final[dict[str, dict[str, Any]]] = {
    "clock-50": {"n_max": 50},
    "clock-200": {"n_max": 200},
    "pair-200": {"n_max": 200, "ensemble_size": 2},
    "early-0.20": {"n_max": 200, "ensemble_size": 2, "early_check": 0.20},
    "early-0.10": {"n_max": 200, "ensemble_size": 2, "early_check": 0.10},
}


@dataclass(frozen=True, slots=True)
class Record:
    """One flight.

    Parameters
    ----------
    calls, refits, early : int
        Calls of the reference, trainings after checks, checks that the deviation has called.
    beyond : float
        Part of the structures that are driven by models which break a tolerance.
    rmse_mev_per_ang, worst_mev_per_ang : float
        Of the forces that have moved the atoms: over all structures, and of the worst one.
    core_s : float
    """

    way: str
    seed: int
    calls: int
    refits: int
    early: int
    beyond: float
    rmse_mev_per_ang: float
    worst_mev_per_ang: float
    core_s: float


def flown(way: str, *, seed: int, folder: Path) -> Record:
    """A flight to its end, with the true errors of what has moved the atoms."""
    own = dict(WAYS[way])
    atoms, rng = molecule("CH3OH"), np.random.default_rng(seed)
    spread = np.sqrt(atoms.get_masses() * TEMPERATURE_K * units.kB)[:, None]
    atoms.set_momenta(rng.normal(size=(len(atoms), 3)) * spread)
    began, found = time.process_time(), list[Differences]()
    with ap.fly(
        atoms,
        "tblite",
        folder=folder,
        mace={**MACE, "GENERAL": {"seed": seed}},
        tolerances=TOLERANCES,
        num_initial_steps=20,
        check_interval=5,
        adaptive_method_parameters={"n_min": 5, "n_max": own.pop("n_max"), "factor": 1.5},
        refit={"first_epochs": 100, "epochs": 20},
        **own,
    ) as flying:
        dynamics = Langevin(
            atoms, 1.0 * units.fs, temperature_K=TEMPERATURE_K, friction=0.01 / units.fs, rng=rng, fixcm=False
        )
        for step in range(N_STEPS):
            dynamics.run(1)
            if step > 20 and step % EVERY == 0:
                found.append(error_of(atoms))
        told = flying.record()
    limits = Tolerances(**TOLERANCES)
    return Record(
        way=way,
        seed=seed,
        calls=told["n_reference"],
        refits=told["n_learned"],
        early=told["n_early"],
        beyond=round(float(np.mean([bool(limits.broken(one)) for one in found])), 4),
        rmse_mev_per_ang=round(1000 * float(np.sqrt(np.mean([one.frmse**2 for one in found]))), 1),
        worst_mev_per_ang=round(1000 * max(one.frmse for one in found), 1),
        core_s=round(time.process_time() - began, 1),
    )


def error_of(atoms: Atoms) -> Differences:
    """What the forces that move the atoms now are wrong by."""
    label = ap.label(atoms.copy(), "tblite")
    assert isinstance(label, Label), label
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()  # known: no step is made for them
    return differences(label, frame_of(atoms, system=""), energy=energy, forces=forces, stress=None)


def table(records: Sequence[Record], ways: Sequence[str]) -> Iterator[str]:
    """A line for each way: means over seeds, with the range."""
    yield "way          calls           refits  early  beyond, %           RMSE, meV/Å        worst, meV/Å"
    for way in ways:
        some = [one for one in records if one.way == way]
        if not some:
            continue
        columns = ("calls", "refits", "early", "beyond", "rmse_mev_per_ang", "worst_mev_per_ang")
        calls, refits, early, beyond, rmse, worst = (np.array([getattr(one, name) for one in some]) for name in columns)
        yield (
            f"{way:11s}  {_ranged(calls):14s}  {refits.mean():5.1f}  {early.mean():5.1f}  {_ranged(100 * beyond):18s}  "
            f"{_ranged(rmse):17s}  {_ranged(worst)}"
        )


def _ranged(values: "np.ndarray[Any, Any]") -> str:
    return f"{values.mean():.1f} ({values.min():.1f} to {values.max():.1f})"


def main() -> None:
    """A line for each run, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--work", type=Path, default=Path("flights"), help="folder of the runs, and of their table")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.INFO)
    path = arguments.work / "flights.jsonl"
    arguments.work.mkdir(parents=True, exist_ok=True)
    records = [Record(**json.loads(line)) for line in path.read_text().splitlines()] if path.is_file() else []
    done = {(one.way, one.seed) for one in records}
    for seed in arguments.seeds:
        for way in arguments.ways:
            if (way, seed) in done:
                continue
            began = time.strftime("%H%M%S")
            records.append(flown(way, seed=seed, folder=arguments.work / f"{way}-{seed}-{began}"))
            append(path, records[-1])
            print(records[-1], flush=True)
    print("\n".join(table(records, arguments.ways)))


if __name__ == "__main__":
    main()
