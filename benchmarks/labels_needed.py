"""How many labels does active learning need for the error that random frames give? Errors against number of labels.

    python benchmarks/labels_needed.py                    all of it: hours; stopped, the same command goes on
    python benchmarks/labels_needed.py --systems nacl --seeds 1
    python benchmarks/labels_needed.py --show             the table as it is, and the ratio
    python benchmarks/labels_needed.py --quick            some two minutes, to see that it works

Three ways to choose which structures are labelled:

- random: frames drawn at random from MD by the reference itself;
- uniform: frames of the same MD, evenly spaced in time;
- threshold: the product. Its initial dataset, then active learning by the moving threshold; the first labels of the run
  in the order in which they were asked for, those that probe, begin and validate among them.

What is chosen trains one new model, all of it, to the end: as many optimizer steps, and the same fall of the learning
rate, whatever the way and the number of labels. A seed is that of the MD, of the draw and of the weights, so that ways
are compared in pairs. Errors are those of forces on structures of independent MD by the reference, which all seeds are
measured on: the mean over components, and the largest of any atom of a structure (aims-PAX, Eq. 1), as its 95th
percentile over structures and as the worst of all. MD by the reference costs the first two ways nothing here; by an
expensive one each of its steps would be a label.

The ratio is that of labels to those of random frames at equal error, see curves.py. Its interval is the bootstrap over
seeds, whose pairs stay together; of three seeds it can be no wider than they are.

Every cell is a line of the table, written when it is finished; MD and runs are in the folder --work, and are gone on
with. Several processes may fill one table, each with systems of its own.
"""

import argparse
import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import ceil
from pathlib import Path
from typing import Final

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.io import read
from curves import BASELINE, ERRORS, Cell, Record, append, lines_of, read_table, record_of
from ethanol import MODELS, ethanol, labels_of

import aims_pax as ap
from aims_pax.committee import Committee, EpochPlan
from aims_pax.dataset.durable import replacing_bytes
from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.frame import FloatArray, Frame, Label, LabelledFrame, Split
from aims_pax.learner.training.annealing import Annealing, AnnealingRules
from aims_pax.sampling import BatchedSampler, TrajectoryStart, program_of
from aims_pax.settings import Project
from aims_pax.stages.driver import tight_binding
from aims_pax.trajectory import pack_arrays, unpack_arrays

HERE: Final = Path(__file__).parent
WAYS: Final = (BASELINE, "uniform", "threshold")

HELDOUT_SEED: Final = 2**20  # of the MD of the held-out sets; beyond all that --seeds takes
FEWEST_LABELS: Final = 12  # the run has ten before its committee chooses anything

VALID_RATIO: Final = 0.1
"""Of the run: it foretells how many labels a goal of training structures comes to."""

COMMIT_S: Final = 15.0
"""Seconds of MD that an interruption may cost."""

UNVALIDATED: Final = EpochPlan(valid_skip=2**60, validates_last=False)


@dataclass(frozen=True, slots=True)
class Span:
    """MD by the reference: trajectories, and looks at all of them, so many steps apart; the first ones are let go."""

    n_trajectories: int
    n_looks: int
    steps_per_look: int
    n_first_looks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A structure, what labels it, how it moves, and how much of everything.

    `n_steps` is the training of each cell, `labels` the numbers of labels that are compared.
    """

    name: str
    atoms: Atoms
    method: str
    temperature_k: float
    timestep_fs: float
    labels: tuple[int, ...]
    n_steps: int
    n_initial_epochs: int
    pool: Span
    heldout: Span
    model: str = "16x0"

    @property
    def recipe(self) -> str:
        """All that two cells must have in common to be compared."""
        md = f"{self.method}, {self.temperature_k:g} K, {self.timestep_fs:g} fs"
        pool, heldout = (f"{one.n_trajectories} x {one.n_looks}" for one in (self.pool, self.heldout))
        training = f"{self.model}, {self.n_initial_epochs} epochs at first, {self.n_steps} steps"
        return f"{md}; {training}; pool {pool}, held out {heldout} structures"


def systems_of(*, is_quick: bool) -> dict[str, System]:
    """All systems by name, in the order in which they are measured."""
    peptide = read(HERE / "structures" / "ala3.xyz")
    assert isinstance(peptide, Atoms)
    molecule = System(
        name="ethanol",
        atoms=ethanol(),
        method="GFN2-xTB",
        temperature_k=500.0,
        timestep_fs=1.0,
        labels=(20, 40, 80, 160),
        n_steps=2500,
        n_initial_epochs=200,
        pool=Span(8, 200, 10, 50),
        heldout=Span(6, 40, 100, 10),
    )
    if is_quick:
        few = replace(molecule, labels=(14, 20), n_steps=60, n_initial_epochs=20)
        return {"ethanol": replace(few, pool=Span(2, 20, 5, 10), heldout=Span(2, 6, 20, 5))}
    salt = replace(
        molecule,
        name="nacl",
        atoms=bulk("NaCl", "rocksalt", a=5.64, cubic=True),
        method="GFN1-xTB",
        temperature_k=600.0,
        timestep_fs=4.0,
        n_steps=1500,
        pool=Span(4, 60, 5, 15),  # half a second a step
        heldout=Span(6, 20, 15, 5),
    )
    large = replace(
        molecule,
        name="peptide",
        atoms=peptide,
        labels=(20, 40, 80),
        n_steps=800,
        n_initial_epochs=100,
        pool=Span(4, 150, 10, 50),
        heldout=Span(4, 20, 50, 10),
    )
    return {one.name: one for one in (molecule, salt, large)}


def project_of(
    system: System,
    folder: Path,
    *,
    seed: int,
    goal: float,
    labelling: Mapping[str, Mapping[str, object]] | None = None,
    learning: Mapping[str, object] | None = None,
) -> Project:
    """The run of active learning to a number of training structures; MD and models of the other ways are its own.

    `labelling` may name another reference and workers, `learning` further settings of active learning.
    """
    channels, degree = MODELS[system.model]
    return ap.Project.of(
        {system.name: system.atoms},
        **(labelling or {"reference": {"type": "tblite", "method": system.method}}),
        stages=[
            ap.initial(
                n_points_per_sampling_step_idg=8,
                max_initial_set_size=7,
                distinct_model_sets=False,  # they are few, and all members share them
                equilibration_steps=round(500 / system.timestep_fs),  # five friction times
                skip_step_initial=20,
                intermediate_epochs_idg=system.n_initial_epochs,
                valid_ratio=VALID_RATIO,
            ),
            ap.learn(
                num_trajectories=8,
                start_from="initial_dataset",
                max_train_set_size=goal,
                skip_step_mlff=20,
                valid_ratio=VALID_RATIO,
                save_trajectories=False,
                **(learning or {}),
            ),
        ],
        md={"temperature": system.temperature_k, "timestep": system.timestep_fs, "friction": 0.01, "seed": seed},
        mace={
            "GENERAL": {"name_exp": system.name, "seed": 10 * seed},
            "ARCHITECTURE": {"num_channels": channels, "max_L": degree},
            "TRAINING": {"batch_size": 5},
            "MISC": {"device": "cpu"},
        },
        misc={"verdict_ps": False},
        folder=folder,
    )


# -- structures -----------------------------------------------------------------------------------------------


def sampled(system: System, span: Span, path: Path, *, seed: int) -> list[list[Frame]]:
    """Structures of MD by the reference: looks, each at all trajectories. What `path` holds of it is gone on with."""
    project = project_of(system, path.parent, seed=seed, goal=1)
    (own,) = project.systems
    starts = [TrajectoryStart(own.frame, program_of(project.md_of(own), own), seed)] * span.n_trajectories
    sampler = BatchedSampler(starts, tight_binding(project))
    everyone, seen = range(span.n_trajectories), list[FloatArray]()
    if path.is_file():
        stored = unpack_arrays(path.read_bytes(), ("seen", "state"))
        seen = list(stored["seen"])
        sampler.load(stored["state"].tobytes())
    committed, n_looks = time.monotonic(), span.n_first_looks + span.n_looks
    while len(seen) < n_looks:
        for moved in sampler.advance(everyone, span.steps_per_look):
            if moved.problem is not None:
                raise SystemExit(f"{system.name}: MD by {system.method} broke: {moved.problem}")
        seen.append(np.array([sampler.frame(one).positions for one in everyone]))
        if len(seen) == n_looks or time.monotonic() - committed > COMMIT_S:
            state = np.frombuffer(sampler.save(), dtype=np.uint8)
            with replacing_bytes(path) as file:
                file.write(pack_arrays({"seen": np.array(seen), "state": state}))
            committed = time.monotonic()
            print(f"  MD of {path.stem} by {system.method}: {len(seen)} of {n_looks} looks", flush=True)
    return [
        [replace(own.frame, trajectory=one, md_step=look, positions=positions[one]) for one in everyone]
        for look, positions in enumerate(seen[span.n_first_looks :])
    ]


def labels_at(frames: Sequence[Frame], system: System, path: Path) -> list[Label]:
    """Labels of structures of one MD, which `path` keeps by trajectory and look."""
    known: dict[tuple[int, int], Label] = {}
    if path.is_file():
        stored = unpack_arrays(path.read_bytes(), ("places", "energies", "forces"))
        for place, energy, forces in zip(stored["places"], stored["energies"], stored["forces"], strict=True):
            known[int(place[0]), int(place[1])] = Label(float(energy), forces, None, system.method, 0.0)
    missing = [frame for frame in frames if (frame.trajectory, frame.md_step) not in known]
    committed = time.monotonic()
    for frame in missing:
        (known[frame.trajectory, frame.md_step],) = labels_of([frame], system.method)
        if frame is missing[-1] or time.monotonic() - committed > COMMIT_S:
            energies = np.array([label.energy for label in known.values()])
            forces = np.array([label.forces for label in known.values()])
            with replacing_bytes(path) as file:
                file.write(pack_arrays({"places": np.array(list(known)), "energies": energies, "forces": forces}))
            committed = time.monotonic()
    return [known[frame.trajectory, frame.md_step] for frame in frames]


def chosen_from_md(cell: Cell, looks: Sequence[Sequence[Frame]]) -> list[Frame]:
    """The first ones of one random order, so that few are among many; or evenly spaced in time."""
    if cell.way == BASELINE:
        frames = [frame for look in looks for frame in look]
        return [frames[index] for index in np.random.default_rng(cell.seed).permutation(len(frames))[: cell.labels]]
    frames = [frame for trajectory in zip(*looks, strict=True) for frame in trajectory]
    return [frames[int((index + 0.5) * len(frames) / cell.labels)] for index in range(cell.labels)]


def chosen_by_threshold(cell: Cell, system: System, folder: Path) -> list[tuple[Frame, Label]]:
    """The first labels of the run, which goes on to a further goal until it has them."""
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        pairs, n_train = labels_of_run(folder)
        if len(pairs) >= cell.labels:
            return pairs[: cell.labels]
        goal = n_train + ceil((1 - VALID_RATIO) * (cell.labels - len(pairs)))
        with (folder / "screen.txt").open("a", encoding="utf-8") as screen, contextlib.redirect_stdout(screen):
            ap.run(project_of(system, folder, seed=cell.seed, goal=goal))


def labels_of_run(folder: Path) -> tuple[list[tuple[Frame, Label]], int]:
    """All labels in the order in which they were asked for, and how many structures train."""
    if not (folder / STORE_NAME).is_file():
        return [], 0
    with RunStore.open_readonly(folder) as store:
        points = sorted(store.labelled(), key=lambda point: point.label_id)
    return [(point.frame, point.label) for point in points], sum(one.split is Split.TRAINING for one in points)


# -- a cell ---------------------------------------------------------------------------------------------------


def labelled(cell: Cell, system: System, work: Path) -> list[LabelledFrame]:
    """What is chosen, with its labels, all for training."""
    if cell.way == "threshold":
        pairs = chosen_by_threshold(cell, system, work / f"run-{cell.seed}")
    else:
        looks = sampled(system, system.pool, work / f"pool-{cell.seed}.npz", seed=cell.seed)
        frames = chosen_from_md(cell, looks)
        pairs = list(zip(frames, labels_at(frames, system, work / f"pool-{cell.seed}-labels.npz"), strict=True))
    return [LabelledFrame(index + 1, frame, label, Split.TRAINING) for index, (frame, label) in enumerate(pairs)]


def trained(points: Sequence[LabelledFrame], system: System, work: Path, *, seed: int) -> Committee:
    """One model of random weights, trained to the end: the second half of its steps at a falling rate."""
    settings = project_of(system, work, seed=seed, goal=1).mace
    committee = Committee.build(settings, points, seeds=[10 * seed])
    n_epochs = max(2, round(system.n_steps / ceil(len(points) / settings.training.batch_size)))
    rules = AnnealingRules(patience=n_epochs, margin=0.0, max_epochs=n_epochs)
    annealing = Annealing.begin(rules)
    while not annealing.is_over(rules):
        committee.set_learning_rate(0, factor=annealing.rate_factor(rules))
        committee.train(1, plan=UNVALIDATED)
        annealing = annealing.after(None, rules)
    return committee


def measured(cell: Cell, system: System, work: Path) -> Record:
    """Choose, label, train, and measure on what nobody was trained on."""
    began = time.process_time()
    work.mkdir(parents=True, exist_ok=True)
    looks = sampled(system, system.heldout, work / "heldout.npz", seed=HELDOUT_SEED)
    heldout = [frame for look in looks for frame in look]
    true = [label.forces for label in labels_at(heldout, system, work / "heldout-labels.npz")]
    committee = trained(labelled(cell, system, work), system, work, seed=cell.seed)
    found = [predicted.forces[0] for predicted in committee.predict(heldout)]
    spent_s = round(time.process_time() - began, 1)
    return record_of(cell, found, true, core_s=spent_s, recipe=system.recipe)


# -- all of them ----------------------------------------------------------------------------------------------


def cells_of(system: System, arguments: argparse.Namespace) -> Iterator[Cell]:
    """Those that were asked for: seed by seed, few labels first."""
    numbers = arguments.labels or system.labels
    most = system.pool.n_trajectories * system.pool.n_looks
    if strange := [number for number in numbers if not FEWEST_LABELS <= number <= most]:
        raise SystemExit(
            f"--labels: {strange[0]} is not from {FEWEST_LABELS} to {most}, which {system.name} has MD of."
        )
    for seed, number, way in product(arguments.seeds, numbers, arguments.ways):
        yield Cell(system.name, seed, number, way)


def finished(table: Path, systems: Sequence[System]) -> list[Record]:
    """The table, of these systems. What was made by other numbers can't stand beside it, and ends the program."""
    recipes = {system.name: system.recipe for system in systems}
    records = [record for record in read_table(table) if record.system in recipes]
    for record in records:
        if record.recipe != recipes[record.system]:
            raise SystemExit(
                f"{table}: {record.cell} is of another recipe, {record.recipe!r}, where this program has "
                f"{recipes[record.system]!r}. Name another --table, and another --work."
            )
    return records


def measure(systems: Sequence[System], arguments: argparse.Namespace) -> None:
    """All cells that the table lacks."""
    for cell in [cell for system in systems for cell in cells_of(system, arguments)]:
        if cell in {record.cell for record in finished(arguments.table, systems)}:
            continue
        system = next(one for one in systems if one.name == cell.system)
        record = measured(cell, system, arguments.work / system.name)
        append(arguments.table, record)
        errors = "  ".join(f"{getattr(record, error):8.1f}" for error in ERRORS)
        what = f"{cell.system:8s} seed {cell.seed}  {cell.labels:4d} {cell.way:9s}"
        print(f"{what} {errors} meV/Å   {record.core_s:.0f} s of a core", flush=True)


def main() -> None:
    """Measure what is missing, and print all that there is."""
    arguments = parsed()
    systems = [
        replace(one, n_steps=one.n_steps if arguments.steps is None else arguments.steps)
        for one in systems_of(is_quick=arguments.quick).values()
        if one.name in arguments.systems
    ]
    torch.set_num_threads(1)
    if not arguments.show:
        try:
            measure(systems, arguments)
        except KeyboardInterrupt as stopped:
            raise SystemExit("\nstopped: the same command goes on") from stopped
    records = finished(arguments.table, systems)
    for system in systems:
        if any(record.system == system.name for record in records):
            print("\n".join(lines_of(system.name, records)))


def parsed() -> argparse.Namespace:
    """The command line."""
    names = list(systems_of(is_quick=False))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=names, default=names)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", nargs="+", type=int, help="1 2 3 when not given, and 1 with --quick")
    parser.add_argument("--labels", nargs="+", type=int, help="numbers of labels, in the place of the system's own")
    parser.add_argument(
        "--steps", type=int, help="of each training, in the place of the system's own; in another --table"
    )
    parser.add_argument("--table", type=Path, help="results/labels_needed.jsonl beside this file, when not given")
    parser.add_argument("--work", type=Path, default=Path("labels_needed"), help="folder of MD and runs")
    parser.add_argument("--show", action="store_true", help="measure nothing")
    parser.add_argument("--quick", action="store_true", help="ethanol in little, table and all in quick/ of --work")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.work /= "quick"
    if arguments.table is None:
        arguments.table = (arguments.work if arguments.quick else HERE / "results") / "labels_needed.jsonl"
    arguments.seeds = arguments.seeds or ([1] if arguments.quick else [1, 2, 3])
    if arguments.steps is not None and arguments.steps < 1:
        parser.error(f"--steps: {arguments.steps} is not 1 or more")
    if not all(0 < seed < HELDOUT_SEED for seed in arguments.seeds):
        parser.error(f"--seeds: {arguments.seeds} are not all from 1 to {HELDOUT_SEED - 1}")
    return arguments


if __name__ == "__main__":
    main()
