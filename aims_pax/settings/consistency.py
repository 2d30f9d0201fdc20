"""What can't be true together, across sections and files."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from aims_pax.errors import Problem
from aims_pax.frame import Stage
from aims_pax.settings.cluster import NO_RESOURCES, ClusterSettings, SystemResources, WorkerCluster, unfilled
from aims_pax.settings.mace import MaceSettings
from aims_pax.settings.md import MDSettings, SegmentPlan
from aims_pax.settings.methods.driver import REFERENCE, DriverChoice
from aims_pax.settings.methods.engines import BoxedEngineSettings, box_problem
from aims_pax.settings.methods.reference import ReferenceSettings
from aims_pax.settings.motion.grip import grip_problems
from aims_pax.settings.own import SystemPlan, place_of
from aims_pax.settings.reading.command import COMMAND_KEYS
from aims_pax.settings.reading.document import Document, KeyPath, dotted
from aims_pax.settings.sections import Settings
from aims_pax.settings.stages.active import ActiveLearningSettings
from aims_pax.settings.systems import System

SMALLEST_VOLUME_ANG3: Final = 1e-3

PROPAGATION: Final = "propagate_with"

NO_PRESSURE_PA: Final = 1e6
"""Ten atmospheres: what a file of aims-PAX has by default does nothing to a slab."""


def cross_problems(
    settings: Settings,
    document: Document,
    mace: MaceSettings | None,
    mace_document: Document | None,
    systems: tuple[System, ...],
    stages: tuple[Stage, ...],
) -> list[Problem]:
    """Contradictions between sections, files and structures, as far as each of them is right by itself."""
    problems = [*_stage_problems(settings, document), *_md_problems(settings, document, len(systems), stages)]
    problems += (*_lone_atom_problems(systems), *_still_problems(systems)) if stages else ()
    if systems:
        problems += _trajectory_problems(settings, document, len(systems), stages)
        problems += _resource_problems(settings, document, systems)
        problems += _box_problems(settings, document, systems)
        problems += _cell_problems(settings, document, systems, stages)
        problems += _moot_problems(settings, document, systems, stages)
    if systems and mace is not None and mace_document is not None:
        problems += _model_problems(settings, mace, mace_document, systems)
    return problems


def _cell_problems(
    settings: Settings, document: Document, systems: tuple[System, ...], stages: tuple[Stage, ...]
) -> Iterator[Problem]:
    """A barostat needs a cell, and stress from what drives; what is held or pulled must be there."""
    motions = list(_motions(settings, systems))
    for keys, md, moved in motions:
        yield from grip_problems(document, keys, md, moved)
        yield from _strain_problems(document, keys, md, moved)
    if settings.initial is not None and Stage.INITIAL in stages:
        choice = settings.initial.driving
        for keys, md, moved in motions:
            labels = [_reference_of(settings, system) for system in moved] if choice.kind == REFERENCE else []
            silent = [one.type for one in labels if not one.STRESS]
            yield from _silence_problems(document, keys, md, silent)
            yield from _stress_problems(document, keys, md, moved, choice=choice, what="the initial MD")
    for plan in settings.learning:
        learning = plan.read_as(ActiveLearningSettings)
        driving = learning.driving if Stage.ACTIVE in stages else None
        for place, md, moved in motions if learning.MD or driving is not None else ():
            keys, own = ((*plan.keys, "MD"), learning.moved(md)) if learning.MD else (place, md)
            if learning.MD:
                yield from grip_problems(document, keys, own, moved)
                yield from _strain_problems(document, keys, own, moved)
            if driving is not None:
                what = f"the MD of {plan.said()}"
                yield from _stress_problems(document, keys, own, moved, choice=driving, what=what)


def _strain_problems(document: Document, keys: KeyPath, md: MDSettings, moved: Iterable[System]) -> Iterator[Problem]:
    """What can't be strained as MD says, or an entry of its program."""
    for plan in md.entries:
        if plan.moves_cell:
            yield from _strained(document, keys, plan, moved)


def _moving(keys: KeyPath, plan: SegmentPlan) -> tuple[KeyPath, str]:
    """What moves the cell, and the beginning of a sentence about it."""
    key = "stat_ensemble" if plan.relaxation is None else "relax_cell"
    written = (*keys, *plan.keys, key) if plan.relaxation is not None or key in plan.own else (*keys, key)
    return written, f"{dotted(written)} is {'npt' if plan.relaxation is None else 'true'}"


def _strained(document: Document, keys: KeyPath, plan: SegmentPlan, moved: Iterable[System]) -> Iterator[Problem]:
    md, (written, is_npt) = plan.md, _moving(keys, plan)
    place = document.where(written)
    named = [axis for axis, letter in enumerate("abc") if letter in (md.pressure_directions or ())]
    largest = max(md.pressure, md.final_pressure or 0.0, key=abs)
    for system in moved:
        frame, name = system.frame, system.name
        yield from _held_problems(system, place, is_npt)
        if not frame.pbc.any():
            found = f"{is_npt}, and {name} is a molecule: it has no cell that could move."
            yield Problem(place, found, "", "Set nvt, or give it an MD of its own in SYSTEMS.")
        elif abs(np.linalg.det(frame.cell)) < SMALLEST_VOLUME_ANG3:
            found = f"{is_npt}, and the cell of {name} has no volume: a lattice vector is missing."
            yield Problem(place, found, "", "Give its geometry three lattice vectors, or set nvt.")
        elif any(not frame.pbc[axis] for axis in named):
            where = document.where((*keys, "pressure_directions"))
            found = f"{dotted((*keys, 'pressure_directions'))} names a direction in which {name} is not periodic."
            yield Problem(where, found, "lattice vectors along which it repeats")
        elif not frame.pbc.all() and abs(largest) > NO_PRESSURE_PA:
            where = document.where((*keys, "pressure"))
            found = f"{name} is not periodic along all directions, and the pressure is {largest:g} Pa."
            yield Problem(where, found, f"up to {NO_PRESSURE_PA:g} Pa", "Vacuum can't be pressed on: remove it.")


def _held_problems(system: System, place: str, is_npt: str) -> Iterator[Problem]:
    """What a file holds that a barostat would move: atoms go with the cell."""
    said = "its constraints" if system.file is None else f"the constraints from {system.file.name}"
    if system.fixed is not None:
        found = f"{is_npt}, and {system.name} has fixed atoms, which a barostat would move with the cell."
        yield Problem(place, found, "", f"Set nvt, or remove {said}.")
    if system.fixed_vectors:
        found = f"{is_npt}, and {system.origin} holds lattice vectors: {', '.join(system.fixed_vectors)}."
        advice = "Remove constrain_relaxation there: pressure_directions names the vectors that a barostat moves."
        yield Problem(place, found, "", advice)


def _silence_problems(document: Document, keys: KeyPath, md: MDSettings, silent: Iterable[str]) -> Iterator[Problem]:
    """Where the reference drives, and gives no stress by which cells would move."""
    plan = next((plan for plan in md.entries if plan.moves_cell), None)
    if plan is None:
        return
    written, is_npt = _moving(keys, plan)
    for kind in dict.fromkeys(silent):
        found = f"{is_npt}, and {kind}, which drives the initial MD, gives no stress."
        advice = "Choose another REFERENCE.type, or another driver of the initial MD."
        yield Problem(document.where(written), found, "", advice)


def _stress_problems(
    document: Document, keys: KeyPath, md: MDSettings, moved: Iterable[System], *, choice: DriverChoice, what: str
) -> Iterator[Problem]:
    """Where what drives gives no stress of slabs, by which cells would move."""
    plan = next((plan for plan in md.entries if plan.moves_cell), None)
    if plan is None or (choice.is_mace and choice.correction is None):
        return
    written, is_npt = _moving(keys, plan)
    place = document.where(written)
    driver = choice.kind if choice.correction is None else f"{choice.kind} with dispersion"
    for system in moved:
        if system.frame.pbc.any() and not system.frame.pbc.all():
            found = f"{is_npt}, {system.name} is not periodic along all directions, and {driver} has no stress of that."
            yield Problem(place, found, "", f"Let a MACE model without dispersion drive {what}, or set nvt.")


def _motions(
    settings: Settings, systems: tuple[System, ...]
) -> Iterator[tuple[KeyPath, MDSettings, tuple[System, ...]]]:
    """Where each MD stands, what it says, and the systems that it moves."""
    if settings.systems:
        named = {system.name: system for system in systems}
        for name, plan in settings.systems.items():
            yield ("SYSTEMS", name, "MD"), plan.md, (named[name],) if name in named else ()
    elif isinstance(settings.md, MDSettings):
        yield ("MD",), settings.md, systems
    else:
        for index, md in settings.md.items():
            yield ("MD", index), md, (systems[index % len(systems)],)


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
    needed = set(range(n_systems)) if Stage.INITIAL in stages else set()
    if settings.learning and Stage.ACTIVE in stages:
        needed |= set(range(settings.n_trajectories))
        numbers = {one.read_as(ActiveLearningSettings).num_trajectories: one for one in reversed(settings.learning)}
        said = numbers[settings.n_trajectories].said("num_trajectories")
        for index in sorted(set(settings.md) - needed):
            found = f"MD.{index} is for a trajectory that does not exist."
            allowed = f"0 to {max(needed)}, since {said} is {settings.n_trajectories}"
            yield Problem(document.where(("MD", index)), found, allowed)
    missing = sorted(needed - set(settings.md))
    if missing:
        names = ", ".join(str(index) for index in missing[:8]) + (", ..." if len(missing) > 8 else "")
        found = f"MD says nothing of the trajectories {names}."
        yield Problem(document.where(("MD",)), found, "", "Add them, or write one mapping for all trajectories.")


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
    written = [keys for keys, md, _ in _motions(settings, systems) if md.is_set(PROPAGATION)]
    places = [
        place_of(document, str(keys[1]), "MD", PROPAGATION) if settings.systems else (*keys, PROPAGATION)
        for keys in written
    ]
    for place in dict.fromkeys(places):
        who = " and ".join(plan.said("use_foundational") for plan in learning)
        found = f"{dotted(place)} says how the committee drives, and {who} lets another model drive."
        yield Problem(document.where(place), found, "", f"Remove {PROPAGATION}: the committee only judges.")


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
    for plan in settings.learning if Stage.ACTIVE in stages else ():
        number = plan.read_as(ActiveLearningSettings).num_trajectories
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


def _reference_of(settings: Settings, system: System) -> ReferenceSettings:
    """What labels a system."""
    plan = settings.systems.get(system.name)
    return settings.reference if plan is None else plan.reference


def _box_problems(settings: Settings, document: Document, systems: tuple[System, ...]) -> Iterator[Problem]:
    """Molecules that are too large for the cell that a program puts them into."""
    for system in systems:
        reference, frame = _reference_of(settings, system), system.frame
        if not isinstance(reference, BoxedEngineSettings) or frame.cell.any():
            continue
        keys = place_of(document, system.name, "REFERENCE", "molecule_box")
        problem = box_problem(frame.positions, reference.molecule_box, key=dotted(keys))
        if problem is not None:
            words, _, advice = problem.partition("; ")
            yield Problem(document.where(keys), f"{system.name}: {words}.", "", f"{advice.capitalize()}.")


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
    brings_data = settings.active is not None and settings.active.initial_train_dataset is not None
    if mace.general.model_dir.name not in ("model", "models") and not brings_data:
        found = f"{dotted(keys)} is {mace.general.model_dir}, and no initial_train_dataset is given to go on with."
        yield Problem(document.where(keys), found, "", "Models are exported to results/. Remove it.")
    keys = ("GENERAL", "compute_stress")
    if mace.general.compute_stress and not any(system.frame.pbc.any() for system in systems):
        found = f"{dotted(keys)} is true, and no structure is periodic: a molecule has no stress."
        yield Problem(document.where(keys), found, "", "Set it to false.")
    elif mace.general.compute_stress:
        labels = [(one.name, _reference_of(settings, one)) for one in systems if one.frame.pbc.any()]
        silent = {reference.type: name for name, reference in reversed(labels) if not reference.STRESS}
        for kind, own in silent.items():
            whose, key = (
                ("", "REFERENCE") if own not in settings.systems else (f" of {own}", f"SYSTEMS.{own}.REFERENCE")
            )
            found = f"{dotted(keys)} is true, and the reference {kind}{whose} gives no stress."
            yield Problem(document.where(keys), found, "", f"Set it to false, or choose another {key}.type.")
