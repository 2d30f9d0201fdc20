"""Active learning as it was before: one trajectory at a time, every member at every step, every point by itself.

The honest baseline of loop.py. It samples with mace's own ASE calculator, which holds all members and builds its graph
anew at each step, and ASE's Langevin integrator; it trains the whole committee on the whole set for each new point, as
aims-PAX does. What is not to be measured is shared: the trainer of a single member with its graphs that are kept, the
reference, the threshold, the split of points, and the final convergence of the best member. One thread, which
for nine atoms is faster than two.
"""

import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import mace.calculators  # before e3nn is imported by anything else
import numpy as np
import torch
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

from aims_pax.atoms import atoms_of, frame_of
from aims_pax.committee import Committee, EpochPlan
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Label, LabelledFrame, Split
from aims_pax.learner import selectors
from aims_pax.learner.quota import Quota, SplitCounts
from aims_pax.learner.training.annealing import Annealing, AnnealingRules
from aims_pax.protocols import FramePrediction
from aims_pax.reference.registry import build_reference
from aims_pax.selection import SCORES
from aims_pax.settings import Project
from aims_pax.stages import assembly
from aims_pax.stages.memory import Memory


@dataclass(slots=True)
class Walker:
    """One trajectory: its atoms, what moves them, and the epochs that its newest point is still owed."""

    atoms: Atoms
    dynamics: Langevin
    epochs_left: int = 0


@dataclass(slots=True)
class SerialRun:
    """What came of it; seconds by activity."""

    committee: Committee
    best: int = 0
    """The member that was converged."""
    seconds: dict[str, float] = field(default_factory=dict)
    n_labels: int = 0
    n_md_steps: int = 0
    n_epochs: int = 0

    @contextmanager
    def during(self, activity: str) -> Iterator[None]:
        """Count the time within to an activity."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[activity] = self.seconds.get(activity, 0.0) + time.perf_counter() - started


def committee_of(project: Project) -> Committee:
    """The committee with which a run's initial stage has ended."""
    with RunStore.open_readonly(project.run_folder) as store:
        checkpoint = Memory(store, assembly.run_folder(project)).committee_checkpoint()
        if checkpoint is None:
            raise SystemExit(f"{project.run_folder} holds no committee")
        committee = Committee.load(checkpoint)
        committee.add(list(store.labelled()))
    for member in range(committee.n_members):
        committee.reset_optimizer(member)
    return committee


def run_serially(project: Project) -> SerialRun:
    """Active learning from the end of the initial stage to the goal, and the final convergence of all members."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run = SerialRun(committee_of(project))
        walkers = walkers_of(project, run.committee)
        learn(project, run, walkers)
        converge(project, run)
    finally:
        torch.set_num_threads(before)
    return run


def walkers_of(project: Project, committee: Committee) -> list[Walker]:
    """All trajectories, each with a calculator of its own on the same models: none is evaluated for another's sake."""
    models = [member.averaged.model for member in committee._members]
    walkers = []
    for index in range(project.active.num_trajectories):
        md, rng = project.md_for(index), np.random.default_rng((project.md_for(index).seed, index))
        atoms = atoms_of(project.system_for(index).frame)
        atoms.calc = mace.calculators.MACECalculator(models=models, device="cpu", default_dtype="float32")
        MaxwellBoltzmannDistribution(atoms, temperature_K=md.temperature, rng=rng)
        dynamics = Langevin(
            atoms, md.timestep * units.fs, temperature_K=md.temperature, friction=md.friction / units.fs, rng=rng
        )
        walkers.append(Walker(atoms, dynamics))
    return walkers


def learn(project: Project, run: SerialRun, walkers: Sequence[Walker]) -> None:
    """Step every trajectory in its turn, label what is uncertain, and train for each point by itself."""
    settings, reference = project.active, build_reference(project.reference)
    selector = selectors.MovingThreshold(settings.c_x, quiet_limit_steps=sys.maxsize)
    memory = selectors.Memory(selector.name)
    quota, counts = Quota(settings.valid_ratio), SplitCounts()
    committee, score = run.committee, SCORES[settings.uncertainty_type]
    plan = EpochPlan(valid_skip=settings.valid_skip, validates_last=False)
    label_id = sum(committee.n_train(m) + committee.n_valid(m) for m in range(committee.n_members))
    goal = settings.max_train_set_size
    while True:
        for index, walker in enumerate(walkers):
            if walker.epochs_left:
                with run.during("training"):
                    committee.train(settings.intermediate_epochs_al, plan=plan)
                run.n_epochs += settings.intermediate_epochs_al
                walker.epochs_left -= settings.intermediate_epochs_al
                walker.atoms.calc.reset()
                continue
            if min(committee.n_train(member) for member in range(committee.n_members)) >= goal:
                continue
            with run.during("sampling"):
                walker.dynamics.run(settings.skip_step_mlff)
            run.n_md_steps += settings.skip_step_mlff
            with run.during("checking"):
                walker.atoms.get_forces()
                forces = walker.atoms.calc.results["forces_comm"].astype(float)
                deviation = score(FramePrediction(np.zeros(len(forces)), forces, None))  # it judges by forces alone
            if not math.isfinite(deviation):
                raise SystemExit(f"trajectory {index} has become unphysical")
            seen = selectors.Observation(index, run.n_md_steps, 0, deviation, counts.n_train)
            memory, reason = selector.judged(memory, seen)
            if reason is None:
                continue
            with run.during("labelling"):
                frame = frame_of(walker.atoms, system="ethanol", trajectory=index, md_step=run.n_md_steps)
                label = reference.label(frame, folder=Path(project.run_folder) / "serial", want_stress=False)
            if not isinstance(label, Label):
                raise SystemExit(f"trajectory {index} came to a structure without a label: {label.message}")
            label_id, run.n_labels = label_id + 1, run.n_labels + 1
            counts, split = quota.place(counts)
            committee.add([LabelledFrame(label_id, frame, label, split, None)])
            walker.epochs_left = settings.epochs_per_worker if split is Split.TRAINING else 0
        is_done = min(committee.n_train(member) for member in range(committee.n_members)) >= goal
        if is_done and not any(walker.epochs_left for walker in walkers):
            return


def converge(project: Project, run: SerialRun) -> None:
    """The final convergence of the best member on all points, as the product's."""
    settings, committee = project.active, run.committee
    plan = EpochPlan(valid_skip=settings.valid_skip, validates_last=False)
    rules = AnnealingRules(settings.convergence_patience, settings.margin, settings.max_convergence_epochs)
    with run.during("converging"):
        committee.share_points()
        errors = committee.errors()
        force_mae = [math.inf if one is None else one.force_mae_ev_per_ang for one in errors]
        run.best = force_mae.index(min(force_mae))
        committee.begin_convergence((run.best,))
        annealing = Annealing.begin(rules)
        while not annealing.is_over(rules):
            committee.set_learning_rate(run.best, factor=annealing.rate_factor(rules))
            (report,) = committee.train(1, plan=plan, members=(run.best,))
            annealing = annealing.after(report.errors.loss if report.errors else None, rules)
        committee.end_convergence()
    run.n_epochs += annealing.n_epochs
