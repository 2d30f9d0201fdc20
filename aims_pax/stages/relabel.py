"""The dataset labelled by another reference, which is then the one that is learned from."""

import logging
from collections.abc import Iterator, Sequence
from typing import Final

from aims_pax.dataset.records import JobStatus
from aims_pax.departure import Reason
from aims_pax.errors import CampaignStopped, Problem
from aims_pax.frame import Label
from aims_pax.labelling.desk import LabelDesk
from aims_pax.protocols import LabelDone, Status
from aims_pax.reference.by_system import in_charge
from aims_pax.reference.process.leash import NOT_HERE
from aims_pax.reference.registry import build_reference
from aims_pax.settings import InlineCluster, LocalCluster, Project
from aims_pax.settings.methods.charges import told_by
from aims_pax.settings.methods.inputs import by_reference
from aims_pax.settings.reading.document import dotted
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.stages.relabel import RelabelSettings
from aims_pax.stages import assembly
from aims_pax.stages.activities import Activity
from aims_pax.stages.bench import Bench
from aims_pax.stages.epochs import epochs_trained
from aims_pax.stages.states import RELABELS

diary = logging.getLogger("aims_pax.labels")

LABELS_PER_LINE: Final = 10
"""How often the diary says how many there are."""

NEEDS_INPUT: Final = ("fhi-aims", "asi")
"""References whose input is written for the structures of the project."""


class Relabel:
    """Labels of what there is by another reference; the models that there are go on with them."""

    def __init__(self, plan: StagePlan) -> None:
        self.plan, self.name, self._settings = plan, plan.name, plan.read_as(RelabelSettings)

    def problems(self, project: Project) -> Iterator[Problem]:
        """Why the other reference can't label the structures of the project here, or would take them for others."""
        other = project.labelled_by(self.name)
        keys = (*self.plan.keys, "REFERENCE")
        where = f"{project.where(*keys)}: {dotted(keys)}"
        if not project.systems and other.settings.reference.type in NEEDS_INPUT:
            found = f"Input for {other.settings.reference.type} is written for starting structures, and there are none."
            yield Problem(where, found, "", "Label the files of structures by aims-pax relabel, and learn these.")
            return
        yield from self._reference_problems(other, where)
        for system in project.systems:
            before, after = told_by(project.reference_for(system)), told_by(other.reference_for(system))
            for what in ("charge", "multiplicity"):
                pair = getattr(before, what), getattr(after, what)
                if None not in pair and pair[0] != pair[1]:
                    found = f"{system.name} would be labelled with {what} {pair[1]:g}, and was with {pair[0]:g}."
                    yield Problem(where, found, "", f"Give this reference the {what} of the first.")

    def _reference_problems(self, other: Project, where: str) -> Iterator[Problem]:
        reference, names = build_reference(other.reference), dict[str, list[str]]()
        is_elsewhere = not isinstance(other.settings.cluster, InlineCluster | LocalCluster)
        for system in other.systems:
            numbers = [int(number) for number in system.frame.numbers]
            for problem in in_charge(reference, system.frame).problems(numbers, periodic=bool(system.frame.pbc.any())):
                if not (is_elsewhere and NOT_HERE in problem):
                    names.setdefault(problem, []).append(system.name)
        for problem, systems in names.items():
            found, _, advice = problem.partition("; ")
            yield Problem(f"{where} for {', '.join(systems)}", f"{found}.", "", advice)
        silent = any(not reference.STRESS for reference, _ in by_reference(other.settings, other.systems))
        if silent and assembly.wants_stress(other) and any(one.frame.pbc.all() for one in other.systems):
            found = "It has no stress, and GENERAL.compute_stress of mace.yaml is true."
            yield Problem(where, found, "", "Choose another reference, or learn no stress.")

    def facts(self, project: Project) -> Iterator[str]:
        """What labels, and what becomes of the labels before."""
        what = "the dataset" if self._settings.which == "dataset" else "all that was labelled"
        name = build_reference(project.labelled_by(self.name).reference).name
        yield f"{self.name}: {what} is labelled again, by {name}; the labels before stay in the store"

    def run(self, bench: Bench) -> None:
        """Label what has no label by this reference yet, and learn from these labels from then on.

        Raises
        ------
        Departed
            The campaign was asked to leave; what is there is kept, and the same call goes on.
        CampaignStopped
            Too many structures failed in a row, or no training structure is left.
        """
        if bench.store.chosen_reference == self.name:
            return  # all of it was done, and only that it is over was not noted
        if bench.memory.recall_json(f"{RELABELS}{self.name}") is None:
            with bench.store.transaction():
                begun = {"from": bench.store.chosen_reference, "which": self._settings.which}
                bench.memory.keep_json(f"{RELABELS}{self.name}", begun)
        _Relabelling(bench, self.name, self._settings).run()
        counts = bench.store.counts(reference=self.name)
        if not counts.n_train:
            raise CampaignStopped(f"the reference of {self.name} gave no label of any training structure")
        diary.info(
            "%s: %d structures have labels by both references; %d could not be labelled and leave the dataset",
            *(self.name, counts.n_received, counts.n_failed),
        )
        bench.relabel(self.name)


class _Relabelling:
    """The labels of a stage: asked for, recorded and told of."""

    def __init__(self, bench: Bench, name: str, settings: RelabelSettings) -> None:
        self._bench, self._name, self._settings = bench, name, settings
        self._failed_in_row: list[int] = []
        store = bench.store
        self._wanted = [number for number, _ in store.structures(only_placed=settings.which == "dataset")]
        self._splits, self._n_epochs = store.counts(), epochs_trained(bench)
        counts = store.counts(reference=name)
        self._n_received, self._n_failed = counts.n_received, counts.n_failed

    def run(self) -> None:
        """Ask for what was not asked for, and wait until all has an answer."""
        bench, store = self._bench, self._bench.store
        asked = {job.structure_id for job in store.jobs(reference=self._name)}
        left = [number for number in self._wanted if number not in asked]
        if not left and not any(True for _ in store.jobs(JobStatus.SUBMITTED, reference=self._name)):
            return
        desk = bench.desk(self._name, reference=self._name)
        diary.info("%s: %d of %d structures are to be labelled", self._name, len(left), len(self._wanted))
        with bench.departure.cooperating():
            self._keep(desk, desk.resume())
            for structure_id in left:
                with store.unflushed_transaction():
                    label_id = desk.request_another(structure_id)
                desk.send(label_id)
                self._collect(desk, timeout_s=0.0)
            while desk.n_in_flight:
                self._collect(desk, timeout_s=None)

    def _collect(self, desk: LabelDesk, *, timeout_s: float | None) -> None:
        with self._bench.stopwatch.during(Activity.LABELLING):
            arrived = desk.collect(timeout_s=timeout_s)
        self._keep(desk, arrived)
        if timeout_s is None and desk.only_held:
            self._bench.departure.ask(Reason.WALLTIME)
        if self._bench.departure.reason is not None:
            with self._bench.store.unflushed_transaction():
                self._bench.memory.keep_time(self._bench.stopwatch)
            self._bench.departure.leave()

    def _keep(self, desk: LabelDesk, arrived: Sequence[LabelDone]) -> None:
        """Record answers, all that came together at once; then act on them."""
        if not arrived:
            return
        with self._bench.store.transaction():
            answers = [desk.record(done) for done in arrived]
            self._bench.memory.keep_time(self._bench.stopwatch)
        for answer in answers:
            desk.tidy(answer)
            if isinstance(answer.result, Label):
                self._n_received += 1
                self._failed_in_row.clear()
            else:
                self._n_failed += 1
                self._failed_in_row.append(answer.label_id)
                diary.warning(
                    "label %d  %s  -> the structure leaves the dataset: %s",
                    *(answer.label_id, answer.result.reason, answer.result.message),
                )
            done = self._n_received + self._n_failed
            if done % LABELS_PER_LINE == 0 or done == len(self._wanted):
                diary.info("%s: %d of %d structures have an answer", self._name, done, len(self._wanted))
            self._show(desk)
        if len(self._failed_in_row) >= self._settings.max_consecutive_failures:
            self._stop(answers[-1].result.message if not isinstance(answers[-1].result, Label) else "")

    def _stop(self, message: str) -> None:
        """Something is wrong with the reference, and not with structures: they are tried again when it is mended."""
        with self._bench.store.transaction():
            for label_id in self._failed_in_row:
                self._bench.store.resubmit(label_id)
        raise CampaignStopped(
            f"the reference of {self._name} failed for {len(self._failed_in_row)} structures in a row, the last time: "
            f"{message}. The folders of the calculations (CLUSTER.calc_dir) hold what it said. Mend it, then the same "
            "command tries again"
        )

    def _show(self, desk: LabelDesk) -> None:
        done = self._n_received + self._n_failed
        self._bench.observer.show(
            Status(
                stage=self._name,
                n_running=0,
                n_waiting=desk.n_in_flight,
                n_training=0,
                n_finished=0,
                n_labels_requested=done + desk.n_in_flight,
                n_labels_received=self._n_received,
                n_labels_failed=self._n_failed,
                n_train=self._splits.n_train,
                n_valid=self._splits.n_valid,
                train_goal=None,
                md_steps=0,
                epochs=self._n_epochs,
                threshold=float("inf"),
                last_score=None,
                force_mae_ev_per_ang=None,
                activity=f"labelling again, {done} of {len(self._wanted)} structures",
            )
        )
