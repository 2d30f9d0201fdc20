"""A campaign's list of stages, with the settings of each validated."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, TypeAlias

from aims_pax.frame import Stage
from aims_pax.settings.md import MDSettings
from aims_pax.settings.reading.document import Document, dotted
from aims_pax.settings.reading.kinds import shown
from aims_pax.settings.reading.stages import SECTION as STAGES
from aims_pax.settings.reading.stages import SECTIONS, WrittenStage, convergence_after
from aims_pax.settings.reading.validation import Reading
from aims_pax.settings.section import Section
from aims_pax.settings.stages.active import ActiveLearningSettings
from aims_pax.settings.stages.converge import ConvergeSettings
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.settings.stages.kinds import (
    COLLECT,
    CONVERGE,
    EXPLORE,
    FLY,
    INITIAL,
    KINDS,
    LEARN,
    PLAY,
    PRETRAIN,
    RELABEL,
    SELECT,
)
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.workflow.playing import PlaySettings

STAGE_SECTIONS: Final = {Stage.INITIAL: KINDS[INITIAL].section, Stage.ACTIVE: KINDS[LEARN].section}
"""The section of v0.2 without which there is not that half of a campaign."""

CONVERGES_BY: Final[Mapping[str, str]] = {
    INITIAL: "converge_initial",
    LEARN: "converge_al",
    SELECT: "converge_select",
}
"""Setting of a stage by which it says itself that it is converged after it."""

BRINGS: Final = (LEARN, EXPLORE, PLAY, FLY)
"""Kinds that may begin with a dataset which is brought along."""

DATASET: Final = "initial_train_dataset"
VALIDATION: Final = "initial_valid_dataset"
"""Settings by which they do."""

Brought: TypeAlias = Path | Mapping[str, Path] | None
"""One file for all members, or one for each by its tag."""

MAKES: Final = (COLLECT, INITIAL, LEARN, SELECT, EXPLORE, PLAY, FLY)
"""Kinds after which there is a dataset."""

POOL: Final = SECTIONS[SELECT]
"""The section that stands alone, besides what says where a run is."""

MEMBERS: Final = "committee"
"""A folder in results/ that is not a stage's."""

AT_REST: Final = MDSettings(stat_ensemble="nvt")
"""How atoms move where none does."""

OWN_ELSEWHERE: Final = ("margin", "valid_skip")
"""What a stage says of its own training with the same words: a convergence after it may say something else."""


def read_campaign(reading: Reading, written: Sequence[WrittenStage]) -> tuple[StagePlan, ...]:
    """All entries whose settings are right, and the convergences that others ask for; what is wrong is noted."""
    plans: list[StagePlan] = []
    for index, entry in enumerate(written):
        following = written[index + 1] if index + 1 < len(written) else None
        settings = _read(reading, entry, plans[-1] if plans else None, following)
        if settings is None:
            continue
        plans.append(StagePlan(entry.kind, entry.name, settings, entry.keys))
        if getattr(settings, CONVERGES_BY.get(entry.kind, ""), False) and not _is_convergence(following):
            converging = ConvergeSettings.model_validate(dict(ConvergeSettings.after(settings)))
            plans.append(StagePlan(CONVERGE, convergence_after(entry.name), converging, entry.keys))
    if plans and len(plans) >= len(written):
        for problem in _order_problems(plans):
            reading.add(*problem)
    return tuple(plans)


def with_trajectories_of_systems(reading: Reading, written: Sequence[WrittenStage]) -> list[WrittenStage]:
    """Where systems say how many trajectories they have, the number of all need not be written."""
    systems = reading.document.data.get("SYSTEMS")
    if not isinstance(systems, Mapping):
        return list(written)
    numbers = [one.get("num_trajectories") if isinstance(one, Mapping) else None for one in systems.values()]
    if not numbers or not all(isinstance(number, int) and number > 0 for number in numbers):
        return list(written)
    total = sum(number for number in numbers if number is not None)
    found: list[WrittenStage] = []
    for entry in written:
        if entry.kind not in (LEARN, FLY) or not isinstance(entry.data, Mapping):
            found.append(entry)
            continue
        if (said := entry.data.get("num_trajectories", total)) != total:
            keys = (*entry.keys, "num_trajectories")
            wrong = f"{dotted(keys)} is {shown(said)}, and those of SYSTEMS are {total} together."
            reading.add(keys, wrong, "", "Remove it: SYSTEMS says it.")
        found.append(replace(entry, data={**entry.data, "num_trajectories": total}))
    return found


def require_sections(reading: Reading, halves: Sequence[Stage], written: Sequence[WrittenStage]) -> None:
    """Note the sections that a command can't do without and that are missing; a list of stages says what there is."""
    data = reading.document.data
    if POOL in data and (others := [name for name in (*STAGE_SECTIONS.values(), STAGES) if name in data]):
        advice = f"Write the campaign as a list, STAGES, with {SELECT} in the place of {POOL}."
        reading.add((POOL,), f"{POOL} stands beside {' and '.join(others)}.", "", advice)
    needed = [] if STAGES in data or POOL in data else [STAGE_SECTIONS[half] for half in halves]
    if "SYSTEMS" not in data and any_samples([entry.kind for entry in written]):
        needed.append("MD")
    for name in needed:
        if name not in data:
            reading.add((), f"The section {name} is missing.", "", "aims-pax init writes a project with all sections.")


def read_md(reading: Reading, sections: Mapping[str | int, Any]) -> MDSettings | dict[int, MDSettings] | None:
    """How atoms move, by MD; None after noting problems. That it is missing where it is needed is noted elsewhere."""
    if "MD" not in sections:
        return AT_REST
    data = sections["MD"]
    indexed = isinstance(data, Mapping) and any(isinstance(key, int) for key in data)
    if not indexed:
        return reading.section(MDSettings, data, ("MD",))
    found: dict[int, MDSettings] = {}
    for index, mapping in data.items():
        if not isinstance(index, int) or index < 0:
            allowed = "trajectory indices 0, 1, ..., since other keys of MD are such"
            reading.add(("MD", index), f"MD.{index} is not a trajectory index.", allowed)
        elif (settings := reading.section(MDSettings, mapping, ("MD", index))) is not None:
            found[index] = settings
    return found if len(found) == len(data) else None


def judge_motion(
    reading: Reading, stages: Sequence[StagePlan], md: MDSettings | Mapping[int, MDSettings] | None
) -> None:
    """Note what is wrong with how stages of active learning move, on top of what MD says."""
    moving = [md] if isinstance(md, MDSettings) else list((md or {}).values())
    for plan in stages if moving else ():
        if isinstance(plan.settings, ActiveLearningSettings) and plan.settings.MD:
            reading.section(MDSettings, plan.settings.merged(moving[0]), (*plan.keys, "MD"))


def bringing(plans: Sequence[StagePlan]) -> StagePlan | None:
    """The entry that begins with a dataset which is brought along; None where none is."""
    first = next((one for one in plans if one.kind in BRINGS), None)
    return None if first is None or getattr(first.settings, DATASET) is None else first


def judging(plans: Sequence[StagePlan]) -> StagePlan | None:
    """The entry that judges models which are brought along, without a dataset; None where none does."""
    first = plans[0] if plans else None
    if first is None or not isinstance(first.settings, ExploreSettings):
        return None
    return None if first.settings.train or first.settings.initial_train_dataset is not None else first


def files_of(plan: StagePlan) -> tuple[Brought, Brought]:
    """Those of such an entry, for training and for validation."""
    return getattr(plan.settings, DATASET), getattr(plan.settings, VALIDATION)


def any_samples(kinds: Sequence[str]) -> bool:
    """Whether any of these moves atoms; where there is none, one is missing that would."""
    return not kinds or any(KINDS[kind].samples for kind in kinds)


def half_of(plans: Sequence[StagePlan], half: Stage) -> tuple[StagePlan, ...]:
    """The entries of the initial dataset with what is before it and the convergence after it, or all others."""
    n_initial = sum(1 for _ in takewhile(lambda plan: KINDS[plan.kind].begins, plans))
    if n_initial and plans[n_initial:] and plans[n_initial].kind == CONVERGE:
        n_initial += 1
    return tuple(plans[:n_initial] if half is Stage.INITIAL else plans[n_initial:])


def course(plans: Sequence[StagePlan], halves: Sequence[Stage]) -> tuple[StagePlan, ...]:
    """What a command that runs some halves of a campaign goes through, in order.

    Without the initial dataset it may go on from one that is brought along, on which the committee is trained first;
    with no half at all that is everything.
    """
    first, rest = half_of(plans, Stage.INITIAL), half_of(plans, Stage.ACTIVE)
    if Stage.INITIAL in halves:
        return (*first, *(rest if Stage.ACTIVE in halves else ()))
    if not halves:
        return tuple(plan for plan in course(plans, (Stage.ACTIVE,))[:1] if plan.kind == CONVERGE)
    if not rest:
        return ()
    brings = bringing(rest)
    if brings is None:
        return (*(plan for plan in first if not KINDS[plan.kind].begins), *rest)
    if rest[0].kind == CONVERGE:
        return rest
    said_by = first[0] if first else brings
    settings = ConvergeSettings.model_validate(dict(ConvergeSettings.after(said_by.settings)))
    return (StagePlan(CONVERGE, convergence_after(INITIAL), settings, said_by.keys, is_implied=True), *rest)


def is_end(plans: Sequence[StagePlan], plan: StagePlan) -> bool:
    """Whether an entry trains what is handed over: something new was to be learned before it, and nothing is after."""
    names = [one.name for one in plans]
    if plan.kind != CONVERGE or plan.name not in names:
        return False
    learns, place = [KINDS[one.kind].changes_what_is_learned for one in plans], names.index(plan.name)
    return any(learns[:place]) and not any(learns[place:])


def end_of(plans: Sequence[StagePlan]) -> str:
    """Name of the training that ends a campaign, also where none is asked for."""
    ends = [plan.name for plan in plans if is_end(plans, plan)]
    learning = [plan for plan in plans if KINDS[plan.kind].learns]
    if ends or not learning:
        return ends[-1] if ends else convergence_after(KINDS[LEARN].first)
    last = learning[-1]
    if last.kind != EXPLORE:
        return convergence_after(last.name)
    return last.name  # which trains to the end by itself


def endings_of(plans: Sequence[StagePlan]) -> tuple[str, ...]:
    """Names of the trainings that may be the last of a campaign, the first that has taken place.

    An exploration that finds nothing, or only judges, leaves the models as those before it have.
    """
    names, end = [plan.name for plan in plans], end_of(plans)
    if end not in names or plans[names.index(end)].kind != EXPLORE:
        return (end,)
    before = [plan.name for plan in plans[: names.index(end)] if plan.kind == CONVERGE]
    return (end, *reversed(before), convergence_after(INITIAL))


def _read(
    reading: Reading, entry: WrittenStage, before: StagePlan | None, following: WrittenStage | None
) -> Section | None:
    """Validated settings of one entry; None after noting what is wrong with them."""
    if entry.kind == CONVERGE:
        return _read_convergence(reading, entry, before)
    data = entry.data
    if entry.is_listed and (key := CONVERGES_BY.get(entry.kind)) is not None:
        if key in data and following is not None and _is_convergence(following):
            found = f"{dotted((*entry.keys, key))} is said by {dotted(following.keys)}, too."
            reading.add((*entry.keys, key), found, "", "Keep one of them.")
        data = {key: _is_convergence(following), **data}
    return reading.section(KINDS[entry.kind].settings, data, entry.keys)


def _read_convergence(reading: Reading, entry: WrittenStage, before: StagePlan | None) -> Section | None:
    """What it says itself, and what the stage before says of it.

    An exploration says by the same words how its own rounds are trained, which this may say otherwise.
    """
    inherited: Mapping[str, Any] = {} if before is None else ConvergeSettings.after(before.settings)
    is_about_this = before is not None and before.kind in CONVERGES_BY
    for key in inherited:
        if is_about_this and key in entry.data and key not in OWN_ELSEWHERE:
            found = f"{dotted((*entry.keys, key))} is said by the stage before it, too."
            reading.add((*entry.keys, key), found, "", "Keep one of them.")
    return reading.section(ConvergeSettings, {**inherited, **entry.data}, entry.keys)


def _is_convergence(entry: WrittenStage | None) -> bool:
    return entry is not None and entry.kind == CONVERGE


def _order_problems(plans: Sequence[StagePlan]) -> Iterator[tuple[tuple[str | int, ...], str, str, str]]:
    """What an entry lacks before it, or can't be with what comes after it."""
    first = plans[0]
    able = [plan for plan in plans if plan.kind in BRINGS]
    brings = [plan for plan in able if getattr(plan.settings, DATASET) is not None]
    if first.kind == CONVERGE and not brings:
        found = f"{first.said()} comes before any stage, and no dataset is brought along."
        advice = "Move it after a stage, or name initial_train_dataset and initial_valid_dataset in learn or explore."
        yield first.keys, found, "", advice
    for index, plan in enumerate(plans):
        if isinstance(plan.settings, ConvergeSettings) and any(
            KINDS[one.kind].changes_what_is_learned for one in plans[index + 1 :]
        ):
            for one in plan.settings.ahead_of_learning():
                yield (*plan.keys, one.key), f"{plan.said()}: {one.found}", "", one.advice
    yield from _collecting_problems(plans)
    yield from _relabelling_problems(plans)
    yield from _prior_problems(plans, brings)
    yield from _judging_problems(plans)
    yield from _exploring_problems(plans)
    for plan in able:
        if not any(one.kind in (COLLECT, LEARN, SELECT, EXPLORE, PLAY, FLY) for one in plans[: plans.index(plan)]):
            continue
        for key in ("initial_train_dataset", "initial_valid_dataset", "seeds_tags_dict"):
            if getattr(plan.settings, key, None) is not None:
                found = f"{plan.said(key)} is given, and the committee has begun with an earlier stage."
                yield (*plan.keys, key), found, "", "Remove it, or write it where the committee begins."


def _collecting_problems(plans: Sequence[StagePlan]) -> Iterator[tuple[tuple[str | int, ...], str, str, str]]:
    """What is made begins a campaign, and is learned before it is learned from."""
    for index, plan in enumerate(plans):
        if plan.kind != COLLECT:
            continue
        if index:
            found = f"{plan.said()} comes after another stage, and what it makes is the first dataset."
            yield plan.keys, found, "", f"Begin the list with {COLLECT}, or leave it out."
        kinds = [one.kind for one in plans[index + 1 :]]
        if kinds[:1] != [CONVERGE]:
            found = f"{plan.said()} is not followed by {CONVERGE}, which learns its labels."
            advice = f"Write {CONVERGE} after it. aims-pax collect makes a file of structures alone."
            yield plan.keys, found, "", advice
        for one in plans[index + 1 :]:
            if getattr(one.settings, "start_from", "") == "initial_dataset":
                found = f"{one.said('start_from')} is initial_dataset, and {plan.said()} has no MD to begin from."
                yield (*one.keys, "start_from"), found, "", "Set start_from: structures."


def _exploring_problems(plans: Sequence[StagePlan]) -> Iterator[tuple[tuple[str | int, ...], str, str, str]]:
    """Models explore that have learned from a dataset, of the campaign or brought along; given ones may be judged."""
    alone = judging(plans)
    if alone is not None and (later := [one.name for one in plans[1:] if not KINDS[one.kind].judges]):
        found = f"{alone.said()} judges models that are given, without a dataset, and {', '.join(later)} would learn."
        advice = "Name initial_train_dataset and initial_valid_dataset in it, or leave out what comes after it."
        yield plans[1].keys, found, "", advice
    for index, plan in enumerate(plans):
        if not isinstance(plan.settings, ExploreSettings | PlaySettings):
            continue
        if plan is alone or (isinstance(plan.settings, PlaySettings) and plan.settings.pretrained is not None):
            continue
        if not any(one.kind in MAKES for one in plans[:index]) and plan.settings.initial_train_dataset is None:
            found = (
                f"{plan.said()} has no models to explore with: no stage before it makes a dataset, and none is given."
            )
            advice = f"Write {COLLECT} and {CONVERGE} before it, or name initial_train_dataset and "
            others = (
                " Or name a pretrained model that drives."
                if plan.kind == PLAY
                else " train: false judges models of GENERAL.model_dir without any."
            )
            yield plan.keys, found, "", f"{advice}initial_valid_dataset.{others}"


def _relabelling_problems(plans: Sequence[StagePlan]) -> Iterator[tuple[tuple[str | int, ...], str, str, str]]:
    """A dataset is labelled anew that is there, and then learned before it is used."""
    for index, plan in enumerate(plans):
        if plan.kind != RELABEL:
            continue
        if not any(one.kind in MAKES for one in plans[:index]):
            found = f"{plan.said()} comes before any stage that makes a dataset."
            advice = "Move it after one. aims-pax relabel labels a file of structures that you bring."
            yield plan.keys, found, "", advice
        if index + 1 == len(plans) or plans[index + 1].kind != CONVERGE:
            found = f"{plan.said()} is not followed by {CONVERGE}, so that no model would learn its labels first."
            yield plan.keys, found, "", f"Write {CONVERGE} after it, with from_scratch: true where models begin anew."


def _prior_problems(
    plans: Sequence[StagePlan], brings: Sequence[StagePlan]
) -> Iterator[tuple[tuple[str | int, ...], str, str, str]]:
    """What is learned beforehand is followed by a dataset that the campaign makes itself."""
    first = plans[0]
    if first.kind != PRETRAIN:
        return
    if len(plans) < 2 or plans[1].kind != INITIAL:
        found = f"{first.said()} is not followed by {INITIAL}, whose labels its models would learn next."
        yield first.keys, found, "", f"Write {INITIAL} after it, or leave {PRETRAIN} out."
    for plan in brings:
        key = "initial_train_dataset"
        found = f"{plan.said(key)} is given beside {first.said()}, which comes before an initial dataset of the run."
        yield (*plan.keys, key), found, "", "Keep one of them."


def _judging_problems(plans: Sequence[StagePlan]) -> Iterator[tuple[tuple[str | int, ...], str, str, str]]:
    """What is handed over is looked at when all of it is there."""
    for index, plan in enumerate(plans):
        if not KINDS[plan.kind].judges:
            continue
        if plan.name.lower() == MEMBERS:
            found = f"{plan.said('name')} is {plan.name}, and results/{MEMBERS} holds the models of all members."
            yield (*plan.keys, "name"), found, "", "Choose another name: its results lie in a folder of this name."
        if not any(one.kind in MAKES for one in plans[:index]):
            found = f"{plan.said()} comes before any stage that makes models."
            yield plan.keys, found, "", f"Move it after one. aims-pax {plan.kind} takes models that there are."
        elif later := [one.name for one in plans[index + 1 :] if not KINDS[one.kind].judges]:
            found = f"{plan.said()} comes before {', '.join(later)}, and looks at the models that are handed over."
            yield plan.keys, found, "", "Move it to the end of STAGES."


def halves_asked(plans: Sequence[StagePlan], document: Document | None, halves: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Halves of a campaign that are there, where STAGES lists what there is; else all that a command runs."""
    if document is None or (STAGES not in document.data and POOL not in document.data):
        return halves
    return tuple(half for half in halves if half_of(plans, half))
