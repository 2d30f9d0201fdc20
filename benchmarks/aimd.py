"""Does AIMD of several trajectories use several workers, and what is left for the campaign's own process?

    python benchmarks/aimd.py                          three minutes on two cores
    python benchmarks/aimd.py --quick --json aimd.json

Trajectories of methanol, every step a label by PySCF on workers of this machine, first on one and then on several. Then
the same with labels that sleep, since workers of this machine share its cores and those of a cluster do not. Processor
time is that of this process alone, with all its threads; MD without any labels, which is subtracted, is timed before.
"""

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from ase.build import molecule

from aims_pax.atoms import frame_of
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.departure import Departure
from aims_pax.frame import Frame, Label
from aims_pax.labelling.errands import errands_in
from aims_pax.labelling.workers.configuration import local_config
from aims_pax.labelling.workers.parsl import ParslPool
from aims_pax.protocols import Labeller
from aims_pax.sampling import BatchedSampler, Langevin, ReferenceForces, TrajectoryStart
from aims_pax.settings.methods.reference import AseCalculatorSettings, PyscfSettings

SLEEP_S = 1.0
MAX_PERCENT = 5.0

Settings = PyscfSettings | AseCalculatorSettings


@dataclass(frozen=True, slots=True)
class Steps:
    """AIMD of some trajectories on some workers; processor time in percent of one core."""

    reference: str
    workers: int
    trajectories: int
    steps: int
    step_s: float
    process_percent: float
    besides_md_percent: float


class NoTime:
    """Labels of forces that vanish, at once: what is left is MD."""

    def ask(self, frame: Frame) -> None:
        pass

    def answer(self, frame: Frame) -> Label:
        return Label(0.0, np.zeros((frame.n_atoms, 3)), None, "none", 0.0)

    def wait(self) -> None:
        pass


def sampler_of(n: int, labeller: Labeller) -> BatchedSampler:
    """Trajectories that differ in their noise."""
    methanol = frame_of(molecule("CH3OH"), system="methanol")
    start = TrajectoryStart.steady(methanol, Langevin(0.01), 300.0, 0.5, 1)
    return BatchedSampler([start] * n, ReferenceForces(labeller))


def md_s(n: int) -> float:
    """Processor time of one step of all trajectories without any labels, s."""
    sampler = sampler_of(n, NoTime())
    sampler.advance(range(n), 20)
    started = time.process_time()
    sampler.advance(range(n), 200)
    return (time.process_time() - started) / 200


def aimd(name: str, settings: Settings, n_workers: int, n: int, *, n_steps: int, md_step_s: float) -> Steps:
    """Some steps of all trajectories, on workers that have made one before."""
    with tempfile.TemporaryDirectory(prefix="aims-pax-aimd-") as scratch:
        folder = Path(scratch)
        pool = ParslPool(settings, local_config(n_workers), want_stress=False, run_dir=folder / "parsl")
        try:
            places, departure = RunFolder(folder / "books", folder / "calculations"), Departure()
            with errands_in(
                places, pool, departure, keeps_folders=False, no_progress_s=600.0, called="AIMD step"
            ) as labels:
                sampler = sampler_of(n, labels)
                sampler.advance(range(n), 1)
                began, cpu_began = time.perf_counter(), time.process_time()
                advanced = sampler.advance(range(n), n_steps)
                wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
        finally:
            pool.close()
    if problems := [moved.problem for moved in advanced if moved.problem is not None]:
        raise SystemExit(f"the MD stopped: {problems[0]}")
    percent, besides = (100 * seconds / wall_s for seconds in (cpu_s, cpu_s - n_steps * md_step_s))
    return Steps(name, n_workers, n, n_steps, wall_s / n_steps, percent, besides)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trajectories", type=int, default=4)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--steps", type=int, default=8, help="MD steps of each trajectory")
    parser.add_argument("--quick", action="store_true", help="two steps; a minute")
    parser.add_argument("--json", type=Path, help="also write the records to this file")
    arguments = parser.parse_args()
    n, n_steps = arguments.trajectories, 2 if arguments.quick else arguments.steps
    torch.set_num_threads(1)
    here = str(Path(__file__).resolve().parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    md_step_s = md_s(n)
    print(f"AIMD of {n} trajectories, {os.cpu_count()} cores; goal: below {MAX_PERCENT:g} % of a core besides MD")
    print(f"MD alone: {1000 * md_step_s:.1f} ms of processor time a step of all trajectories")
    records = []
    with tempfile.TemporaryDirectory(prefix="aims-pax-marks-") as marks:
        sleeping = {"label_s": SLEEP_S, "marks": marks}
        references: dict[str, Settings] = {
            "PBE/def2-SVP by PySCF": PyscfSettings(xc="pbe", basis="def2-svp", grid_level=1),
            f"labels that sleep {SLEEP_S:g} s": AseCalculatorSettings(
                type="ase-calculator", calculator="sleeping:Sleeping", arguments=sleeping
            ),
        }
        for name, settings in references.items():
            alone_s = None
            for n_workers in arguments.workers:
                found = aimd(name, settings, n_workers, n, n_steps=n_steps, md_step_s=md_step_s)
                alone_s = alone_s or found.step_s
                records.append(asdict(found))
                word = "ok" if found.besides_md_percent < MAX_PERCENT else "MISSED"
                print(
                    f"{name:<23}{n_workers:3d} workers  {found.step_s:6.2f} s a step  {alone_s / found.step_s:5.2f} x  "
                    f"process {found.process_percent:.1f} %, besides MD {found.besides_md_percent:.1f} %  {word}",
                    flush=True,
                )
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
