"""How fast is sampling? Steps of many trajectories per second, beside what the models alone could do.

    python benchmarks/md.py --quick
    python benchmarks/md.py --systems ethanol --models 32x1 --trajectories 32 --json md.json

Three ways to spend the same time are measured in turn, in the same process, and of each the median round counts:

- steps: BatchedSampler and Committee, all that a run does between two estimates of the uncertainty;
- limit: bare forward and backward passes of the same models on the same batch, with its graph given. The fastest of
  three ways: member after member with all of PyTorch's threads, members side by side with a thread each, and members
  and parts of the batch side by side. As much as PyTorch has to offer without anything around it;
- serial: one trajectory at a time through MACE's own ASE calculator with all members, by ASE's Langevin dynamics;
  the faster of one thread and all threads. One step costs the same with `mean` and with `member`, since that
  calculator evaluates all members.

With --compile the steps are made by compiled models, and the limit still by models as MACE builds them. On a GPU the
last column says for how much of the time it works while trajectories advance.

The models are untrained: their arithmetic is that of trained ones. With --quick it takes less than two minutes.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import mace.calculators  # before e3nn is imported by anything else
import numpy as np
import torch
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.io import read
from ase.md.langevin import Langevin as SerialLangevin
from busy import gpu_seconds

from aims_pax.batch import AtomBatch
from aims_pax.committee import Committee, CommitteeForces, Handling
from aims_pax.committee.cores import side_by_side
from aims_pax.committee.mace.graph import ModelInput, model_input
from aims_pax.committee.mace.model import frame_of as asked_by
from aims_pax.committee.mace.model import run_model
from aims_pax.frame import Frame, Label, LabelledFrame, Split
from aims_pax.sampling import BatchedSampler, Langevin, TrajectoryStart
from aims_pax.sampling.dynamics import MartynaTobiasKlein, Shape
from aims_pax.settings.committee.mace import MaceSettings

N_MEMBERS = 4
CUTOFF_ANG = 5.0
TEMPERATURE_K, TIMESTEP_FS, FRICTION_PER_FS = 300.0, 0.5, 0.01
ROUND_S = 0.5
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
NPT = MartynaTobiasKlein(Shape(isotropic=False), 50.0, 500.0)
SYSTEMS: dict[str, Callable[[], Atoms]] = {
    "ethanol": lambda: molecule("CH3CH2OH"),
    "peptide": lambda: read(Path(__file__).parent / "structures" / "ala3.xyz"),
    "crystal": lambda: bulk("Si", "diamond", a=5.43, cubic=True) * (2, 2, 2),
}


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the table; speeds are steps of single trajectories per second.

    `whole_batch_steps_per_s` is the plain way among the bare passes: member after member, each on the whole batch.
    """

    system: str
    model: str
    device: str
    dtype: str
    n_threads: int
    clock: str
    n_trajectories: int
    mode: str
    compiled: bool
    steps_per_s: float
    limit_steps_per_s: float
    whole_batch_steps_per_s: float
    serial_steps_per_s: float
    fraction_of_limit: float
    speedup: float
    gpu_busy: float | None


@dataclass(frozen=True, slots=True)
class Case:
    """A committee and the structure that it moves."""

    system: str
    model: str
    atoms: Atoms
    committee: Committee
    models: list[torch.nn.Module]
    dtype: str


def frame_of(atoms: Atoms) -> Frame:
    """The structure as the sampler takes it."""
    numbers = np.array(atoms.numbers, dtype=np.int64)
    return Frame(
        atoms.get_chemical_formula(), 0, 0, 0, numbers, np.array(atoms.positions), np.array(atoms.cell), atoms.pbc
    )


def case_of(system: str, model: str, *, device: str, dtype: str, compiled: bool = False) -> Case:
    """Untrained members for a structure; `model` is channels x max_L."""
    channels, degree = (int(part) for part in model.split("x"))
    settings = MaceSettings.model_validate(
        {
            "general": {"name_exp": "speed", "default_dtype": dtype},
            "architecture": {"num_channels": channels, "max_L": degree, "r_max": CUTOFF_ANG},
        }
    )
    atoms = SYSTEMS[system]()
    forces = np.random.default_rng(0).normal(0.0, 0.5, (len(atoms), 3))  # sets the scale of the models' forces
    point = LabelledFrame(1, frame_of(atoms), Label(-1.0, forces, None, "noise", 0.0), Split.TRAINING)
    seeds = range(1, N_MEMBERS + 1)
    committee = Committee.build(settings, [point], seeds=seeds, device=device, handling=Handling(compiled=compiled))
    return Case(system, model, atoms, committee, list(committee._models), dtype)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to spend the time: what it does in a round, told in steps of single trajectories, and before it."""

    run: Callable[[], int]
    prepare: Callable[[], None] = lambda: None


def measured(
    ways: dict[str, Way], *, budget_s: float, clock: Callable[[], float], synchronize: Callable[[], None]
) -> dict[str, float]:
    """Steps per second of each way in its median round.

    The ways take turns, so that whatever else the machine does hits all of them.
    """
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    begin, rounds = time.perf_counter(), 0
    while rounds < 3 or time.perf_counter() - begin < budget_s:
        for name, way in ways.items():
            way.prepare()
            synchronize()
            start = clock()
            steps = way.run()
            synchronize()
            if rounds:  # the first round warms up
                speeds[name].append(steps / (clock() - start))
        rounds += 1
    return {name: float(np.median(found)) for name, found in speeds.items()}


def sampling(case: Case, n_trajectories: int, mode: str, *, ensemble: str) -> tuple[Way, AtomBatch]:
    """MD steps of all trajectories from one and the same structure, and the batch of it."""
    dynamics = NPT if ensemble == "npt" else Langevin(FRICTION_PER_FS)
    start = TrajectoryStart.steady(frame_of(case.atoms), dynamics, TEMPERATURE_K, TIMESTEP_FS, 7)
    forces = CommitteeForces(case.committee, member=0 if mode == "member" else None)
    sampler = BatchedSampler([start] * n_trajectories, forces, device=case.committee.device)
    everyone = range(n_trajectories)
    checkpoints = [sampler.checkpoint(trajectory) for trajectory in everyone]
    sampler.advance(everyone, 1)
    begin = time.perf_counter()
    sampler.advance(everyone, 1)
    n_steps = max(1, min(20, round(ROUND_S / (time.perf_counter() - begin))))

    def advance() -> int:
        stopped = [moved.problem for moved in sampler.advance(everyone, n_steps) if moved.problem is not None]
        if stopped:
            raise SystemExit(f"{case.system}: {stopped[0]}")
        return n_steps * n_trajectories

    def begin_again() -> None:
        # Untrained models hold nothing together for long.
        for trajectory, checkpoint in zip(everyone, checkpoints, strict=True):
            sampler.rewind(trajectory, checkpoint)
        sampler.advance(everyone, 1)

    return Way(advance, begin_again), sampler.batch(everyone)


def bare_passes(case: Case, batch: AtomBatch, mode: str, *, ensemble: str) -> dict[str, Way]:
    """The ways to do nothing but evaluate the models on a batch, once; with stress where cells move by it."""
    device = case.committee.device
    models = case.models[:1] if mode == "member" else case.models
    for_model = asked_by(models[0])
    whole = [model_input(batch, for_model)]
    parts = [model_input(part, for_model) for part in case.committee.parts(batch, n_members=len(models))]

    def one(call: tuple[torch.nn.Module, ModelInput]) -> None:
        run_model(call[0], call[1], training=False, want_virials=ensemble == "npt")

    def in_turn() -> int:
        for model in models:
            one((model, whole[0]))
        return batch.n_structures

    def side(inputs: Sequence[ModelInput]) -> int:
        calls = [(model, data) for model in models for data in inputs]
        side_by_side(one, calls, device=device, max_threads=1)
        return batch.n_structures

    return {"in turn": Way(in_turn), "members": Way(lambda: side(whole)), "parts": Way(lambda: side(parts))}


def serial(case: Case, folder: Path, *, device: str, dtype: str) -> dict[str, Way]:
    """One trajectory through MACE's own calculator, with one thread and with all."""
    paths = [str(path) for path in case.committee.export(folder, f"{case.system}_{case.model}")]
    atoms = case.atoms.copy()
    atoms.calc = mace.calculators.MACECalculator(model_paths=paths, device=device, default_dtype=dtype)
    dynamics = SerialLangevin(
        atoms,
        TIMESTEP_FS * units.fs,
        temperature_K=TEMPERATURE_K,
        friction=FRICTION_PER_FS / units.fs,
        rng=np.random.default_rng(7),
    )

    def begin_again() -> None:
        atoms.positions = case.atoms.positions
        atoms.set_momenta(np.zeros_like(atoms.positions))
        dynamics.run(1)

    def steps(n_threads: int) -> int:
        before = torch.get_num_threads()
        torch.set_num_threads(n_threads)
        dynamics.run(5)
        torch.set_num_threads(before)
        return 5

    every = torch.get_num_threads()
    return {f"serial {n}": Way(lambda n=n: steps(n), begin_again) for n in sorted({1, every})}  # type: ignore[misc]


def busy_share(steps: Way, steps_per_s: float) -> float | None:
    """Fraction of the time that the GPU works while trajectories advance; wall time is that of the unwatched rounds."""
    done: list[int] = []
    steps.prepare()
    kernels_s = gpu_seconds(lambda: done.append(steps.run()))
    return None if kernels_s is None else kernels_s * steps_per_s / done[0]


def record_of(
    case: Case,
    n_trajectories: int,
    mode: str,
    speeds: dict[str, float],
    *,
    gpu_busy: float | None,
    arguments: argparse.Namespace,
) -> Record:
    """The fastest of the bare passes is the limit, the faster of the serial runs the baseline."""
    limit = max(speeds[name] for name in ("in turn", "members", "parts"))
    alone = max(speed for name, speed in speeds.items() if name.startswith("serial"))
    return Record(
        system=case.system,
        model=case.model,
        device=case.committee.device.type,
        dtype=arguments.dtype,
        n_threads=torch.get_num_threads(),
        clock=arguments.clock,
        n_trajectories=n_trajectories,
        mode=mode,
        compiled=arguments.compile,
        steps_per_s=speeds["steps"],
        limit_steps_per_s=limit,
        whole_batch_steps_per_s=speeds["in turn"],
        serial_steps_per_s=alone,
        fraction_of_limit=speeds["steps"] / limit,
        speedup=speeds["steps"] / alone,
        gpu_busy=gpu_busy,
    )


def records(arguments: argparse.Namespace, device: str, folder: Path) -> Iterator[Record]:
    """All cases on one device."""
    synchronize = torch.cuda.synchronize if device == "cuda" else lambda: None
    for system in arguments.systems:
        for model in arguments.models:
            case = case_of(system, model, device=device, dtype=arguments.dtype, compiled=arguments.compile)
            alone = serial(case, folder, device=device, dtype=arguments.dtype)
            for n_trajectories in arguments.trajectories:
                for mode in arguments.modes:
                    steps, batch = sampling(case, n_trajectories, mode, ensemble=arguments.ensemble)
                    ways = {"steps": steps, **bare_passes(case, batch, mode, ensemble=arguments.ensemble), **alone}
                    speeds = measured(
                        ways, budget_s=arguments.seconds, clock=CLOCKS[arguments.clock], synchronize=synchronize
                    )
                    busy = busy_share(steps, speeds["steps"]) if device == "cuda" else None
                    yield record_of(case, n_trajectories, mode, speeds, gpu_busy=busy, arguments=arguments)


def parsed() -> argparse.Namespace:
    """The command line; --quick fills what is not given with little."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS))
    parser.add_argument("--models", nargs="+", help="channels x max_L, such as 16x0 32x1")
    parser.add_argument("--trajectories", nargs="+", type=int)
    parser.add_argument("--modes", nargs="+", choices=["mean", "member"])
    parser.add_argument("--devices", nargs="+", choices=["cpu", "cuda"], help="all that there are, if not given")
    parser.add_argument("--ensemble", choices=["nvt", "npt"], default="nvt", help="npt: crystals whose cells move")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--seconds", type=float, help="time for each line of the table, at least")
    parser.add_argument(
        "--clock",
        choices=list(CLOCKS),
        default="wall",
        help="cpu: count the seconds that cores have worked for this process, for a machine that others use as well; "
        "what several cores gain together does not show then",
    )
    parser.add_argument("--compile", action="store_true", help="with `compile: true` of mace.yaml, for the steps only")
    parser.add_argument("--quick", action="store_true", help="a few lines only, in less than two minutes")
    parser.add_argument("--json", type=Path, help="also write the records to this file")
    arguments = parser.parse_args()
    few = {"models": ["16x0"], "trajectories": [8], "seconds": 2.0}
    many = {"models": ["16x0", "32x1"], "trajectories": [1, 8, 32, 128], "seconds": 15.0}
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    common = {"systems": list(SYSTEMS), "modes": ["mean", "member"], "devices": devices}
    for name, value in {**(few if arguments.quick else many), **common}.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    return arguments


def main() -> None:
    """Measure, print, write."""
    arguments = parsed()
    print("steps/s of single trajectories;  bare: forward and backward passes alone")
    print(
        f"{'system':8} {'model':6} {'device':6} {'n':>4} {'mode':7} {'steps/s':>9} {'limit':>9} {'serial':>8} "
        f"{'of limit':>9} {'speedup':>8} {'GPU busy':>9}"
    )
    found: list[Record] = []
    with tempfile.TemporaryDirectory() as folder:
        for device in arguments.devices:
            for one in records(arguments, device, Path(folder)):
                found.append(one)
                share = "" if one.gpu_busy is None else f"{one.gpu_busy:.2f}"
                print(
                    f"{one.system:8} {one.model:6} {one.device:6} {one.n_trajectories:4d} {one.mode:7} "
                    f"{one.steps_per_s:9.1f} {one.limit_steps_per_s:9.1f} {one.serial_steps_per_s:8.2f} "
                    f"{one.fraction_of_limit:9.2f} {one.speedup:8.1f} {share:>9}",
                    flush=True,
                )
                if arguments.json:
                    arguments.json.write_text(json.dumps([asdict(r) for r in found], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
