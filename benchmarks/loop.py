"""A whole run of active learning, and the same settings one trajectory at a time: wall time, and force errors.

    python benchmarks/loop.py                             an hour and a half
    python benchmarks/loop.py --quick --json loop.json
    python benchmarks/loop.py --quick --figure profile.png
    python benchmarks/loop.py --modes mean compiled member serial --seeds 1
    python benchmarks/loop.py --goal 40 --epochs 2 --convergence-epochs 20 --trajectories 8 --modes mean own serial

Ethanol at 500 K, GFN2-xTB as the reference, four members, 32 trajectories; as in the paper (arXiv:2508.12888), ten
epochs for each point, in two slices, and convergence of the best member alone. All begin with one and the same initial
stage, which is not measured. `serial` is described in serial.py. `own` is as a run does it where nothing is said; in
`mean` and all others labels that are learned at the same time share their epochs (`share_epochs: true`). `compiled` has
`compile: true` in mace.yaml; what the compiler takes is part of its time, and is minutes on a machine that has not
compiled these models before. The error is that of the converged member, on structures of an MD by GFN2-xTB that neither
has seen.

With --figure the run is made once more, on one thread, while its stack is looked at every 3 ms: the picture shows
what the models' own arithmetic leaves over.
"""

import os

# Before anything brings OpenMP along: threads that wait for one another by spinning make a busy machine slower still.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from ase import units
from ase.io import write
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ethanol import MODELS, ethanol, labels_of
from serial import run_serially
from stacks import MODELS as MODELS_THEMSELVES
from stacks import Stacks

from aims_pax.atoms import frame_of
from aims_pax.campaign import run_campaign
from aims_pax.committee import load_models
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Frame, Label, Stage
from aims_pax.protocols import Predictor, Status
from aims_pax.report.style import BLUE, GREEN, GREY, ORANGE, PALE_BLUE, panels
from aims_pax.settings import Project, load_project

TEMPERATURE_K = 500.0
GOALS = {"speedup": 4.0, "mae_ratio": 1.1}
NAMES = {
    "mean": "aims_pax",
    "compiled": "aims_pax,\ncompiled",
    "member": "aims_pax,\none member\nmoves",
    "own": "aims_pax,\nown epochs",
    "serial": "serial",
}
COLOURS = {
    "sampling": BLUE,
    "checking": PALE_BLUE,
    "training": ORANGE,
    "converging": "#E9B48C",
    "labelling": GREEN,
    "recording": "#666666",
    "deciding": GREY,
    "starting": "#C4C4C4",
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much is run."""

    model: str
    goal: int
    epochs_per_point: int
    convergence_epochs: int
    n_trajectories: int
    skip_steps: int
    n_test: int


@dataclass(frozen=True, slots=True)
class Record:
    """One run from the end of its initial stage to its results. The error is that of the converged member, eV/Å.

    `total_s` is wall time, `core_s` that of all cores together: on a machine that others use, too, compare the latter.
    """

    mode: str
    seed: int
    model: str
    total_s: float
    core_s: float
    seconds: dict[str, float]
    n_labels: int
    n_md_steps: int
    n_epochs: int
    force_mae_ev_per_ang: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Serial over ours: times (all seeds together), and the mean of the force errors the other way round."""

    mode: str
    speedup: float
    core_speedup: float
    mae_ratio: float


class Unwatched:
    """Nobody looks at a benchmark."""

    def show(self, status: Status) -> None:
        """Not shown."""

    def close(self) -> None:
        """Nothing to close."""


def write_project(folder: Path, size: Size, *, seed: int, mode: str) -> None:
    """The two YAML files and the structure."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "ethanol.xyz", ethanol())
    channels, degree = MODELS[size.model]
    settings: dict[str, Any] = {
        "REFERENCE": {"type": "tblite"},
        "INITIAL_DATASET_GENERATION": {
            "n_points_per_sampling_step_idg": 8,
            "skip_step_initial": size.skip_steps,
            "intermediate_epochs_idg": 30,
            "max_initial_set_size": 7,
        },
        "ACTIVE_LEARNING": {
            "num_trajectories": size.n_trajectories,
            "max_train_set_size": size.goal,
            "skip_step_mlff": size.skip_steps,
            "epochs_per_worker": size.epochs_per_point,
            "intermediate_epochs_al": size.epochs_per_point // 2,
            "convergence_patience": size.convergence_epochs,
            "max_convergence_epochs": size.convergence_epochs,
            "share_epochs": mode != "own",
            "save_trajectories": False,
        },
        "MD": {
            "stat_ensemble": "nvt",
            "temperature": TEMPERATURE_K,
            "timestep": 1.0,
            "friction": 0.01,
            "seed": seed,
            "propagate_with": "member" if mode == "member" else "mean",
        },
        "MISC": {"path_to_geometry": "ethanol.xyz"},
    }
    mace = {
        "GENERAL": {"name_exp": "ethanol", "seed": 10 * seed},
        "ARCHITECTURE": {"num_channels": channels, "max_L": degree},
        "MISC": {"device": "cpu", "compile": mode == "compiled"},
    }
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (folder / "mace.yaml").write_text(yaml.safe_dump(mace), encoding="utf-8")


def project_in(folder: Path) -> Project:
    return load_project(folder, stages=(Stage.INITIAL, Stage.ACTIVE))


# -- the two ways ---------------------------------------------------------------------------------------------


def run_ours(folder: Path, size: Size, *, seed: int, mode: str, test: list[tuple[Frame, Label]]) -> Record:
    """The campaign, from where its initial stage has ended."""
    with RunStore.open_readonly(folder) as store:
        n_before = store.counts().n_received
        spent = json.loads(store.load_state("activities") or "{}")
    started, core_started = time.perf_counter(), time.process_time()
    summary = run_campaign(project_in(folder), stages=(Stage.ACTIVE,), observer=Unwatched())
    total_s, core_s = time.perf_counter() - started, time.process_time() - core_started
    content = summary.content
    models = load_models([folder / "results" / content["product"]["model"]], device="cpu")
    return Record(
        mode=mode,
        seed=seed,
        model=size.model,
        total_s=total_s,
        core_s=core_s,
        seconds={name: after - spent.get(name, 0.0) for name, after in content["wall_s"].items()},
        n_labels=content["labels"]["received"] - n_before,
        n_md_steps=content["md_steps_active"],
        n_epochs=content["epochs"]["active"] + size.convergence_epochs,
        force_mae_ev_per_ang=force_mae(models, 0, test),
    )


def run_baseline(folder: Path, size: Size, *, seed: int, test: list[tuple[Frame, Label]]) -> Record:
    """The serial run, from where the same initial stage has ended."""
    started, core_started = time.perf_counter(), time.process_time()
    run = run_serially(project_in(folder))
    total_s, core_s = time.perf_counter() - started, time.process_time() - core_started
    return Record(
        mode="serial",
        seed=seed,
        model=size.model,
        total_s=total_s,
        core_s=core_s,
        seconds={**run.seconds, "deciding": total_s - sum(run.seconds.values())},
        n_labels=run.n_labels,
        n_md_steps=run.n_md_steps,
        n_epochs=run.n_epochs,
        force_mae_ev_per_ang=force_mae(run.committee, run.best, test),
    )


def force_mae(models: Predictor, member: int, test: list[tuple[Frame, Label]]) -> float:
    """Of one member, mean over force components, eV/Å."""
    predicted = models.predict([frame for frame, _ in test])
    errors = [np.abs(found.forces[member] - label.forces) for found, (_, label) in zip(predicted, test, strict=True)]
    return float(np.mean(np.concatenate(errors)))


def unseen(n_structures: int) -> list[tuple[Frame, Label]]:
    """Structures of an MD by GFN2-xTB, 20 fs apart, and their labels."""
    from tblite.ase import TBLite

    rng = np.random.default_rng(2**20)
    atoms = ethanol()
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    MaxwellBoltzmannDistribution(atoms, temperature_K=2 * TEMPERATURE_K, rng=rng)  # half of it goes into the bonds
    dynamics = Langevin(atoms, units.fs, temperature_K=TEMPERATURE_K, friction=0.01 / units.fs, rng=rng)
    dynamics.run(100)
    frames = []
    for index in range(n_structures):
        dynamics.run(20)
        frames.append(frame_of(atoms, system="ethanol", trajectory=0, md_step=index))
    return list(zip(frames, labels_of(frames), strict=True))


def records_of(arguments: argparse.Namespace, size: Size, root: Path) -> Iterator[Record]:
    """Every seed in every way, from one and the same initial stage."""
    test = unseen(size.n_test)
    for seed in arguments.seeds:
        for mode in arguments.modes:
            begins_as = "own" if mode == "own" else "mean"  # how epochs are counted stays as it was when a run began
            initial, folder = root / f"initial-{begins_as}-{seed}", root / f"{mode}-{seed}"
            if not initial.exists():
                write_project(initial, size, seed=seed, mode=begins_as)
                run_campaign(project_in(initial), stages=(Stage.INITIAL,), observer=Unwatched())
            shutil.copytree(initial, folder)
            write_project(folder, size, seed=seed, mode=mode)
            if mode == "serial":
                yield run_baseline(folder, size, seed=seed, test=test)
            else:
                yield run_ours(folder, size, seed=seed, mode=mode, test=test)


# -- tables and the picture -----------------------------------------------------------------------------------


def compare(records: list[Record]) -> Iterator[Comparison]:
    """Every way of ours against the serial one."""
    serial = [record for record in records if record.mode == "serial"]
    for mode in dict.fromkeys(record.mode for record in records if record.mode != "serial" and serial):
        ours = [record for record in records if record.mode == mode]
        mae = [np.mean([record.force_mae_ev_per_ang for record in some]) for some in (ours, serial)]
        speedup = sum(record.total_s for record in serial) / sum(record.total_s for record in ours)
        core_speedup = sum(record.core_s for record in serial) / sum(record.core_s for record in ours)
        yield Comparison(mode, speedup, core_speedup, float(mae[0] / mae[1]))


def show(record: Record) -> None:
    parts = "  ".join(f"{record.seconds.get(name, 0.0):8.1f}" for name in COLOURS)
    print(
        f"{record.mode:7s} {record.seed:4d} {record.total_s:8.1f} {record.core_s:7.1f}  {parts} "
        f"{record.n_labels:8d} {record.n_md_steps:9d} {record.n_epochs:7d} {1000 * record.force_mae_ev_per_ang:11.1f}",
        flush=True,
    )


def profiled(size: Size, root: Path) -> dict[str, float]:
    """Shares of a run's time by what it was at work on, on one thread."""
    folder = root / "profiled"
    write_project(folder, size, seed=1, mode="mean")
    run_campaign(project_in(folder), stages=(Stage.INITIAL,), observer=Unwatched())
    before, stacks = torch.get_num_threads(), Stacks()
    torch.set_num_threads(1)
    try:
        with stacks.watching():
            run_campaign(project_in(folder), stages=(Stage.ACTIVE,), observer=Unwatched())
    finally:
        torch.set_num_threads(before)
    return stacks.shares()


def draw(path: Path, records: list[Record], shares: Mapping[str, float]) -> None:
    """Left: both ways by activity. Right: what the models leave over."""
    first = {record.mode: record for record in reversed(records)}
    with panels(path, n_columns=2, width_in=10.0, height_in=3.4) as (bars, rest):
        for place, (_mode, record) in enumerate(first.items()):
            start = 0.0
            for name, colour in COLOURS.items():
                width = record.seconds.get(name, 0.0)
                bars.barh(place, width, left=start, color=colour, height=0.6, label=name if place == 0 else None)
                start += width
            bars.text(start, place, f" {record.total_s:.0f} s", va="center")
        bars.set_yticks(range(len(first)), [NAMES[mode] for mode in first])
        bars.set(xlabel="wall time, s", title="One active-learning run", xlim=(0, 1.15 * bars.get_xlim()[1]))
        bars.grid(visible=False, axis="y")
        bars.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.45, -0.2), handlelength=1.0, columnspacing=1.0)
        others = {name: share for name, share in shares.items() if name != MODELS_THEMSELVES and share >= 0.0005}
        names = list(others)[::-1]
        rest.barh(names, [100 * others[name] for name in names], color=BLUE, height=0.6)
        for place, name in enumerate(names):
            rest.text(100 * others[name], place, f" {100 * others[name]:.1f}", va="center")
        own = shares.get(MODELS_THEMSELVES, 0.0)
        rest.set(
            xlabel="% of the run's time, one thread",
            title=f"Models at work: {own:.0%}. The rest:",
            xlim=(0, 1.2 * max(100 * share for share in others.values())),
        )
        rest.grid(visible=False, axis="y")


def write_json(path: Path | None, records: Sequence[Record | Comparison]) -> None:
    """What there is so far, where that was asked for: a long measurement may be cut off."""
    if path is not None:
        path.write_text(json.dumps([asdict(one) for one in records], indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="16x0")
    parser.add_argument("--goal", type=int, default=48, help="training structures at the end")
    parser.add_argument("--epochs", type=int, default=10, help="for each point, in two slices")
    parser.add_argument("--convergence-epochs", type=int, default=200)
    parser.add_argument("--trajectories", type=int, default=32)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], help="models and dynamics of each run")
    parser.add_argument(
        "--modes", nargs="+", choices=list(NAMES), default=["mean", "serial"], help="what to measure, in this order"
    )
    parser.add_argument("--quick", action="store_true", help="one seed, 14 structures; within two minutes")
    parser.add_argument("--figure", type=Path, help="draw where the time goes into this PNG")
    parser.add_argument("--json", type=Path, help="also write the records to this file")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.goal, arguments.convergence_epochs = [1], 14, 5
    size = Size(
        model=arguments.model,
        goal=arguments.goal,
        epochs_per_point=arguments.epochs,
        convergence_epochs=arguments.convergence_epochs,
        n_trajectories=arguments.trajectories,
        skip_steps=10 if arguments.quick else 20,
        n_test=20 if arguments.quick else 100,
    )
    print(f"{size}, {torch.get_num_threads()} threads\n")
    print(
        f"mode    seed  total s  core s  {'  '.join(f'{name[:8]:>8s}' for name in COLOURS)}"
        "   labels  MD steps  epochs  MAE meV/Å"
    )
    with tempfile.TemporaryDirectory(prefix="aims-pax-loop-") as folder:
        records = []
        for record in records_of(arguments, size, Path(folder)):
            show(record)
            records.append(record)
            write_json(arguments.json, records)
        compared = list(compare(records))
        for one in compared:
            is_met = one.speedup >= GOALS["speedup"] and one.mae_ratio <= GOALS["mae_ratio"]
            print(
                f"\n{one.mode}: {one.speedup:.2f} times faster than serial (>= {GOALS['speedup']:g}; cores: "
                f"{one.core_speedup:.2f}), force MAE "
                f"{one.mae_ratio:.2f} times the serial one (<= {GOALS['mae_ratio']:g})   {'ok' if is_met else 'MISSED'}"
            )
        if arguments.figure:
            shares = profiled(size, Path(folder))
            print("\n" + "\n".join(f"{100 * share:6.2f} %  {name}" for name, share in shares.items()))
            draw(arguments.figure, records, shares)
    write_json(arguments.json, [*records, *compared])


if __name__ == "__main__":
    main()
