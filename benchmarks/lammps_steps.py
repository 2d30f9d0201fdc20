"""What does it cost that LAMMPS moves atoms? Steps per second of a MACE committee, by LAMMPS and by BatchedSampler.

    python benchmarks/lammps_steps.py
    python benchmarks/lammps_steps.py --systems ethanol crystal --trajectories 1 8 32 --seconds 20 --json steps.json

Both move the same trajectories by the same untrained committee of four, in turn, in Langevin's NVT; the median round
counts. With a process for each trajectory beside that of the models, wall time is what matters; seconds of cores are
told as well, those of LAMMPS's processes included.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from md import FRICTION_PER_FS, SYSTEMS, TEMPERATURE_K, Case, case_of, frame_of

from aims_pax.committee import CommitteeForces
from aims_pax.sampling import BatchedSampler, Langevin, TrajectoryStart
from aims_pax.sampling.lammps import LammpsSampler, lammps_sampler

ROUND_STEPS = 10
TIMESTEP_FS = 0.01
"""So short that untrained models, which hold nothing together, need not be set back."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the table; speeds are steps of single trajectories per second of wall time.

    `core_ms` is what a step of one trajectory costs in all processes together.
    """

    system: str
    model: str
    n_trajectories: int
    lammps_steps_per_s: float
    batched_steps_per_s: float
    lammps_core_ms: float
    batched_core_ms: float


def core_seconds(sampler: BatchedSampler | LammpsSampler) -> float:
    """Seconds that cores have worked for this process, and for those of LAMMPS."""
    own = time.process_time()
    if isinstance(sampler, BatchedSampler):
        return own
    ticks = 0
    for pid in sampler.processes:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += int(words[11]) + int(words[12])
    return own + ticks / os.sysconf("SC_CLK_TCK")


def measured(case: Case, n_trajectories: int, *, seconds: float) -> Record:
    """Both, in turns, so that whatever else the machine does hits both."""
    start = TrajectoryStart.steady(frame_of(case.atoms), Langevin(FRICTION_PER_FS), TEMPERATURE_K, TIMESTEP_FS, 7)
    starts, everyone = [start] * n_trajectories, range(n_trajectories)
    driver = CommitteeForces(case.committee)
    lammps = lammps_sampler(starts, driver)
    samplers: dict[str, BatchedSampler | LammpsSampler] = {"lammps": lammps, "batched": BatchedSampler(starts, driver)}
    speeds: dict[str, list[float]] = {name: [] for name in samplers}
    cores: dict[str, list[float]] = {name: [] for name in samplers}
    begin, rounds = time.perf_counter(), 0
    while rounds < 4 or time.perf_counter() - begin < seconds:
        for name, sampler in samplers.items():
            wall, core = time.perf_counter(), core_seconds(sampler)
            stopped = [moved.problem for moved in sampler.advance(everyone, ROUND_STEPS) if moved.problem is not None]
            if stopped:
                raise SystemExit(f"{case.system}, {name}: {stopped[0]}")
            if rounds:  # the first round warms up
                speeds[name].append(ROUND_STEPS * n_trajectories / (time.perf_counter() - wall))
                cores[name].append(1000 * (core_seconds(sampler) - core) / ROUND_STEPS / n_trajectories)
        rounds += 1
    lammps.close()
    (by_lammps, lammps_ms), (batched, batched_ms) = (
        (float(np.median(speeds[name])), float(np.median(cores[name]))) for name in samplers
    )
    return Record(case.system, case.model, n_trajectories, by_lammps, batched, lammps_ms, batched_ms)


def records(arguments: argparse.Namespace) -> Iterator[Record]:
    """All lines of the table."""
    for system in arguments.systems:
        for model in arguments.models:
            case = case_of(system, model, device="cpu", dtype="float32")
            for n_trajectories in arguments.trajectories:
                yield measured(case, n_trajectories, seconds=arguments.seconds)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=["ethanol", "crystal"])
    parser.add_argument("--models", nargs="+", default=["16x0"], help="channels x max_L, such as 16x0 32x1")
    parser.add_argument("--trajectories", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--seconds", type=float, default=8.0, help="time for each line of the table, at least")
    parser.add_argument("--json", type=Path, help="also write the records to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("steps/s of single trajectories (wall), and ms of cores a step")
    print(f"{'system':8} {'model':6} {'n':>3} {'LAMMPS':>9} {'batched':>9} {'LAMMPS ms':>10} {'batched ms':>10}")
    found: list[Record] = []
    for one in records(arguments):
        found.append(one)
        print(
            f"{one.system:8} {one.model:6} {one.n_trajectories:3d} {one.lammps_steps_per_s:9.1f} "
            f"{one.batched_steps_per_s:9.1f} {one.lammps_core_ms:10.2f} {one.batched_core_ms:10.2f}",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(one) for one in found], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
