"""What can't be true together, across sections and files."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from aims_pax.errors import Problem
from aims_pax.frame import Stage
from aims_pax.settings.cluster import NO_RESOURCES, ClusterSettings, SystemResources, WorkerCluster, unfilled
from aims_pax.settings.committee.losses import LOSSES, StressIn
from aims_pax.settings.committee.mace import CueqUse, MaceSettings
from aims_pax.settings.committee.reading import deepmd_problems, family_problems
from aims_pax.settings.md import OF_THE_COMMITTEE, MDSettings
from aims_pax.settings.methods.engines import BoxedEngineSettings, box_problem
from aims_pax.settings.motion.cells import motion_problems, motions_in, reference_of
from aims_pax.settings.own import SystemPlan, place_of
from aims_pax.settings.reading.command import COMMAND_KEYS
from aims_pax.settings.reading.document import Document, KeyPath, dotted
from aims_pax.settings.sections import Settings
from aims_pax.settings.stages.active import ActiveLearningSettings
from aims_pax.settings.stages.converge import ConvergeSettings
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.settings.stages.molecules import loss_problems, molecule_problems
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.stages.uncertainty import UNCERTAINTIES
from aims_pax.settings.systems import System
from aims_pax.settings.workflow.playing import PlaySettings


def cross_problems(
    settings: Settings,
    document: Document,
    mace: MaceSettings | None,
    mace_document: Document | None,
    systems: tuple[System, ...],
    stages: tuple[Stage, ...],
) -> list[Problem]:
    """Contradictions between sections, files and structures, as far as each of them is right by itself."""
    problems = [*_stage_problems(settings, document), *_withdrawal_problems(settings, document)]
    problems += [*_md_problems(settings, document, len(systems), stages)]
    problems += (*_lone_atom_problems(systems), *_still_problems(systems)) if stages else ()
    if systems:
        problems += _trajectory_problems(settings, document, len(systems), stages)
        problems += _resource_problems(settings, document, systems)
        problems += _box_problems(settings, document, systems)
        problems += motion_problems(settings, document, systems, stages)
        problems += _moot_problems(settings, document, systems, stages)
        problems += molecule_problems(settings.misc.mol_idxs, document, systems)
    if mace is not None and mace_document is not None:
        problems += [*family_problems(settings, document, mace), *deepmd_problems(mace, mace_document, systems)]
        problems += _loss_problems(mace, mace_document)
        problems += _cueq_problems(mace, mace_document)
        problems += _stage_two_problems(settings, mace, mace_document)
        problems += _uncertainty_problems(settings, document, mace, systems)
        problems += loss_problems(settings, document, mace, mace_document)
        problems += _model_problems(settings, mace, mace_document, systems) if systems else ()
    return problems


def _stage_problems(settings: Settings, document: Document) -> Iterator[Problem]:
    """Members that have names, of which there must be as many as the first stage makes."""
    initial, active = settings.initial, settings.active
    if initial is None or active is None or initial.ensemble_size == active.ensemble_size or not active.names_members:
        return
    keys = (*settings.learning[0].keys, "ensemble_size")
    if keys not in document.lines:
        keys = (*settings.stages[0].keys, "ensemble_size")
    found = (
        f"{dotted(keys)}: the initial dataset has {initial.ensemble_size} models (ensemble_size), "
        f"and active learning has {active.ensemble_size}."
    )
    yield Problem(document.where(keys), found, "", "Set the same ensemble_size in both sections.")


def _withdrawal_problems(settings: Settings, document: Document) -> Iterator[Problem]:
    """Requests that are to be withdrawn while they wait, and never wait."""
    for plan in settings.learning:
        if plan.read_as(ActiveLearningSettings).withdraw_sure and not isinstance(settings.cluster, WorkerCluster):
            keys = (*plan.keys, "withdraw_sure")
            found = f"{dotted(keys)} is true, and labels are computed one after the other: no request waits."
            yield Problem(document.where(keys), found, "", "Set it to false, or write the section CLUSTER.")


def _md_problems(
    settings: Settings, document: Document, n_systems: int, stages: tuple[Stage, ...]
) -> Iterator[Problem]:
    """An MD section by index must speak of every trajectory, and of no other."""
    yield from _bias_problems(settings, document)
    if isinstance(settings.md, MDSettings):
        return
    if len({md.propagate_with for md in settings.md.values()}) > 1:
        keys = _other_forces(settings, document)
        found = (
            f"{dotted(keys)}: trajectories share one batch, and can't be moved by different forces (propagate_with)."
        )
        yield Problem(document.where(keys), found, "", "Give all trajectories the same propagate_with.")
    if settings.systems:
        return  # each trajectory has the MD of its system
    moves_each = Stage.INITIAL in stages or any(
        isinstance(one.settings, ExploreSettings | FlyStageSettings | PlaySettings) for one in settings.stages
    )
    needed = set(range(n_systems)) if moves_each else set()
    if (counted := list(_counted(settings))) and Stage.ACTIVE in stages:
        number, plan = max(reversed(counted), key=lambda one: one[0])
        needed |= set(range(number))
        said = plan.said("num_trajectories")
        for index in sorted(set(settings.md) - needed):
            found = f"MD.{index} is for a trajectory that does not exist."
            allowed = f"0 to {max(needed)}, since {said} is {number}"
            yield Problem(document.where(("MD", index)), found, allowed)
    missing = sorted(needed - set(settings.md))
    if missing:
        names = ", ".join(str(index) for index in missing[:8]) + (", ..." if len(missing) > 8 else "")
        found = f"MD says nothing of the trajectories {names}."
        yield Problem(document.where(("MD",)), found, "", "Add them, or write one mapping for all trajectories.")


def _counted(settings: Settings) -> Iterator[tuple[int, StagePlan]]:
    """The trajectories of stages that say how many they have."""
    for plan in (*settings.learning, *settings.flying):
        if isinstance(plan.settings, ActiveLearningSettings | FlyStageSettings):
            yield plan.settings.num_trajectories, plan


def _bias_problems(settings: Settings, document: Document) -> Iterator[Problem]:
    """A bias that no trajectory would ever feel."""
    if settings.learning:
        return
    key = "uncertainty_bias"
    motions: list[tuple[KeyPath, MDSettings]] = [
        (place_of(document, name, "MD", key), plan.md) for name, plan in settings.systems.items()
    ]
    if not settings.systems:
        named = (
            {(): settings.md} if isinstance(settings.md, MDSettings) else {(i,): md for i, md in settings.md.items()}
        )
        motions = [(("MD", *index, key), md) for index, md in named.items()]
    for keys in dict.fromkeys(keys for keys, md in motions if md.uncertainty_bias):
        found = f"{dotted(keys)} acts in active learning, and there is none."
        yield Problem(document.where(keys), found, "", f"Remove {key}.")


def _moot_problems(
    settings: Settings, document: Document, systems: tuple[System, ...], stages: tuple[Stage, ...]
) -> Iterator[Problem]:
    """How a committee drives is said, and none does."""
    learning = settings.learning if Stage.ACTIVE in stages else ()
    if not learning or any(plan.read_as(ActiveLearningSettings).driving is None for plan in learning):
        return
    who = " and ".join(plan.said("use_foundational") for plan in learning)
    motions = list(motions_in(settings, systems))
    for key in OF_THE_COMMITTEE:
        written = [keys for keys, md, _ in motions if key in md.of_the_committee]
        places = [place_of(document, str(keys[1]), "MD", key) if settings.systems else (*keys, key) for keys in written]
        for place in dict.fromkeys(places):
            found = f"{dotted(place)} says how the committee drives, and {who} lets another model drive."
            yield Problem(document.where(place), found, "", f"Remove {key}: the committee only judges.")


def _other_forces(settings: Settings, document: Document) -> KeyPath:
    """Where propagate_with is written that is not that of the first system; MD where there are no SYSTEMS."""
    forces = {name: plan.md.propagate_with for name, plan in settings.systems.items()}
    other = next((name for name, one in forces.items() if one != next(iter(forces.values()))), None)
    return ("MD",) if other is None else place_of(document, other, "MD", "propagate_with")


def _lone_atom_problems(systems: tuple[System, ...]) -> Iterator[Problem]:
    """Structures of one atom, of which all labels would be the same."""
    for system in systems:
        if system.frame.n_atoms > 1:
            continue
        found = f"The structure {system.name} has a single atom: by symmetry no force ever acts on it, so MD makes no "
        advice = (
            "Repeat the cell, for example with ase.Atoms.repeat. Energies of free atoms are computed without this."
            if system.frame.pbc.any()
            else "Remove it. Energies of free atoms are computed without it, or given by ARCHITECTURE.atomic_energies."
        )
        yield Problem(system.origin, f"{found}other structure, and nothing can be learned.", "at least 2 atoms", advice)


def _still_problems(systems: tuple[System, ...]) -> Iterator[Problem]:
    """Structures of which nothing can move."""
    for system in systems:
        if system.fixed is not None and system.fixed.all():
            found = f"All atoms of {system.name} are fixed in all directions: nothing would move."
            advice = "Remove the constraints of the atoms that are to move."
            yield Problem(system.origin, found, "at least one atom that can move", advice)


def _trajectory_problems(
    settings: Settings, document: Document, n_systems: int, stages: tuple[Stage, ...]
) -> Iterator[Problem]:
    for number, plan in _counted(settings) if Stage.ACTIVE in stages else ():
        if number < n_systems:
            keys = (*plan.keys, "num_trajectories")
            found = f"{dotted(keys)} is {number}, and there are {n_systems} starting structures."
            yield Problem(document.where(keys), found, f"integer >= {n_systems}", "Every structure needs a trajectory.")
    place = settings.misc.path_to_geometry
    if isinstance(place, dict) and set(place) != set(range(len(place))):
        found = "MISC.path_to_geometry leaves out an index."
        yield Problem(document.where(("MISC", "path_to_geometry")), found, f"0 to {len(place) - 1}, each once")


def _resource_problems(settings: Settings, document: Document, systems: tuple[System, ...]) -> Iterator[Problem]:
    """CLUSTER.systems must speak of systems that exist, each once, and fill in what commands leave open."""
    cluster = settings.cluster
    written: Iterable[int | str] = cluster.systems if isinstance(cluster, WorkerCluster) else ()
    names = [system.name for system in systems]
    meant: dict[str, int | str] = {}
    for key in written:
        where = document.where(("CLUSTER", "systems", key))
        name = key if isinstance(key, str) else next(iter(names[key : key + 1]), None)
        if name not in names:
            found = f"CLUSTER.systems.{key} is none of the starting structures."
            yield Problem(where, found, ", ".join(f"{index}: {name}" for index, name in enumerate(names[:12])))
        elif name in meant:
            found = f"CLUSTER.systems.{meant[name]} and CLUSTER.systems.{key} are the same structure."
            yield Problem(where, found, "", "Keep one of them.")
        else:
            meant[name] = key
    for index, name in enumerate(names):
        plan, resources, reference = settings.systems.get(name), cluster.resources_of(index, name), settings.reference
        if plan is not None:
            reference = plan.reference
            yield from _own_resource_problems(plan, resources, document, ("SYSTEMS", name, "resources"), cluster)
            resources = plan.settings.resources if resources == NO_RESOURCES else resources
        if missing := unfilled(reference, resources):
            command = next(key for key in COMMAND_KEYS if f"{{{missing[0]}}}" in str(getattr(reference, key, "")))
            keys = place_of(document, name, "REFERENCE", command)
            found = f"{dotted(keys)} holds {{{missing[0]}}}, and nothing says how many {name} needs."
            asked = f"{{{missing[0]}: ...}}"
            write = f"CLUSTER.systems: {{{name}: {asked}}}" if plan is None else f"SYSTEMS.{name}.resources: {asked}"
            yield Problem(document.where(keys), found, "", f"Write {write}, or a number into the command.")


def _own_resource_problems(
    plan: SystemPlan, elsewhere: SystemResources, document: Document, keys: KeyPath, cluster: ClusterSettings
) -> Iterator[Problem]:
    """Resources of a system that are said twice, or that nobody can give; and an order where nothing waits."""
    if plan.settings.priority and not isinstance(cluster, WorkerCluster):
        found = (
            f"{keys[0]}.{keys[1]}.priority is {plan.settings.priority}, and labels are computed one after the other."
        )
        yield Problem(document.where((*keys[:2], "priority")), found, "", "Remove it, or write the section CLUSTER.")
    if plan.settings.resources == NO_RESOURCES:
        return
    if elsewhere != NO_RESOURCES:
        found = f"{dotted(keys)} and CLUSTER.systems.{keys[1]} are about the same system."
        yield Problem(document.where(keys), found, "", "Keep one of them.")
    if plan.settings.resources.executor is not None and not isinstance(cluster, WorkerCluster):
        found = f"{dotted(keys)} names an executor, and labels are computed in the campaign's own process."
        yield Problem(document.where(keys), found, "", "Remove executor, or write the section CLUSTER.")


def _box_problems(settings: Settings, document: Document, systems: tuple[System, ...]) -> Iterator[Problem]:
    """Molecules that are too large for the cell that a program puts them into."""
    for system in systems:
        reference, frame = reference_of(settings, system), system.frame
        if not isinstance(reference, BoxedEngineSettings) or frame.cell.any():
            continue
        keys = place_of(document, system.name, "REFERENCE", "molecule_box")
        problem = box_problem(frame.positions, reference.molecule_box, key=dotted(keys))
        if problem is not None:
            words, _, advice = problem.partition("; ")
            yield Problem(document.where(keys), f"{system.name}: {words}.", "", f"{advice.capitalize()}.")


def _loss_problems(mace: MaceSettings, document: Document) -> Iterator[Problem]:
    """A loss of what is not learned."""
    name = mace.training.loss
    if LOSSES[name].stress is StressIn.ALWAYS and not mace.general.compute_stress:
        found = f"TRAINING.loss is {name}, and GENERAL.compute_stress is false: there is no stress to learn."
        advice = "Set compute_stress: true, or loss: weighted, which learns energies and forces without it."
        yield Problem(document.where(("TRAINING", "loss")), found, "", advice)


def _stage_two_problems(settings: Settings, mace: MaceSettings, document: Document) -> Iterator[Problem]:
    """A stage two without a training that it could end, or after its last epoch."""
    training = mace.training
    end = next((plan for plan in settings.stages if settings.is_end(plan)), None)
    if not training.swa:
        return
    if end is None:
        found = "TRAINING.swa is true, and no training ends the campaign, whose second stage it would be."
        advice = "Set it to false, or have the models converged at the end (converge_al, or converge in STAGES)."
        yield Problem(document.where(("TRAINING", "swa")), found, "", advice)
        return
    n_epochs = end.read_as(ConvergeSettings).max_convergence_epochs
    if training.start_swa is not None and training.start_swa >= n_epochs:
        found = f"TRAINING.start_swa is {training.start_swa}, and the final convergence has at most {n_epochs} epochs."
        advice = "Lower it, or raise max_convergence_epochs; or remove it: stage two then has the last quarter."
        yield Problem(document.where(("TRAINING", "start_swa")), found, f"less than {n_epochs}", advice)


def _uncertainty_problems(
    settings: Settings, document: Document, mace: MaceSettings, systems: tuple[System, ...]
) -> Iterator[Problem]:
    """Trajectories that are to be judged by a stress that there is not."""
    for plan in (*settings.learning, *settings.playing):
        kind = getattr(plan.settings, "uncertainty_type", "")
        if not UNCERTAINTIES[kind].of_stress:
            continue
        keys, others = (*plan.keys, "uncertainty_type"), " | ".join(UNCERTAINTIES)
        advice = "Choose another measure: max_atomic_sd looks at forces."
        if not mace.general.compute_stress:
            found = f"{dotted(keys)} is {kind}, and GENERAL.compute_stress is false: no model has learned stress."
            yield Problem(document.where(keys), found, others, f"Set compute_stress: true. {advice}")
        for system in systems:
            if not (system.frame.pbc.any() and abs(np.linalg.det(system.frame.cell)) > 0):
                found = f"{dotted(keys)} is {kind}, and {system.name} is a molecule, which has no stress."
                yield Problem(document.where(keys), found, others, advice)
                break


def finetuning_problems(mace: MaceSettings, document: Document) -> Iterator[Problem]:
    """What a foundation model already says, and what can't be done with what becomes of it."""
    training, network = mace.training, mace.architecture
    if not training.perform_finetuning:
        return
    if given := sorted(network.model_fields_set - {"atomic_energies", "model_choice"}):
        named = ", ".join(given)
        found = f"With perform_finetuning the network is that of pretrained_model, and ARCHITECTURE gives {named}."
        yield Problem(document.where(("ARCHITECTURE",)), found, "atomic_energies", "Remove the others.")
    for key in ("compile", "enable_cueq", "enable_cueq_train"):
        keys = ("MISC", key)
        if getattr(mace.misc, key) and training.finetuning_choice != "naive":
            found = f"{dotted(keys)} is true, and models fine-tuned by {training.finetuning_choice} can't be run so."
            yield Problem(document.where(keys), found, "", "Set it to false, or finetuning_choice: naive.")


CUEQ_CORRELATIONS: Final = (2, 3)
"""Of the models that MACE converts for cuEquivariance."""


def _cueq_problems(mace: MaceSettings, document: Document) -> Iterator[Problem]:
    """Models that can't be converted."""
    order = mace.architecture.correlation
    if mace.misc.cueq is not CueqUse.NOTHING and order not in CUEQ_CORRELATIONS:
        keys = ("MISC", "enable_cueq" if mace.misc.enable_cueq else "enable_cueq_train")
        found = f"{dotted(keys)} is true, and ARCHITECTURE.correlation is {order}: MACE can't convert such models."
        allowed = f"correlation {' or '.join(map(str, CUEQ_CORRELATIONS))}"
        yield Problem(document.where(keys), found, allowed, "Set it to false, or change correlation.")


def _model_problems(
    settings: Settings, mace: MaceSettings, document: Document, systems: tuple[System, ...]
) -> Iterator[Problem]:
    energies = mace.architecture.atomic_energies
    present = {int(number) for system in systems for number in system.frame.numbers}
    if energies is not None and not present <= set(energies):
        keys = ("ARCHITECTURE", "atomic_energies")
        missing = ", ".join(str(number) for number in sorted(present - set(energies)))
        found = f"{dotted(keys)} has no energy for the elements Z = {missing}, which the structures hold."
        yield Problem(document.where(keys), found, "", "Add them, or remove atomic_energies to have them computed.")
    keys = ("GENERAL", "model_dir")
    takes_models = settings.bringing is not None or settings.judging is not None
    if mace.general.model_dir.name not in ("model", "models") and not takes_models:
        found = f"{dotted(keys)} is {mace.general.model_dir}, and no initial_train_dataset is given to go on with."
        advice = "Models are exported to results/. Remove it; members begin as a model by TRAINING.pretrained_model."
        yield Problem(document.where(keys), found, "", advice)
    yield from finetuning_problems(mace, document)
    keys = ("MISC", "compile")
    if mace.misc.compile and mace.architecture.embed:
        found = (
            f"{dotted(keys)} is true, and models that take {' and '.join(mace.architecture.embed)} were never compiled."
        )
        yield Problem(document.where(keys), found, "", "Set it to false, or leave ARCHITECTURE.embed empty.")
    keys = ("GENERAL", "compute_stress")
    if mace.general.compute_stress and not any(system.frame.pbc.any() for system in systems):
        found = f"{dotted(keys)} is true, and no structure is periodic: a molecule has no stress."
        yield Problem(document.where(keys), found, "", "Set it to false.")
    elif mace.general.compute_stress:
        labels = [(one.name, reference_of(settings, one)) for one in systems if one.frame.pbc.any()]
        silent = {reference.type: name for name, reference in reversed(labels) if not reference.STRESS}
        for kind, own in silent.items():
            whose, key = (
                ("", "REFERENCE") if own not in settings.systems else (f" of {own}", f"SYSTEMS.{own}.REFERENCE")
            )
            found = f"{dotted(keys)} is true, and the reference {kind}{whose} gives no stress."
            yield Problem(document.where(keys), found, "", f"Set it to false, or choose another {key}.type.")
