"""The dataset labelled by another reference, which is then the one that is learned from."""

import logging
from collections.abc import Iterator
from functools import partial
from typing import Final

from aims_pax.dataset.records import JobStatus
from aims_pax.errors import CampaignStopped, Problem
from aims_pax.labelling.desk import LabelDesk
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
from aims_pax.stages.bench import Bench
from aims_pax.stages.epochs import epochs_trained
from aims_pax.stages.labelled.batch import Batch
from aims_pax.stages.states import RELABELS

diary = logging.getLogger("aims_pax.labels")

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
        self._label(bench)
        counts = bench.store.counts(reference=self.name)
        if not counts.n_train:
            raise CampaignStopped(f"the reference of {self.name} gave no label of any training structure")
        diary.info(
            "%s: %d structures have labels by both references; %d could not be labelled and leave the dataset",
            *(self.name, counts.n_received, counts.n_failed),
        )
        bench.relabel(self.name)

    def _label(self, bench: Bench) -> None:
        """Ask for what was not asked for, and wait until all has an answer."""
        store = bench.store
        wanted = [number for number, _ in store.structures(only_placed=self._settings.which == "dataset")]
        asked = {job.structure_id for job in store.jobs(reference=self.name)}
        left = [number for number in wanted if number not in asked]
        if not left and not any(True for _ in store.jobs(JobStatus.SUBMITTED, reference=self.name)):
            return
        answered, dataset = store.counts(reference=self.name), store.counts()
        batch = Batch(
            bench,
            self.name,
            n_wanted=len(wanted),
            n_received=answered.n_received,
            n_failed=answered.n_failed,
            max_failures=self._settings.max_consecutive_failures,
            doing="labelling again",
            fate="leaves the dataset",
            n_train=dataset.n_train,
            n_valid=dataset.n_valid,
            n_epochs=epochs_trained(bench),
        )
        desk = bench.desk(self.name, reference=self.name)
        batch.run(desk, [partial(LabelDesk.request_another, structure_id=number) for number in left])
