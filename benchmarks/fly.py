"""What does a flight save? MD checked against the reference on the way, beside MD by the reference alone.

    python benchmarks/fly.py                        methanol by PySCF, PBE: some twenty minutes of a core
    python benchmarks/fly.py --systems silicon      by Quantum ESPRESSO, PBE: an hour
    python benchmarks/fly.py --early 0.1            two models, whose deviation may call a check early

`speed-up` is the time that as many steps of MD by the reference would have taken (steps times the mean time of a label)
over the time that the flight took, trainings included. Errors are those of the final models on independent structures:
MD by these models from other velocities, labelled afterwards. `inside` counts those within all tolerances, which nobody
has promised: checks keep the trajectory that was flown. Stopped, the same command goes on.
"""

import argparse
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.io import read, write
from ase.md.langevin import Langevin

import aims_pax as ap
from aims_pax.atoms import frame_of
from aims_pax.committee import load_models
from aims_pax.dataset.store import RunStore
from aims_pax.face.flying import FlyingCalculator
from aims_pax.frame import Label
from aims_pax.learner.checks import Differences, Tolerances
from aims_pax.stages.fly.comparison import compared

N_INDEPENDENT: Final = 20
APART_STEPS: Final = 50
MACE: Final[dict[str, dict[str, object]]] = {
    "ARCHITECTURE": {"num_channels": 16, "max_L": 0},
    "TRAINING": {"batch_size": 5},
    "MISC": {"device": "cpu"},
}


@dataclass(frozen=True, slots=True)
class Case:
    """A structure, its reference, and how closely it is checked."""

    atoms: Atoms
    reference: dict[str, Any]
    temperature_k: float
    timestep_fs: float
    n_steps: int
    tolerances: dict[str, float]


def cases(pseudo_dir: str) -> dict[str, Case]:
    """All of them by name."""
    silicon = bulk("Si", "diamond", a=5.47, cubic=True)
    espresso = {
        "type": "espresso",
        "command": "pw.x",
        "pseudo_dir": pseudo_dir,
        "pseudopotentials": {"Si": "Si.pbe-rrkj.UPF"},
        "kspacing": 0.6,
        "protocol": "fast",
        "parameters": {"input_data": {"system": {"ecutwfc": 16.0}}},
    }
    return {
        "methanol": Case(
            molecule("CH3OH"),
            {"type": "pyscf", "xc": "PBE", "basis": "def2-svp"},
            *(300.0, 1.0, 1000),
            tolerances={"ediff": 0.005, "frmse": 0.15},
        ),
        "silicon": Case(silicon, espresso, 300.0, 2.0, 500, tolerances={"ediff": 0.003, "frmse": 0.1}),
    }


def flown(case: Case, folder: Path, *, early: float | None) -> FlyingCalculator:
    """The flight, to its end."""
    last = folder / "last.xyz"
    atoms = read(last) if last.is_file() else with_velocities(case, seed=1)
    assert isinstance(atoms, Atoms)
    several: dict[str, Any] = {} if early is None else {"ensemble_size": 2, "early_check": early}
    flying = ap.fly(
        atoms,
        case.reference,
        folder=folder,
        mace=MACE,
        tolerances=case.tolerances,
        num_initial_steps=20,
        check_interval=5,
        adaptive_method_parameters={"n_min": 5, "n_max": 500, "factor": 1.5},
        refit={"first_epochs": 200, "epochs": 30},
        **several,
    )
    dynamics = moving(atoms, case, seed=flying.n_steps)
    while flying.n_steps <= case.n_steps:
        dynamics.run(1)
        if flying.n_steps % 20 == 0:
            write(last, atoms)
    return flying


def with_velocities(case: Case, *, seed: int) -> Atoms:
    """The structure at its temperature."""
    atoms = case.atoms.copy()
    spread = np.sqrt(atoms.get_masses() * case.temperature_k * units.kB)[:, None]
    atoms.set_momenta(np.random.default_rng(seed).normal(size=(len(atoms), 3)) * spread)
    return atoms


def moving(atoms: Atoms, case: Case, *, seed: int) -> Langevin:
    """Its MD."""
    return Langevin(
        atoms,
        case.timestep_fs * units.fs,
        temperature_K=case.temperature_k,
        friction=0.01 / units.fs,
        rng=np.random.default_rng(seed),
    )


def independent(case: Case, models: list[Path]) -> list[Differences]:
    """Errors of models on structures of their own MD from other velocities."""
    atoms, ensemble, found = with_velocities(case, seed=77), load_models(models, device="cpu"), []
    atoms.calc = ap.calculator(models, device="cpu")
    dynamics = moving(atoms, case, seed=78)
    for _ in range(N_INDEPENDENT):
        dynamics.run(APART_STEPS)
        label = ap.label(atoms.copy(), case.reference)
        assert isinstance(label, Label), label
        frame = frame_of(atoms, system="")
        found.append(compared(ensemble.predict([frame])[0], label, frame))
    return found


def main() -> None:
    """A flight for each system, and what it was worth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=cases(""), default=["methanol"])
    parser.add_argument("--early", type=float, help="deviation that calls a check, eV/Å")
    parser.add_argument("--steps", type=int, help="in the place of the system's own")
    parser.add_argument("--pseudo-dir", default="/usr/share/espresso/pseudo")
    parser.add_argument("--work", type=Path, default=Path("fly"), help="folder of the flights")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name in arguments.systems:
        case = cases(arguments.pseudo_dir)[name]
        if arguments.steps is not None:
            case = Case(**{**{key: getattr(case, key) for key in Case.__slots__}, "n_steps": arguments.steps})
        folder = arguments.work / (name if arguments.early is None else f"{name}-early")
        began = time.monotonic()
        flying = flown(case, folder, early=arguments.early)
        record, models = flying.record(), flying.export(folder / "models")
        print(f"\n{name}\n{flying.report()}")
        flying.draw(folder / "flight.png")
        flying.close()
        with RunStore.open_readonly(folder) as store:
            label_s = float(np.mean([point.label.wall_s for point in store.labelled()]))
        took_s = sum(record["seconds"].values())
        words = f"{label_s:.2f} s a label: speed-up {record['n_steps'] * label_s / took_s:.1f}"
        print(f"{words}; this session {time.monotonic() - began:.0f} s")
        errors, tolerances = independent(case, models), Tolerances(**case.tolerances)
        inside = sum(not tolerances.broken(one) for one in errors)
        for key in case.tolerances:
            values = 1000 * np.array([getattr(one, key) for one in errors])
            print(f"independent structures, {key}: mean {values.mean():.2f}, largest {values.max():.2f} (milli)")
        print(f"inside all tolerances: {inside} of {len(errors)}")


if __name__ == "__main__":
    main()
