"""What is allowed and hardly meant: one rule for each kind of slip, with the reason for every bound.

A rule looks at settings and structures alone, computes nothing, and yields doubts. A run with doubts starts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isinf, sqrt
from pathlib import Path
from typing import Final

from aims_pax.checking.acts import acts
from aims_pax.checking.asked import Asked, learning
from aims_pax.checking.cutoffs import cutoffs
from aims_pax.checking.meshes import meshes
from aims_pax.checking.methods import charges, methods_apart
from aims_pax.checking.models import cueq, hasty_finetuning, models_left_alone, precision
from aims_pax.checking.motion import (
    friction,
    pressure,
    relaxation,
    stress_that_counts_for_nothing,
    stress_that_is_not_learned,
    temperature,
    thermostat,
    time_step,
)
from aims_pax.errors import Doubt
from aims_pax.settings import ActiveLearningSettings, Project
from aims_pax.settings.committee.losses import LOSSES, StressIn, stage_two_of
from aims_pax.settings.committee.mace import TrainingSettings
from aims_pax.settings.methods.driver import EMBEDDED, DriverChoice
from aims_pax.settings.reading.document import KeyPath, dotted
from aims_pax.settings.remarks import structure_remarks
from aims_pax.settings.section import Section
from aims_pax.settings.stage import ACTIVE, INITIAL, StageSettings
from aims_pax.settings.stages.kinds import EXPLORE, KINDS, SELECT
from aims_pax.settings.systems import System
from aims_pax.stages.beginnings.imported import dataset_remarks
from aims_pax.stages.driver import driven, embedded_settings
from aims_pax.stages.exploring.explore import Explore
from aims_pax.stages.stock.select import SelectFromPool
from aims_pax.structures.composition import is_crystal


def doubts(asked: Asked) -> tuple[Doubt, ...]:
    """All of them, each once: what many trajectories share is said where it is met first."""
    found: dict[str, Doubt] = {}
    for rule in RULES:
        for doubt in rule(asked):
            found.setdefault(doubt.found, doubt)
    return tuple(found.values())


# -- single numbers --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Usual:
    """The values of one setting that anyone uses; `low` and `high` are still usual, `advice` says why."""

    low: float
    high: float
    unit: str
    advice: str


NUMBERS: Final[Mapping[tuple[str, str], Usual]] = {
    ("INITIAL_DATASET_GENERATION", "skip_step_initial"): Usual(
        1, 5000, "MD steps", "Structures are independent after some hundred steps; more only takes longer."
    ),
    ("INITIAL_DATASET_GENERATION", "desired_acc_scale_idg"): Usual(
        1, 100, "", "It multiplies desired_acc; below 1 the first models would have to be better than the last."
    ),
    ("ACTIVE_LEARNING", "c_x"): Usual(
        -0.9, 1, "", "The threshold is (1 + c_x) times the mean deviation. Published runs have -0.5 to 0.2."
    ),
    ("ACTIVE_LEARNING", "skip_step_mlff"): Usual(
        1, 1000, "MD steps", "A molecule can fall apart within a hundred steps, and nobody looks in between."
    ),
    ("ACTIVE_LEARNING", "epochs_per_worker"): Usual(
        1, 200, "epochs for each label", "Training would take far longer than sampling; the end converges anyway."
    ),
    ("ACTIVE_LEARNING", "max_train_set_size"): Usual(
        10, 50_000, "structures", "With fewer than 10 a model learns little; with a committee 1000 are many."
    ),
    ("TRAINING", "lr"): Usual(1e-5, 0.1, "", "MACE is trained with 0.001 to 0.02; beyond 0.1 training diverges."),
    ("TRAINING", "batch_size"): Usual(
        1, 100, "structures", "Small sets need many steps: MACE is trained with 2 to 20 structures in each."
    ),
    ("ARCHITECTURE", "r_max"): Usual(
        3, 8, "Å", "Below 3 Å a model sees bonds alone; cost grows by the cube. Layers add up: two of 5 Å see 10 Å."
    ),
    ("ARCHITECTURE", "num_channels"): Usual(4, 512, "", "Published models have 32 to 256."),
    ("REFERENCE", "max_force_ev_per_ang"): Usual(
        5, 1000, "eV/Å", "Hot molecules have forces of 10 eV/Å, and labels beyond this limit are kept out."
    ),
}
"""By section and key. A value outside is doubted only where it was written down."""

EVERY_STAGE: Final[Mapping[str, Usual]] = {
    "desired_acc": Usual(1e-3, 1, "eV/Å", "It is the validation force MAE in eV/Å: 25 meV/Å is 0.025."),
    "valid_ratio": Usual(0.02, 0.5, "", "It is the part of the labels that judges and does not train."),
    "ensemble_size": Usual(2, 16, "members", "Four members tell uncertainty well; cost grows with their number."),
}


def numbers(asked: Asked) -> Iterator[Doubt]:
    """Settings outside what anyone uses."""
    for name, keys, section in _sections(asked):
        for (home, key), usual in NUMBERS.items():
            if home == name:
                yield from _unusual(asked, keys, section, key, usual)
        for key, usual in EVERY_STAGE.items() if isinstance(section, StageSettings) else ():
            yield from _unusual(asked, keys, section, key, usual)


def _sections(asked: Asked) -> Iterator[tuple[str, KeyPath, Section]]:
    """By its name in v0.2, where it stands, what is set."""
    project = asked.project
    for plan in project.plans(asked.stages):
        if (name := KINDS[plan.kind].section) and not plan.is_implied:
            yield name, plan.keys, plan.settings
    yield "TRAINING", ("TRAINING",), project.mace.training
    yield "ARCHITECTURE", ("ARCHITECTURE",), project.mace.architecture
    yield "REFERENCE", ("REFERENCE",), project.settings.reference


def _unusual(asked: Asked, keys: KeyPath, section: Section, key: str, usual: Usual) -> Iterator[Doubt]:
    value = getattr(section, key, None)
    if value is None or not section.is_set(key) or isinf(value):
        return
    if (key == "desired_acc" and value == 0) or usual.low <= value <= usual.high:
        return
    unit = f" {usual.unit}" if usual.unit else ""
    allowed = f"{_number(usual.low)} to {_number(usual.high)}{unit}"
    where, said = asked.project.where(*keys, key), dotted((*keys, key))
    yield Doubt(where, f"{said} is {_number(value)}{unit}.", allowed, usual.advice)


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if value >= 10_000 and value == int(value) else f"{value:g}"


def goal_that_is_met(asked: Asked) -> Iterator[Doubt]:
    """Active learning that is over before its first label."""
    n_train = asked.n_initial_train
    for plan in learning(asked) if n_train is not None else ():
        goal = plan.read_as(ActiveLearningSettings).max_train_set_size
        if n_train is not None and goal <= n_train:
            first = plan.name == ACTIVE
            lower = "INITIAL_DATASET_GENERATION.max_initial_set_size" if first else "the goal of the stage before"
            yield Doubt(
                asked.project.where(*plan.keys, "max_train_set_size"),
                f"{plan.said('max_train_set_size')} is {goal:g}, and each member has some {n_train:g} training "
                "structures before active learning begins: it asks for no label.",
                f"more than {n_train:g} structures",
                f"Raise it, or lower {lower}.",
            )
        n_train = None if isinf(goal) else int(goal)


def limits_out_of_reach(asked: Asked) -> Iterator[Doubt]:
    """Limits that another limit ends before."""
    for plan in learning(asked):
        active = plan.read_as(ActiveLearningSettings)
        for key, end, why in (
            ("uncert_not_crossed_limit", "max_MD_steps", "trajectories end before it"),
            ("skip_step_mlff", "max_MD_steps", "trajectories end before their first check"),
            ("freeze_threshold_dataset", "max_train_set_size", "active learning ends before it"),
            ("epochs_per_worker", "max_epochs", "active learning ends with its first label"),
        ):
            value, limit = getattr(active, key), getattr(active, end)
            if active.is_set(key) and not isinf(value) and value > limit:
                found = f"{plan.said(key)} is {_number(value)}, and {end} is {_number(limit)}: {why}."
                advice = f"Lower {key}, or raise {end}."
                yield Doubt(asked.project.where(*plan.keys, key), found, f"up to {_number(limit)}", advice)


def weights(asked: Asked) -> Iterator[Doubt]:
    """A force field that learns no forces."""
    training = asked.project.mace.training
    if training.forces_weight == 0 and "forces_weight" in LOSSES[training.loss].reads:
        advice = "Forces carry most of what a label tells. The default is 1000."
        found = "TRAINING.forces_weight is 0: the models learn no forces."
        yield Doubt(asked.project.where("TRAINING", "forces_weight"), found, "more than 0", advice)


def loss(asked: Asked) -> Iterator[Doubt]:
    """What is said of a loss that it does not read."""
    project, training = asked.project, asked.project.mace.training
    kind, said = LOSSES[training.loss], f"the loss {training.loss}"
    if project.mace.general.compute_stress and kind.stress is StressIn.NEVER:
        found = f"GENERAL.compute_stress is true, and {said} is none of stress: it is labelled, and not learned."
        with_stress = [name for name, one in LOSSES.items() if one.stress is not StressIn.NEVER]
        advice = "Choose another loss, or set compute_stress: false."
        yield Doubt(project.where("TRAINING", "loss"), found, " | ".join(with_stress), advice)
    for key in {key: None for one in LOSSES.values() for key in one.reads}:
        default = TrainingSettings.model_fields[key].default
        if training.is_set(key) and getattr(training, key) != default and key not in kind.reads:
            found = f"TRAINING.{key} is {getattr(training, key):g}, and {said} does not read it."
            readers = " | ".join(name for name, one in LOSSES.items() if key in one.reads)
            yield Doubt(project.where("TRAINING", key), found, "", f"Losses that do: {readers}.")
    second = [f"swa_{key}" for key in stage_two_of(training.loss).weights]
    for key in (key for key in TrainingSettings.model_fields if key.startswith("swa_") or key == "start_swa"):
        if not training.is_set(key) or getattr(training, key) == TrainingSettings.model_fields[key].default:
            continue
        if not training.swa:
            found = f"TRAINING.{key} is {getattr(training, key):g}, and swa is false: there is no stage two."
            yield Doubt(project.where("TRAINING", key), found, "", "Set swa: true, or remove it.")
        elif key.endswith("_weight") and key not in second:
            found = f"TRAINING.{key} is {getattr(training, key):g}, and stage two of {said} does not read it."
            yield Doubt(project.where("TRAINING", key), found, " | ".join(second), "Remove it.")


FORCE_ERROR_EV_PER_ANG: Final = 0.05
"""Of a model that is good, or nearly."""

MARGIN_SHARE: Final = 0.1
"""Of the loss that such errors are: what falls by less, falls."""


def margin(asked: Asked) -> Iterator[Doubt]:
    """A decrease of the loss that hardly any epoch brings, since the loss itself is small."""
    training = asked.project.mace.training
    there = _loss_of_forces(training)
    for plan in asked.project.plans(asked.stages) if there else ():
        found = getattr(plan.settings, "margin", 0.0)
        if found > MARGIN_SHARE * there:
            yield Doubt(
                asked.project.where(*plan.keys, "margin"),
                f"{plan.said('margin')} is {found:g}, and errors of 50 meV/Å in forces are a loss of {there:.2g} by "
                f"TRAINING.loss: {training.loss}: training ends while it still helps.",
                f"up to {MARGIN_SHARE * there:.1g}",
                f"Set margin: {there / 1000:.1g}, a thousandth of that.",
            )


def _loss_of_forces(training: TrainingSettings) -> float:
    """What errors of :data:`FORCE_ERROR_EV_PER_ANG` in all force components come to."""
    error, delta = FORCE_ERROR_EV_PER_ANG, min(training.huber_delta, FORCE_ERROR_EV_PER_ANG)
    match training.loss:
        case "ef":
            return error**2
        case "huber" | "universal":
            return training.forces_weight * delta * (error - delta / 2)
        case "l1l2energyforces":
            return training.forces_weight * error * sqrt(3)
        case _:
            return training.forces_weight * error**2


def committees(asked: Asked) -> Iterator[Doubt]:
    """Stages with committees of different size, of which there is only one."""
    stages = [one for one in asked.project.settings.stages if isinstance(one.settings, StageSettings)]
    for plan in stages[1:]:
        first, own = stages[0].read_as(StageSettings), plan.read_as(StageSettings)
        if own.is_set("ensemble_size") and own.ensemble_size != first.ensemble_size:
            found = (
                f"{plan.said('ensemble_size')} is {own.ensemble_size}, and the first stage has "
                f"{first.ensemble_size} models: the committee has {first.ensemble_size}."
            )
            advice = "Active learning goes on with the models of the first stage. Give both the same number."
            where, usual = asked.project.where(*plan.keys, "ensemble_size"), f"as in {stages[0].said()}"
            yield Doubt(where, found, f"{first.ensemble_size}, {usual}", advice)


# -- structures ------------------------------------------------------------------------------------------------


def cells(asked: Asked) -> Iterator[Doubt]:
    """A cell that is written down and not used."""
    for system in asked.project.systems:
        frame = system.frame
        if frame.cell.any() and not frame.pbc.any():
            yield Doubt(
                system.name if system.file is None else _relative(system.file, asked.project.folder),
                f"The structure {system.name} has a cell, and is not periodic: the cell is not used.",
                "pbc along the lattice vectors of a crystal or liquid, no cell for a molecule",
                'In extended XYZ write pbc="T T T"; for a molecule remove Lattice.',
            )


def crystals_under_gfn2(asked: Asked) -> Iterator[Doubt]:
    """GFN2-xTB has no sane surface for many crystals: MgO gains 2.7 eV when its atoms are moved by 0.05 Å."""
    project, usual = asked.project, "GFN2-xTB for molecules and liquids"
    labels = any(getattr(one, "method", "") == "GFN2-xTB" for one in project.settings.references)
    drives = [
        (plan, stage)
        for plan in project.plans(asked.stages)
        if (stage := driven(project, plan)) is not None and _is_by_gfn2(project, stage.choice)
    ]
    crystals = [system for system in project.systems if is_crystal(system.frame)] if labels or drives else []
    labelled = [one for one in crystals if getattr(project.reference_for(one), "method", "") == "GFN2-xTB"]
    if labelled:
        said = f"GFN2-xTB labels {_crystals_named(labelled)}, and fails for many."
        advice = "Try method: GFN1-xTB, or another reference; aims-pax check --probe tells whether it is sane."
        yield Doubt(project.where(*project.place_of(labelled[0], "REFERENCE", "method")), said, usual, advice)
    for plan, stage in drives if crystals else ():
        said = f"GFN2-xTB drives {stage.md} of {_crystals_named(crystals)}."
        advice = f"Name another driver: {stage.others}; check --probe tells if it is sane."
        yield Doubt(project.where(*plan.keys, *stage.choice.key.split(".")), said, usual, advice)


def _is_by_gfn2(project: Project, choice: DriverChoice) -> bool:
    return choice.kind == EMBEDDED and embedded_settings(project, method=choice.method).method == "GFN2-xTB"


def _crystals_named(crystals: Sequence[System]) -> str:
    names = [system.name for system in crystals]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"the crystal{'s' if len(names) > 1 else ''} {', '.join(names[:5])}{more}"


def files(asked: Asked) -> Iterator[Doubt]:
    """What structure files and the user's own datasets hold that is hardly meant."""
    remarks = structure_remarks(asked.project)
    if INITIAL not in asked.stages:
        remarks += dataset_remarks(asked.project)
    for plan in asked.project.plans(asked.stages):
        remarks += SelectFromPool(plan).remarks(asked.project) if plan.kind == SELECT else ()
        remarks += Explore(plan).remarks(asked.project) if plan.kind == EXPLORE else ()
    for remark in remarks:
        yield Doubt(remark.where, remark.found, remark.allowed, remark.advice)


RULES: Final[tuple[Callable[[Asked], Iterator[Doubt]], ...]] = (
    lambda asked: methods_apart(asked.project),
    meshes,
    cutoffs,
    numbers,
    time_step,
    acts,
    temperature,
    friction,
    thermostat,
    pressure,
    relaxation,
    stress_that_counts_for_nothing,
    stress_that_is_not_learned,
    goal_that_is_met,
    limits_out_of_reach,
    weights,
    loss,
    hasty_finetuning,
    models_left_alone,
    margin,
    cueq,
    committees,
    cells,
    charges,
    crystals_under_gfn2,
    files,
    precision,
)


def _relative(file: Path, folder: Path) -> str:
    return str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)
