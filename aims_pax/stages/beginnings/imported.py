"""An initial dataset that the user brings, for active learning without the initial stage."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from aims_pax.dataset.entries import Keys
from aims_pax.dataset.extxyz import Dataset, read_dataset
from aims_pax.dataset.foreign import unit_remarks, virials_key
from aims_pax.dataset.store import RunStore
from aims_pax.errors import Problem, StructureError
from aims_pax.frame import Frame, Split, Stage
from aims_pax.settings import MiscSettings, Project
from aims_pax.settings.committee.losses import DEFAULT_TYPE
from aims_pax.settings.methods.charges import told_by
from aims_pax.settings.reading.final_datasets import EXTEND, WANTED
from aims_pax.settings.reading.validation import suggestion
from aims_pax.settings.sections import Settings
from aims_pax.settings.stage import ACTIVE, INITIAL
from aims_pax.settings.stages.kinds import COLLECT, FLY, PLAY, SELECT
from aims_pax.stages.beginnings import isolated
from aims_pax.stages.memory import Memory

diary = logging.getLogger("aims_pax.run")

SAME_ENERGY_EV = 0.05
"""Two energies of a free atom that are nearer are those of one method."""

MAX_BINDING_EV = 25.0
"""More energy per atom than any bond gives; diamond has 7.4, and tungsten 8.9."""

MAX_NAMED = 5

MAX_NAMES = 12
"""Of systems, stages and types that a message lists."""
LEARNS_BOTH = "One model learns both only by ARCHITECTURE.embed. Is it the right dataset?"


Identity = tuple[bytes, bytes, bytes]
"""Numbers, positions and cell: by these a structure is known again in another file."""


@dataclass(frozen=True, slots=True)
class Share:
    """A file that the user brings, and what it is for.

    Parameters
    ----------
    split : Split
    member : int or None
        The member that alone uses it; None for all.
    dataset : Dataset
    """

    split: Split
    member: int | None
    dataset: Dataset


def extxyz_keys(misc: MiscSettings) -> Keys:
    """The names of reference values in this project's extended XYZ files."""
    return Keys(
        energy=misc.energy_key,
        forces=misc.forces_key,
        stress=misc.stress_key,
        total_charge=misc.total_charge_key or Keys().total_charge,
        total_spin=misc.total_spin_key or Keys().total_spin,
    )


def nothing_to_begin_with(project: Project, stages: Sequence[Stage]) -> Problem | None:
    """Why a new run of these stages has no dataset to learn from; None where it has one, or makes one."""
    active, plans = project.settings.active, project.plans(tuple(stages) or (ACTIVE,))
    if active is None or project.settings.bringing is not None or tuple(stages) == (INITIAL,):
        return None
    if plans and plans[0].kind in (SELECT, COLLECT, PLAY, FLY):
        return None
    learning = project.settings.learning[0]
    if active.extend_existing_final_ds:
        return Problem(
            where=project.where(*learning.keys, EXTEND),
            found=f"{learning.said(EXTEND)} is true, and {project.run_folder} holds neither a run of this program nor "
            "final datasets of aims-PAX.",
            allowed=f"{WANTED} for each member, or a run of this program",
            advice="Put them there, or set it to false. Any labelled structures can be named by initial_train_dataset "
            "and initial_valid_dataset.",
        )
    if INITIAL in stages:
        return None
    return Problem(
        where="aims-pax al" if stages else "aims-pax idg-v2",
        found="There is no initial dataset for active learning to start from.",
        advice="Run aims-pax idg first (or aims-pax run, which does both), or name labelled structures by "
        f"{learning.said('initial_train_dataset')} and initial_valid_dataset.",
    )


def import_datasets(project: Project, store: RunStore, memory: Memory) -> None:
    """Enter the structures of `initial_train_dataset` and `initial_valid_dataset` into the store.

    Free atoms are entered as known energies, which the reference then need not compute.

    Raises
    ------
    StructureError
        A file can't be read, or holds structures without labels.
    """
    shares = given_datasets(project)
    # Members of v0.2 share what they have learned actively, and each of their files holds all of it.
    active = project.settings.active
    shared = _of_all_members(shares) if active is not None and active.extend_existing_final_ds else frozenset()
    entered: set[Identity] = set()
    number = 0
    for share in shares:
        dataset = share.dataset
        sources = dataset.sources or ("",) * len(dataset.structures)
        for (frame, label), source in zip(dataset.structures, sources, strict=True):
            identity = _identity(frame)
            if identity in entered:
                continue
            is_shared = identity in shared
            if is_shared:
                entered.add(identity)
            # Frames from files have no trajectory of this run: negative numbers keep them apart from those.
            number += 1
            label_id = store.add_job(
                replace(frame, trajectory=-1, md_step=number, generation=0), INITIAL, source=source
            )
            store.add_label(label_id, label)
            store.assign(label_id, share.split, None if is_shared else share.member)
    energies = free_atoms_ev(project, shares)
    if energies:
        memory.keep_json(isolated.KEY, energies)
        named = ", ".join(f"{_symbol(z)} {energy:.3f} eV" for z, energy in energies.items())
        diary.info("isolated atoms of the initial dataset give E0 and are not trained on: %s", named)


def dataset_remarks(project: Project) -> list[Problem]:
    """What of the datasets that a user brings is worth a warning; nothing where they can't be read.

    Units, stress, free atoms, masked forces, and compositions that no starting structure has.
    """
    try:
        return list(_remarks(project, given_datasets(project)))
    except StructureError:
        return []  # the problem itself is told where the files are checked


def given_datasets(project: Project) -> list[Share]:
    """The files of `initial_train_dataset` and `initial_valid_dataset`.

    Raises
    ------
    StructureError
        A file can't be read, or holds structures without labels.
    """
    brought, keys = project.settings.brought, extxyz_keys(project.settings.misc)
    if brought is None:
        return []
    tags, read = tags_of(project.settings), cache(lambda path: read_dataset(path, keys))
    train, valid = (dict(_owners(given, tags)) for given in brought)
    shares: list[Share] = []
    for member, path in train.items():
        if valid.get(member) == path and read(path).has_splits:
            shares += _by_own_splits(read(path), member)
        else:
            shares.append(Share(Split.TRAINING, member, read(path)))
    divided = {share.dataset.path for share in shares if share.split is Split.VALIDATION}
    return shares + [
        Share(Split.VALIDATION, member, read(path)) for member, path in valid.items() if path not in divided
    ]


def _by_own_splits(dataset: Dataset, member: int | None) -> Iterator[Share]:
    """One file that is named for both: each structure stays what it is in the dataset that it comes from.

    Raises
    ------
    StructureError
        Nothing of it trains, or nothing validates.
    """
    for split in (Split.TRAINING, Split.VALIDATION):
        if not dataset.of(split).structures:
            found = f"is named for training and validation, and holds no structure whose own place is {split}"
            raise StructureError(Problem(str(dataset.path), found, "both", "Name another file for one of them."))
    yield from (Share(split, member, dataset.of(split)) for split in Split if dataset.of(split).structures)


def free_atoms_ev(project: Project, shares: Sequence[Share]) -> dict[int, float]:
    """Energies of free atoms (eV) that files tell, for elements that occur; those for training come first."""
    numbers = {int(z) for share in shares for frame, _ in share.dataset.structures for z in frame.numbers}
    energies: dict[int, float] = {}
    for share in shares:
        for number, energy in share.dataset.free_atoms_ev.items():
            if number in numbers.union(project.elements):
                energies.setdefault(number, energy)
    return dict(sorted(energies.items()))


def _remarks(project: Project, shares: Sequence[Share]) -> Iterator[Problem]:
    yield from _split_remarks(shares)
    for share in shares:
        yield from unit_remarks(share.dataset.path, share.dataset.structures)
        yield from share.dataset.mask_remarks()
        yield from _charge_remarks(project, share.dataset)
        if project.mace.general.compute_stress:
            yield from _stress_remarks(share.dataset, project.settings.misc.stress_key)
    yield from _repetition_remarks(shares)
    yield from _free_atom_remarks(project, shares)
    yield from _composition_remarks(project, shares)
    yield from _weight_remarks(project, shares)


def _split_remarks(shares: Sequence[Share]) -> Iterator[Problem]:
    """Structures without labels or a place, and such as are used here for something else than where they come from."""
    by_path: dict[Path, list[Share]] = {}
    for share in shares:
        by_path.setdefault(share.dataset.path, []).append(share)
    for path, mine in by_path.items():
        yield from mine[0].dataset.left_out_remarks()
        counts = ", ".join(f"{len(share.dataset.structures)} {share.split}" for share in mine)
        n_none = sum(share.dataset.splits.count(None) for share in mine)
        if len(mine) > 1 and mine[0].dataset.has_splits:
            more = f"; {n_none} that say nothing of it train" if n_none else ""
            yield Problem(str(path), f"Structures stay what they are in their dataset: {counts}{more}.")
            continue
        others = [split for split in mine[0].dataset.splits if split not in (None, mine[0].split)]
        if others:
            named = ", ".join(f"{others.count(split)} {split}" for split in Split if split in others)
            found = f"Here all are {mine[0].split} structures; in the dataset that they come from there are {named}."
            advice = "To keep that, name the file by both initial_train_dataset and initial_valid_dataset."
            yield Problem(str(path), found, "", advice)


def _weight_remarks(project: Project, shares: Sequence[Share]) -> Iterator[Problem]:
    """Names in TRAINING.config_type_weights that nothing here is called by; pools, which may be huge, are not asked."""
    stages = project.settings.stages
    if any(plan.kind == SELECT for plan in stages):
        return
    frames = [frame for share in shares for frame, _ in share.dataset.structures]
    names = {DEFAULT_TYPE, INITIAL, *(system.name for system in project.systems), *(plan.name for plan in stages)}
    names |= {name for frame in frames for name in (frame.system, frame.config_type) if name}
    for name in sorted((project.mace.training.config_type_weights or {}).keys() - names):
        yield Problem(
            where=project.where("TRAINING", "config_type_weights"),
            found=f"TRAINING.config_type_weights names {name}, and no system, stage or config_type here is called so.",
            allowed=" | ".join(sorted(names)[:MAX_NAMES]),
            advice=suggestion(name, names),
        )


def _charge_remarks(project: Project, dataset: Dataset) -> Iterator[Problem]:
    """Structures of a charge that the reference computes of no system: one model would learn both."""
    embed = project.mace.architecture.embed
    for name, key in (("total_charge", "charge"), ("total_spin", "spin")):
        n_silent = sum(getattr(frame, key) is None for frame, _ in dataset.structures)
        if name in embed and n_silent:
            taken = "0" if key == "charge" else "1"
            n_all = len(dataset.structures)
            found = f"Models take {name}, and {n_silent} of {n_all} structures don't say it: it is {taken}."
            yield Problem(str(dataset.path), found, "", f"Write it into the file, or name it by MISC.{name}_key.")
    each = [told_by(project.reference_for(system)) for system in project.systems]
    spins = {one.multiplicity for one in each}
    strange = sorted({frame.spin for frame, _ in dataset.structures if frame.spin is not None} - spins)
    if strange and None not in spins and "total_spin" not in embed:
        theirs, ours = (", ".join(f"{spin:g}" for spin in some) for some in (strange[:MAX_NAMED], spins))
        found = f"Structures of it have multiplicity {theirs}, and the reference computes multiplicity {ours}."
        yield Problem(str(dataset.path), found, "", LEARNS_BOTH)
    if dataset.unread_spins:
        found = f"Its atoms can't have the spin that it says: {', '.join(dataset.unread_spins[:MAX_NAMED])}."
        advice = "2S + 1, 2S and S were tried, with the electrons counted. It is not kept."
        yield Problem(str(dataset.path), found, "", advice)
    told = {one.charge for one in each}
    foreign = [charge for charge in dataset.charges if charge not in told]
    if foreign and None not in told and "total_charge" not in embed:
        theirs, ours = (", ".join(f"{charge:g}" for charge in one) for one in (foreign[:MAX_NAMED], told))
        found = f"Structures of it have charge {theirs}, and the reference computes charge {ours}."
        yield Problem(str(dataset.path), found, "", LEARNS_BOTH)


def _stress_remarks(dataset: Dataset, key: str) -> Iterator[Problem]:
    where, n_structures = str(dataset.path), len(dataset.structures)
    if dataset.n_by_virials:
        found = (
            f"{dataset.n_by_virials} of {n_structures} structures have no {key}; their {virials_key(key)} were taken."
        )
        advice = "They are read as MACE's: eV, minus stress times volume."
        yield Problem(where, found, "", advice)
    if dataset.n_without_stress:
        others = f" (they have {', '.join(dataset.unread)})" if dataset.unread else ""
        found = f"{dataset.n_without_stress} of {n_structures} structures are periodic and have no {key}{others}."
        advice = "GENERAL.compute_stress is true, and no stress is learned from them; name it by MISC.stress_key."
        yield Problem(where, found, f"{key} in eV/Å³", advice)


def _repetition_remarks(shares: Sequence[Share]) -> Iterator[Problem]:
    """Structures that are trained on and validated with: their errors say nothing of others."""
    for valid in (share for share in shares if share.split is Split.VALIDATION):
        trained = {
            _identity(frame)
            for share in shares
            if share.split is Split.TRAINING and share.member == valid.member
            for frame, _ in share.dataset.structures
        }
        n_both = sum(_identity(frame) in trained for frame, _ in valid.dataset.structures)
        if n_both:
            n_all = len(valid.dataset.structures)
            found = f"{n_both} of {n_all} structures for validation stand in the training data, too."
            advice = "The validation error will look better than it is. Divide the data anew."
            yield Problem(str(valid.dataset.path), found, "", advice)


def _of_all_members(shares: Sequence[Share]) -> frozenset[Identity]:
    """Structures that are in the files of all members, of one split."""
    common: frozenset[Identity] = frozenset()
    for split in Split:
        held = [{_identity(frame) for frame, _ in one.dataset.structures} for one in shares if one.split is split]
        common |= frozenset.intersection(*map(frozenset, held)) if held else frozenset()
    return common


def _identity(frame: Frame) -> Identity:
    return frame.numbers.tobytes(), frame.positions.tobytes(), frame.cell.tobytes()


def _free_atom_remarks(project: Project, shares: Sequence[Share]) -> Iterator[Problem]:
    """Free atoms that contradict each other or mace.yaml, and energies that are not on their scale."""
    energies = free_atoms_ev(project, shares)
    given = project.mace.architecture.atomic_energies or {}
    for share in shares:
        for number, energy in share.dataset.free_atoms_ev.items():
            chosen = given.get(number, energies.get(number, energy))
            if abs(chosen - energy) > SAME_ENERGY_EV:
                source = "ARCHITECTURE.atomic_energies says" if number in given else "another file says"
                found = f"The free atom {_symbol(number)} has {energy:.3f} eV, and {source} {chosen:.3f} eV."
                advice = f"{chosen:.3f} eV is used. Structures and free atoms must come from one method."
                yield Problem(str(share.dataset.path), found, "", advice)
    known = {**energies, **given}
    for share in shares:
        binding = [
            (label.energy - sum(known[int(z)] for z in frame.numbers)) / frame.n_atoms
            for frame, label in share.dataset.structures
            if all(int(z) in known for z in frame.numbers)
        ]
        worst = max(binding, key=abs, default=0.0)
        if abs(worst) > MAX_BINDING_EV:
            found = f"Energies differ from those of free atoms by up to {worst:.4g} eV per atom."
            advice = "Are both from one method, and in eV (Hartree is 27.2114 eV)?"
            yield Problem(str(share.dataset.path), found, f"up to {MAX_BINDING_EV:g} eV", advice)


def _composition_remarks(project: Project, shares: Sequence[Share]) -> Iterator[Problem]:
    """Starting structures of which the data hold nothing alike: their proportions of elements are unknown to it."""
    if not shares:
        return
    known = {_proportions(frame.numbers.tolist()) for share in shares for frame, _ in share.dataset.structures}
    unlike = [one.name for one in project.systems if _proportions(one.frame.numbers.tolist()) not in known]
    if unlike:
        more = f" and {len(unlike) - MAX_NAMED} more" if len(unlike) > MAX_NAMED else ""
        found = f"No structure of it has the composition of {', '.join(unlike[:MAX_NAMED])}{more}."
        advice = "The models begin with MD of what they have never seen. Is it the right dataset?"
        bringing = project.settings.bringing
        assert bringing is not None, "shares come from it"
        yield Problem(bringing.said("initial_train_dataset"), found, "", advice)


def _proportions(numbers: Sequence[int]) -> tuple[tuple[int, float], ...]:
    return tuple((z, round(numbers.count(z) / len(numbers), 6)) for z in sorted(set(numbers)))


def _symbol(number: int) -> str:
    from ase.data import chemical_symbols

    return str(chemical_symbols[number])


def tags_of(settings: Settings) -> list[str]:
    """The members' names in the order of the members; empty when all files are for all members."""
    seeds = None if settings.active is None else settings.active.seeds_tags_dict
    named = (seeds, *(settings.brought or ()))
    return next((list(one) for one in named if isinstance(one, Mapping)), [])


def _owners(given: Path | Mapping[str, Path] | None, tags: Sequence[str]) -> list[tuple[int | None, Path]]:
    """Each file with the member that alone uses it, or None."""
    if given is None:
        return []
    if isinstance(given, Path):
        return [(None, given)]
    return [(tags.index(tag), path) for tag, path in given.items()]
