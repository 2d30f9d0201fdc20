"""A cheap method that the committee learns first, of its own MD: what it then knows, it need not be told at a price."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isclose
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from aims_pax.dataset.store import RunStore
from aims_pax.errors import CampaignStopped, Problem
from aims_pax.frame import Frame, Label, Split
from aims_pax.reference.registry import build_reference
from aims_pax.settings import Project
from aims_pax.settings.methods.charges import told_by
from aims_pax.settings.methods.reference import TbliteSettings
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.stages.pretrain import PretrainSettings
from aims_pax.stages import assembly
from aims_pax.stages.activities import Activity
from aims_pax.stages.beginnings import prior
from aims_pax.stages.bench import Bench
from aims_pax.stages.driver import embedded_settings, tight_binding, what_tight_binding_cannot
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import PRIORS, convergence_key
from aims_pax.stages.watching import status_at_rest

if TYPE_CHECKING:  # PyTorch and MACE take seconds to import, and what `aims-pax check` asks for needs neither
    from aims_pax.protocols import Committee
    from aims_pax.sampling import BatchedSampler, TrajectoryCheckpoint

diary = logging.getLogger("aims_pax.prior")

ROUNDS_PER_CHUNK: Final = 5
"""Labels of each trajectory between two commits: what a kill may cost."""

LABELS_PER_LINE: Final = 200
"""How often the diary says how many there are."""

SAMPLER: Final = "sampler"
"""Under which the books remember where the MD of the cheap method stands."""


class Pretrain:
    """Labels of a cheap method from its own MD, and a committee that learns them from random weights.

    All of it is kept in a folder within that of the run, in a store of its own: it is in no set, count or budget.
    """

    def __init__(self, plan: StagePlan) -> None:
        self.plan, self.name, self._settings = plan, plan.name, plan.read_as(PretrainSettings)

    def problems(self, project: Project) -> Iterator[Problem]:
        """Why the cheap method can't label the starting structures, or the committee can't learn it first."""
        keys = (*self.plan.keys, "REFERENCE")
        where = f"{project.where(*keys)}: {self.plan.said('REFERENCE')}"
        for method, problem in what_tight_binding_cannot(project, method=self._settings.REFERENCE.method):
            found = f"{method} can't label the starting structures: {problem}."
            yield Problem(where, found, "", f"Leave {self.plan.kind} out, or choose another method.")
        for system in project.systems:
            charge = told_by(project.reference_for(system)).charge or 0.0
            if not isclose(charge, round(charge), abs_tol=1e-6):
                found = f"{system.name} has the charge {charge:g}, and tight binding knows whole ones alone."
                yield Problem(where, found, "", f"Leave {self.plan.kind} out.")
            reference = project.reference_for(system)
            if isinstance(reference, TbliteSettings) and reference.method == self._settings.REFERENCE.method:
                found = f"{system.name} is labelled by {reference.method} itself: what comes first costs as much."
                allowed = "a method that costs less than REFERENCE"
                yield Problem(where, found, allowed, f"Leave {self.plan.kind} out, or choose another method for one.")
        if project.mace.training.perform_finetuning:
            found = f"TRAINING.perform_finetuning is true, and members that learn by {self.plan.said()} begin anew."
            advice = f"Keep one of them: leave {self.plan.kind} out, or set perform_finetuning: false."
            yield Problem(project.where("TRAINING", "perform_finetuning"), found, "", advice)

    def facts(self, project: Project) -> Iterator[str]:
        """What is learned first, and where it is kept."""
        settings = self._settings
        n_trajectories = max(settings.num_trajectories, len(project.systems))
        yield (
            f"{self.name}: before its first labels the committee learns {settings.n} of "
            f"{settings.REFERENCE.method}, every {settings.skip_step} steps of MD that it drives, {n_trajectories} "
            f"trajectories, for {settings.n_epochs(project.mace.training.batch_size)} epochs; they belong to no set of "
            f"the run, and are kept in {prior.books_of(assembly.run_folder(project)).root}"
        )

    def run(self, bench: Bench) -> None:
        """Label and train, from wherever that was left.

        Raises
        ------
        Departed
            The campaign was asked to leave; the same call goes on.
        CampaignStopped
            The cheap method computes no structure of its own MD.
        """
        if prior.models_of(bench.memory, bench.folder):
            return  # all of it was done, and only that it is over was not noted
        bench.close()  # workers that wait would be paid for
        with RunStore.open(prior.books_of(bench.folder).root) as store:
            _Learning(bench, self.plan, store).run()


class _Learning:
    """The labels and the training of a stage."""

    def __init__(self, bench: Bench, plan: StagePlan, store: RunStore) -> None:
        self._bench, self._name, self._store = bench, plan.name, store
        self._settings = plan.read_as(PretrainSettings)
        self._books = prior.books_of(bench.folder)
        self._memory = Memory(store, self._books)
        project, method = bench.project, self._settings.REFERENCE.method
        self._references = {
            system.name: build_reference(embedded_settings(project, system, method=method))
            for system in project.systems
        }
        self._n_labels, self._n_epochs = store.counts().n_received, 0
        self._n_epochs_in_all = self._settings.n_epochs(bench.project.mace.training.batch_size)

    def run(self) -> None:
        """Label, train, and hand over."""
        try:
            self._note()
            with self._bench.departure.cooperating():
                self._sample()
            committee = self._train()
        except BaseException:
            self._note()
            raise
        with self._bench.stopwatch.during(Activity.RECORDING):
            models = committee.export(self._books.root, self._bench.project.mace.general.name_exp)
        diary.info("%s: the models are in %s, and go on with labels of the reference", self._name, self._books.root)
        with self._bench.store.transaction():
            self._bench.memory.keep_json(prior.KEY, [path.name for path in models])
            self._keep_note()

    # -- labels -----------------------------------------------------------------------------------------------

    def _sample(self) -> None:
        """MD by the cheap method until there are as many labels as are wanted.

        Each chunk begins without wave functions, as it does after an interruption.
        """
        n_wanted = self._settings.n
        if self._n_labels >= n_wanted:
            return
        project, method = self._bench.project, self._settings.REFERENCE.method
        with self._bench.stopwatch.during(Activity.STARTING):
            forces = tight_binding(project, method=method, n_threads=assembly.n_cores())
            n_trajectories, noise = self._settings.num_trajectories, assembly.apart(self._name)
            sampler = assembly.initial_sampler(project, forces, n_trajectories=n_trajectories, noise=noise)
        beginnings = [sampler.checkpoint(index) for index in range(sampler.n_trajectories)]
        if (saved := self._memory.recall_bytes(SAMPLER)) is not None:
            sampler.load(saved)
        diary.info("%s: %d of %d labels are to be computed", self._name, n_wanted - self._n_labels, n_wanted)
        while self._n_labels < n_wanted:
            forces.forget()
            labelled = self._chunk(sampler, beginnings)
            self._keep(labelled[: n_wanted - self._n_labels], sampler)

    def _chunk(
        self, sampler: "BatchedSampler", beginnings: Sequence["TrajectoryCheckpoint"]
    ) -> list[tuple[Frame, Label]]:
        """Labels of some rounds; a trajectory that the cheap method wrecks begins anew."""
        labelled: list[tuple[Frame, Label]] = []
        problem = ""
        for _ in range(ROUNDS_PER_CHUNK):
            with self._bench.stopwatch.during(Activity.SAMPLING):
                moved = sampler.advance(range(sampler.n_trajectories), self._settings.skip_step)
            for one in moved:
                if one.problem is not None:
                    problem = one.problem
                    diary.debug("traj %02d  step %d  begins anew: %s", one.trajectory, one.md_step, problem)
                    sampler.rewind(one.trajectory, beginnings[one.trajectory])
            labelled += self._labels([sampler.frame(one.trajectory) for one in moved if one.problem is None])
            self._show_sampling(sampler, self._n_labels + len(labelled))
            if self._bench.departure.reason is not None:
                self._bench.departure.leave()
            if self._n_labels + len(labelled) >= self._settings.n:
                break
        if not labelled:
            raise CampaignStopped(
                f"{self._settings.REFERENCE.method} gave no label in {ROUNDS_PER_CHUNK * self._settings.skip_step} "
                f"steps of its own MD{f' ({problem})' if problem else ''}. Look at the starting structures, or leave "
                f"{self._name} out"
            )
        return labelled

    def _labels(self, frames: Sequence[Frame]) -> list[tuple[Frame, Label]]:
        """Structures with what the cheap method says of them, each computed by itself; those that fail are left out."""
        wants_stress, found = self._bench.project.mace.general.compute_stress, []
        with self._bench.stopwatch.during(Activity.LABELLING), TemporaryDirectory(prefix="aims-pax-prior-") as folder:
            for frame in frames:
                label = self._references[frame.system].label(frame, folder=Path(folder), want_stress=wants_stress)
                if isinstance(label, Label):
                    found.append((frame, label))
        return found

    def _keep(self, labelled: Sequence[tuple[Frame, Label]], sampler: "BatchedSampler") -> None:
        before = self._n_labels
        with self._bench.stopwatch.during(Activity.RECORDING), self._store.transaction():
            for frame, label in labelled:
                split = Split.VALIDATION if self._settings.validates(self._n_labels) else Split.TRAINING
                label_id = self._store.add_job(frame, self._name)
                self._store.add_label(label_id, label)
                self._store.assign(label_id, split)
                self._n_labels += 1
            self._memory.keep_bytes(SAMPLER, sampler.save())
        self._note()
        if before // LABELS_PER_LINE != self._n_labels // LABELS_PER_LINE or self._n_labels == self._settings.n:
            diary.info("%s: %d of %d labels", self._name, self._n_labels, self._settings.n)

    # -- training ---------------------------------------------------------------------------------------------

    def _train(self) -> "Committee":
        """The committee, trained for all epochs, with its best weights."""
        from aims_pax.learner.training.annealing import AnnealingRules
        from aims_pax.stages.convergence import Convergence, ConvergenceParts, stored_convergence

        bench, key = self._bench, convergence_key(self._name)
        with bench.stopwatch.during(Activity.STARTING):
            committee = self._begun()
        parts = ConvergenceParts(committee, self._store, self._memory, bench.stopwatch, bench.departure)
        rules = AnnealingRules(patience=self._n_epochs_in_all, margin=0.0, max_epochs=self._n_epochs_in_all)
        if (stored := stored_convergence(self._memory, key)) is not None:
            self._n_epochs = stored.n_epochs

        def show(n_epochs: int, force_mae: float | None) -> None:
            self._n_epochs = n_epochs
            words = f"learning {self._settings.REFERENCE.method}, epoch {n_epochs} of {self._n_epochs_in_all}"
            self._show(words, force_mae=force_mae)

        Convergence(parts, rules, valid_skip=1, key=key).run(tuple(range(committee.n_members)), show=show)
        return committee

    def _begun(self) -> "Committee":
        """The committee as it was left, or of random weights, with all points."""
        from aims_pax.committee import devices_of, load_committee

        project, points = prior.of_any_method(self._bench.project), list(self._store.labelled())
        checkpoint = self._memory.committee_checkpoint()
        if checkpoint is None:
            return assembly.build_committee(project, points, isolated_atoms_ev=self._free_atoms_ev())
        devices = devices_of(project.mace.misc.device)
        committee = load_committee(checkpoint, device=devices, handling=assembly.committee_handling(project))
        committee.add(points)
        return committee

    def _free_atoms_ev(self) -> dict[int, float]:
        """Energies of free atoms by the cheap method, eV; those that it does not tell are fitted."""
        method = self._settings.REFERENCE.method
        reference = build_reference(embedded_settings(self._bench.project, method=method))
        with TemporaryDirectory(prefix="aims-pax-prior-") as folder:
            told = {
                number: reference.isolated_atom_energy(number, folder=Path(folder))
                for number in self._bench.project.elements
            }
        return {number: energy for number, energy in told.items() if energy is not None}

    # -- what a person sees, and what the run remembers -------------------------------------------------------

    def _note(self) -> None:
        with self._bench.store.unflushed_transaction():
            self._keep_note()

    def _keep_note(self) -> None:
        done = {"labels": self._n_labels, "epochs": self._n_epochs}
        self._bench.memory.keep_json(f"{PRIORS}{self._name}", done)
        self._bench.memory.keep_time(self._bench.stopwatch)

    def _show_sampling(self, sampler: "BatchedSampler", n_labels: int) -> None:
        n_steps = sum(sampler.md_step(index) for index in range(sampler.n_trajectories))
        n_labels = min(n_labels, self._settings.n)
        words = f"{n_labels} of {self._settings.n} labels by {self._settings.REFERENCE.method}"
        self._show(words, n_labels=n_labels, n_running=sampler.n_trajectories, md_steps=n_steps)

    def _show(
        self,
        activity: str,
        *,
        n_labels: int | None = None,
        n_running: int = 0,
        md_steps: int = 0,
        force_mae: float | None = None,
    ) -> None:
        """Where it stands; labels and sets are those of the cheap method."""
        counts = self._store.counts()
        n_labels = counts.n_received if n_labels is None else n_labels
        self._bench.observer.show(
            replace(
                status_at_rest(counts, stage=self._name, activity=activity),
                n_running=n_running,
                n_labels_requested=n_labels,
                n_labels_received=n_labels,
                n_labels_failed=0,
                train_goal=self._settings.n - self._settings.n_valid,
                md_steps=md_steps,
                epochs=self._n_epochs,
                force_mae_ev_per_ang=force_mae,
            )
        )
