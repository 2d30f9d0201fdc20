"""Labels that were kept out for their forces, and that the limits of now let in when a run goes on."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from aims_pax.campaign.progress import progress_of
from aims_pax.dataset.records import KeptOut
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Split
from aims_pax.learner.cadence import PerRound
from aims_pax.learner.returned import let_in, with_one_more_before
from aims_pax.learner.state import Rules, State
from aims_pax.settings import ActiveLearningSettings, Project
from aims_pax.settings.stage import INITIAL
from aims_pax.settings.stages.collect import CollectSettings
from aims_pax.stages import assembly
from aims_pax.stages.bench import Bench
from aims_pax.stages.fly.rules import fly_rules
from aims_pax.stages.labelled.collect import frames_and_splits
from aims_pax.stages.labelled.limits import LABELS_RETURNED, force_limit
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import convergence_key, keep_state, recall_state

diary = logging.getLogger("aims_pax.labels")

_DONE: Final = {Split.TRAINING: ("trains", "train"), Split.VALIDATION: ("validates", "validate")}
_TESTS: Final = ("tests", "test")


def returning(project: Project, store: RunStore, memory: Memory) -> list[KeptOut]:
    """Labels that are kept out, and that no limit of the settings is in the way of any more.

    Those of a reference that is learned from no longer stay where they are.
    """
    references = (store.chosen_reference, progress_of(memory))
    return [
        one
        for one in store.kept_out()
        if one.reference in references
        and one.max_force_ev_per_ang <= force_limit(project, one.stage, one.system, reference=one.reference).ev_per_ang
    ]


def let_labels_in(bench: Bench) -> None:
    """Give labels that return their places in the dataset, as their stages do, and say so.

    A training to the end that is under way begins again with them, from its best weights.
    """
    found = returning(bench.project, bench.store, bench.memory)
    if not found:
        return
    key = _ended_convergence(bench)
    places: Counter[Split | None] = Counter()
    states = {plan.name: recall_state(bench.store, plan.name) for plan in bench.project.settings.stages}
    loops = {name: state for name, state in states.items() if state is not None}
    splits = _splits_of_collected(bench, found)
    with bench.store.transaction():
        for one in found:
            loops, split = _placed(bench, one, loops, splits)
            places[split] += 1
        for name, state in loops.items():
            keep_state(bench.store, name, state)
        if places[Split.VALIDATION]:
            _forget_stagnation(bench)
        if key:
            bench.memory.forget(key)
        bench.store.append_journal(LABELS_RETURNED, {"label_ids": [one.label_id for one in found]})
    bench.forget_committee()
    diary.info("%s", words_of(found, places))


def words_of(found: Sequence[KeptOut], places: Mapping[Split | None, int]) -> str:
    """What is said of labels that have returned."""
    highest = max(one.max_force_ev_per_ang for one in found)
    done = [f"{n} {_DONE.get(split, _TESTS)[n > 1]}" for split in Split if (n := places.get(split, 0))]
    if waiting := places.get(None, 0):
        done.append(f"{waiting} get{'s' if waiting == 1 else ''} a place with others of the stage")
    what = "1 label returns that was" if len(found) == 1 else f"{len(found)} labels return that were"
    return f"{what} kept out (forces up to {highest:.1f} eV/Å): {', '.join(done)}"


def _placed(
    bench: Bench, one: KeptOut, loops: Mapping[str, State], splits: Mapping[tuple[str, int], Split]
) -> tuple[dict[str, State], Split | None]:
    """The states of all loops after a label was let in, and where it went; within the caller's transaction."""
    store, changed = bench.store, dict(loops)
    store.take_back(one.label_id)
    if (place := store.place_of(one.structure_id)) is not None:  # labelled again, by another reference
        return changed, place[0]
    split: Split | None = Split.TRAINING
    if one.stage in changed:
        rules = rules_of(bench.project, one.stage)
        selector = next((each for each in rules.selectors if each.name == one.source), None)
        cadence = rules.cadence if isinstance(rules.cadence, PerRound) else None
        goes_on = cadence if progress_of(bench.memory) == one.stage else None
        changed[one.stage], split = let_in(changed[one.stage], one.trajectory, selector=selector, cadence=goes_on)
    elif _is_collected(bench.project, one.stage):
        split = None if progress_of(bench.memory) == one.stage else splits.get((one.stage, one.md_step))
    if split is not None:
        store.assign(one.label_id, split)
    if split is Split.TRAINING:
        names = [plan.name for plan in bench.project.settings.stages]
        for name in names[names.index(one.stage) + 1 :] if one.stage in names else ():
            if name in changed:  # what its members had before it has grown
                changed[name] = with_one_more_before(changed[name])
    return changed, split


def rules_of(project: Project, stage: str) -> Rules:
    """The rules of a loop."""
    flying = {plan.name: plan for plan in project.settings.flying}
    if stage in flying:
        return fly_rules(project, flying[stage])
    if stage == INITIAL:
        return assembly.initial_rules(project)
    plan = next(plan for plan in project.settings.stages if plan.name == stage)
    assert isinstance(plan.settings, ActiveLearningSettings)
    return assembly.active_rules(project, plan)


def _is_collected(project: Project, stage: str) -> bool:
    return any(plan.name == stage and isinstance(plan.settings, CollectSettings) for plan in project.settings.stages)


def _splits_of_collected(bench: Bench, found: Sequence[KeptOut]) -> dict[tuple[str, int], Split]:
    """Places of the structures of each `collect` of which any returns, by its name and their numbers in it."""
    splits: dict[tuple[str, int], Split] = {}
    for plan in bench.project.settings.stages:
        if isinstance(plan.settings, CollectSettings) and any(one.stage == plan.name for one in found):
            made = frames_and_splits(bench.project, plan.settings)
            splits |= {(plan.name, frame.md_step): split for _, frame, split in made}
    return splits


def _ended_convergence(bench: Bench) -> str:
    """Name of the state of a training to the end that is under way, which is left at its best weights; empty: none."""
    key = convergence_key(str(progress_of(bench.memory)))
    if bench.memory.recall_bytes(key) is None:
        return ""
    committee = bench.existing_committee()
    committee.end_convergence()
    bench.keep_committee(committee)
    return key


def _forget_stagnation(bench: Bench) -> None:
    """Losses before and after a change of the validation set can't be compared."""
    from aims_pax.stages.loop.trainer import Stagnations  # not above: `aims-pax check` is spared PyTorch

    stagnations = bench.memory.recall("stagnations", Stagnations)
    if stagnations is not None:
        bench.memory.keep("stagnations", stagnations.afresh())
