"""Structures that are made from the starting structures, or given, labelled: the dataset that comes first."""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Final

from aims_pax.dataset.records import JobStatus
from aims_pax.errors import CampaignStopped, Problem, StructureError
from aims_pax.frame import Frame, Split
from aims_pax.labelling.desk import LabelDesk
from aims_pax.reference.charged import as_computed
from aims_pax.settings import Project, ReferenceSettings
from aims_pax.settings.augmentation import AugmentSettings
from aims_pax.settings.stages.collect import CollectSettings
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.stages.beginnings.pretrained import likeness_problems
from aims_pax.stages.bench import Bench
from aims_pax.stages.exploring.brought import brought_frames, brought_problems
from aims_pax.stages.labelled.batch import Batch
from aims_pax.stages.states import COLLECTS
from aims_pax.structures.augmentation.streams import Streams
from aims_pax.structures.collection import GIVEN, Collected, Made, collect
from aims_pax.structures.splitting import splits_of

diary = logging.getLogger("aims_pax.labels")

MAX_AHEAD: Final = 200
"""Labels that are asked for before there is an answer: each is a row of the books, and a task of the pool."""

NEEDS_INPUT: Final = frozenset({"fhi-aims", "asi"})
"""References whose input is written for the elements of each starting structure."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is to be made, as something that can be remembered."""

    identity: str
    settings: AugmentSettings = field(compare=False)


@lru_cache(maxsize=4)
def _made(starts: tuple[Frame, ...], wish: _Wish) -> Collected:
    return collect(starts, wish.settings)


def collected(project: Project, settings: CollectSettings) -> Collected:
    """What the starting structures of a project give, made once in a process; then what is given besides.

    Raises
    ------
    StructureError
        Nothing can be made of them, or a file can't be read.
    """
    augment, made = settings.augment, Collected(())
    if augment is not None:
        made = _made(tuple(system.frame for system in project.systems), _Wish(augment.identity, augment))
    if settings.structures is None:
        return made
    frames = [replace(frame, config_type=GIVEN) for frame in brought_frames(project, settings.structures)]
    return replace(made, made=(*made.made, Made(GIVEN, tuple(frames), len(frames), 0)))


def frames_and_splits(project: Project, settings: CollectSettings) -> list[tuple[str, Frame, Split]]:
    """Source, structure and place of all that is labelled; `md_step` numbers them through, from 1.

    A charge and spin of their own have those whose reference takes such; others are computed as it is told.
    """
    references = {system.name: project.reference_for(system) for system in project.systems}
    sourced = [
        (key, frame)
        for key, frame in collected(project, settings).sourced()
        if not _is_untold(key, references[frame.system])
    ]
    splits = splits_of(
        [frame for _, frame in sourced],
        valid_ratio=settings.valid_ratio,
        test_ratio=settings.test_ratio,
        streams=Streams(settings.seed),
    )
    spun = [as_computed(frame, references[frame.system]) for _, frame in sourced]
    return [
        (key, replace(frame, md_step=number), split)
        for number, ((key, _), frame, split) in enumerate(zip(sourced, spun, splits, strict=True), start=1)
    ]


def _is_untold(source: str, reference: ReferenceSettings) -> bool:
    """Whether a structure is a free atom whose spin can't be told, with an energy that may be eV too high."""
    return source == "isolated" and reference.type in NEEDS_INPUT


class Collect:
    """The first dataset, of structures that no MD of this campaign has made."""

    def __init__(self, plan: StagePlan) -> None:
        self.plan, self.name, self._settings = plan, plan.name, plan.read_as(CollectSettings)

    def problems(self, project: Project) -> Iterator[Problem]:
        """Nothing can be made, none of it would validate, or the models and the reference don't know its elements."""
        own, given = self.plan.keys, self._settings.structures
        if given is not None:
            problems = list(brought_problems(project, given, project.where(*own, "structures")))
            yield from problems
            if problems:
                return
        where = project.where(*own, "structures" if self._settings.augment is None else "augment")
        try:
            found = frames_and_splits(project, self._settings)
        except StructureError as error:
            yield from (replace(one, where=f"{where}: {one.where}") for one in error.problems)
            return
        if not any(split is Split.VALIDATION for _, _, split in found):
            words = f"Of {len(found)} structures none validates: inputs, isolated atoms and dimers always train."
            yield Problem(where, words, "", "Make more of the others, or raise valid_ratio.")
        if project.mace.training.perform_finetuning:
            n_train = sum(split is Split.TRAINING for _, _, split in found)
            yield from likeness_problems(project, n_train, where=where)
        elements = {system.name: set(system.frame.numbers.tolist()) for system in project.systems}
        everywhere = set().union(*elements.values())
        if any(set(frame.numbers.tolist()) - everywhere for _, frame, _ in found):
            words = "Structures would hold elements that no starting structure has, which the models would not know."
            yield Problem(where, words, "", "Add a starting structure that holds them.")
        engines = {project.reference_for(system).type for system in project.systems} & NEEDS_INPUT
        if engines and any(set(frame.numbers.tolist()) - elements[frame.system] for _, frame, _ in found):
            words = f"Input for {min(engines)} has the elements of each starting structure, and no others."
            advice = "Leave out dimers, alloys across starting structures, and such as are given."
            yield Problem(where, words, "", advice)
        periodic = {system.name: system.frame.pbc.tolist() for system in project.systems}
        if engines and any(frame.pbc.tolist() != periodic[frame.system] for _, frame, _ in found):
            words = f"Input for {min(engines)} is that of each starting structure, its k points among it, and some of "
            words += "what would be made is periodic in other directions."
            yield Problem(where, words, "", "Leave out clusters, slabs and dimers, and such as are given.")

    def facts(self, project: Project) -> Iterator[str]:
        """What is made and labelled, and what is missing of it."""
        try:
            made = collected(project, self._settings)
        except StructureError:
            return
        labelled = Counter(key for key, _, _ in frames_and_splits(project, self._settings))
        each = ", ".join(f"{key} {n}" for key, n in labelled.items())
        or_given = "" if self._settings.structures is None else " or given"
        yield f"{self.name}: {labelled.total()} structures are made{or_given} and labelled ({each})"
        if labelled.total() < len(made.frames):
            yield f"{self.name}: free atoms are left out: the reference can't be told their spin by structure"
        yield from (f"{self.name}: {remark.where}: {remark.found}" for remark in made.told)

    def run(self, bench: Bench) -> None:
        """Label what has no label yet, and give all its place.

        Raises
        ------
        Departed
            The campaign was asked to leave; what is there is kept, and the same call goes on.
        CampaignStopped
            Too many structures failed in a row, or too few are left.
        """
        wanted = frames_and_splits(bench.project, self._settings)
        self._note(bench, wanted)
        self._label(bench, wanted)
        self._place(bench, {frame.md_step: split for _, frame, split in wanted})
        counts = bench.store.counts()
        if not (counts.n_train and counts.n_valid):
            kept_out = ""
            if counts.n_kept_out:
                kept_out = (
                    f"; {counts.n_kept_out} are kept out for their forces, and return when "
                    f"{self.plan.said('max_force_ev_per_ang')} is raised"
                )
            raise CampaignStopped(
                f"{self.name} has labels of {counts.n_train} training and {counts.n_valid} validation structures, and "
                f"models need both{kept_out}. The folders of the calculations (CLUSTER.calc_dir) hold what the "
                "reference said"
            )
        diary.info(
            "%s: %d structures train, %d validate, %d test; %d could not be labelled, %d are kept out for their forces",
            *(self.name, counts.n_train, counts.n_valid, counts.n_test),
            *(counts.n_failed - counts.n_kept_out, counts.n_kept_out),
        )

    def _label(self, bench: Bench, wanted: Sequence[tuple[str, Frame, Split]]) -> None:
        """Ask for what was not asked for, and wait until all has an answer."""
        asked = bench.store.asked_of(self.name)
        statuses = list(asked.values())
        batch = Batch(
            bench,
            self.name,
            n_wanted=len(wanted),
            n_received=statuses.count(JobStatus.DONE),
            n_failed=statuses.count(JobStatus.FAILED),
            max_failures=self._settings.max_consecutive_failures,
            doing="labelling what was made",
            fate="is left out",
        )
        if batch.n_received + batch.n_failed == len(wanted):
            return
        left = [partial(LabelDesk.request, frame=one, source=key) for key, one, _ in wanted if one.md_step not in asked]
        batch.run(bench.desk(self.name), left, max_ahead=MAX_AHEAD)

    def _note(self, bench: Bench, wanted: Sequence[tuple[str, Frame, Split]]) -> None:
        """Remember what was begun: labels belong to these structures, and to no others."""
        digest = hashlib.sha256()
        for _, frame, split in wanted:
            digest.update(frame.positions.tobytes() + frame.numbers.tobytes() + str(split).encode())
        begun = bench.memory.recall_json(f"{COLLECTS}{self.name}")
        if begun is None:
            with bench.store.transaction():
                bench.memory.keep_json(f"{COLLECTS}{self.name}", {"n": len(wanted), "of": digest.hexdigest()})
        elif not isinstance(begun, dict) or begun.get("of") != digest.hexdigest():
            raise CampaignStopped(
                f"{self.name} was begun with other structures: {self.plan.said('augment')}, structures that are "
                "given or the starting structures have changed. Set them back, or start a new run in another folder "
                "(MISC.output_dir)"
            )

    def _place(self, bench: Bench, splits: dict[int, Split]) -> None:
        """In the order in which labels were asked for, whenever they came."""
        store = bench.store
        with store.transaction():
            for label_id in store.unassigned(self.name):
                store.assign(label_id, splits[store.frame_of(label_id).md_step])
