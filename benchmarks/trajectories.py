"""Does it matter to the models how many trajectories have sampled? Errors and stable runs, after one and after eight.

    python benchmarks/trajectories.py             everything: hours of a core; stopped, the same command goes on
    python benchmarks/trajectories.py --show      the tables as they are

Tables II and III of the paper (arXiv:2508.12888) in small: alanine dipeptide (22 atoms), GFN2-xTB as the reference,
active learning at 500 K by one trajectory and by eight to as many training structures, from an initial dataset that is
their own; a few seeds. The best model of each run, by its validation set, is measured: mean absolute error of forces on
structures of independent MD by the reference at 300 and 500 K, and runs of MD at both, watched as `aims-pax verify`
watches them, of which bonds longer than 2 Å are one failure among several. MD steps are those of all trajectories.
"""

import argparse
import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import torch
from ase import Atoms
from ase.io import read
from curves import append
from labels_needed import HELDOUT_SEED, Span, System, labels_at, sampled

import aims_pax as ap
from aims_pax.committee import load_models
from aims_pax.settings import Project

HERE: Final = Path(__file__).parent
TEMPERATURES_K: Final = (300.0, 500.0)
N_TRAJECTORIES: Final = (1, 8)
GOAL: Final = 60
"""Training structures."""
N_CONVERGENCE_EPOCHS: Final = 60
N_RUNS: Final = 6
"""Of MD at each temperature, by each model: twelve by the models of two seeds."""

SYSTEM: Final = System(
    name="dipeptide",
    atoms=Atoms(),
    method="GFN2-xTB",
    temperature_k=500.0,
    timestep_fs=1.0,
    labels=(),
    n_steps=0,
    n_initial_epochs=40,
    pool=Span(0, 0, 0, 0),
    heldout=Span(6, 20, 100, 20),
)


@dataclass(frozen=True, slots=True)
class Record:
    """A run of active learning, and what its best model is worth. Errors and stable runs by temperature."""

    n_trajectories: int
    seed: int
    n_labels: int
    n_md_steps: int
    mae_mev_per_ang: dict[str, float]
    stable: dict[str, int]
    recipe: str


def system_at(temperature_k: float) -> System:
    """The molecule, and how it moves by the reference."""
    atoms = read(HERE / "structures" / "alanine_dipeptide.xyz")
    assert isinstance(atoms, Atoms)
    return replace(SYSTEM, atoms=atoms, temperature_k=temperature_k)


def project_of(folder: Path, *, n_trajectories: int, seed: int) -> Project:
    """Initial dataset, active learning and convergence."""
    system = system_at(500.0)
    return ap.Project.of(
        {system.name: system.atoms},
        reference={"type": "tblite", "method": system.method},
        stages=[
            ap.initial(
                n_points_per_sampling_step_idg=8,
                max_initial_set_size=15,
                distinct_model_sets=False,
                equilibration_steps=500,
                skip_step_initial=20,
                intermediate_epochs_idg=system.n_initial_epochs,
                valid_ratio=0.1,
            ),
            ap.learn(num_trajectories=n_trajectories, max_train_set_size=GOAL, skip_step_mlff=20, valid_ratio=0.1),
            ap.converge(max_convergence_epochs=N_CONVERGENCE_EPOCHS, convergence_patience=30),
        ],
        md={"temperature": 500.0, "timestep": system.timestep_fs, "friction": 0.01, "seed": seed},
        mace={
            "GENERAL": {"name_exp": system.name, "seed": 10 * seed},
            "ARCHITECTURE": {"num_channels": 16, "max_L": 0},
            "TRAINING": {"batch_size": 5},
            "MISC": {"device": "cpu"},
        },
        misc={"verdict_ps": False},
        folder=folder,
    )


def heldout_error(model: Path, temperature_k: float, work: Path) -> float:
    """Mean absolute error of force components on MD by the reference, meV/Å."""
    system, kelvin = system_at(temperature_k), f"{temperature_k:g}"
    looks = sampled(system, system.heldout, work / f"heldout-{kelvin}.npz", seed=HELDOUT_SEED)
    frames = [frame for look in looks for frame in look]
    true = [label.forces for label in labels_at(frames, system, work / f"heldout-{kelvin}-labels.npz")]
    found = [said.forces[0] for said in load_models([model], device="cpu").predict(frames)]
    return float(1000 * np.abs(np.concatenate(found) - np.concatenate(true)).mean())


def measured(n_trajectories: int, seed: int, length_ps: float, work: Path) -> Record:
    """Run, and measure."""
    folder = work / f"{n_trajectories}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    project = project_of(folder, n_trajectories=n_trajectories, seed=seed)
    with (folder / "screen.txt").open("a", encoding="utf-8") as screen, contextlib.redirect_stdout(screen):
        run = ap.run(project)
    summary = run.summary().content
    model = run.folder / "results" / summary["product"]["model"]
    tried = ap.verify(project, temperatures_k=TEMPERATURES_K, n_runs=N_RUNS, length_ps=length_ps, seed=seed)
    kelvin = [f"{one:g}" for one in TEMPERATURES_K]
    errors = [round(heldout_error(model, one, work), 2) for one in TEMPERATURES_K]
    stable = [sum(one.failure is None for one in tried.verdicts[t].records) for t in TEMPERATURES_K]
    return Record(
        *(n_trajectories, seed, summary["labels"]["received"], summary["md_steps_active"]),
        *(dict(zip(kelvin, errors, strict=True)), dict(zip(kelvin, stable, strict=True)), recipe(length_ps)),
    )


def recipe(length_ps: float) -> str:
    """All that two lines must have in common to be compared."""
    method = f"{SYSTEM.method}, {SYSTEM.timestep_fs:g} fs, 16x0"
    return f"{method}, {GOAL} training structures, {N_CONVERGENCE_EPOCHS} epochs, MD of {length_ps:g} ps"


def table_of(path: Path) -> list[Record]:
    """What is finished."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    return [Record(**json.loads(line)) for line in lines]


def lines_of(records: Sequence[Record]) -> Iterator[str]:
    """Both tables, a line for each number of trajectories: mean ± standard deviation (seeds)."""
    kelvin = [f"{one:g}" for one in TEMPERATURES_K]
    yield "trajectories  seeds  MD steps" + "".join(f"   MAE at {t} K, meV/Å   stable at {t} K" for t in kelvin)
    for number in sorted({record.n_trajectories for record in records}):
        own = [record for record in records if record.n_trajectories == number]
        line = f"{number:12d}  {len(own):5d}  {np.mean([record.n_md_steps for record in own]):8.0f}"
        for t in kelvin:
            errors = [record.mae_mev_per_ang[t] for record in own]
            spread = f" ± {np.std(errors, ddof=1):.1f}" if len(errors) > 1 else ""
            held = f"{sum(record.stable[t] for record in own)} of {N_RUNS * len(own)}"
            line += f"{f'{np.mean(errors):.1f}{spread}':>23s}{held:>18s}"
        yield line


def main() -> None:
    """Measure what is missing, and print all that there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trajectories", nargs="+", type=int, default=list(N_TRAJECTORIES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--length", type=float, default=10.0, help="of each run of MD, ps")
    parser.add_argument("--table", type=Path, default=HERE / "results" / "trajectories.jsonl")
    parser.add_argument("--work", type=Path, default=Path("trajectories"), help="folder of MD and runs")
    parser.add_argument("--show", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.work.mkdir(parents=True, exist_ok=True)
    known = [record for record in table_of(arguments.table) if record.recipe == recipe(arguments.length)]
    done = {(record.n_trajectories, record.seed) for record in known}
    for seed, number in () if arguments.show else product(arguments.seeds, arguments.trajectories):
        if (number, seed) not in done:
            record = measured(number, seed, arguments.length, arguments.work)
            append(arguments.table, record)
            known.append(record)
            print(json.dumps(asdict(record)), flush=True)
    print("\n".join(lines_of(known)))


if __name__ == "__main__":
    main()
