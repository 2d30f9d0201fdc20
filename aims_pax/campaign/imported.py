"""An initial dataset that the user brings, for active learning without the initial stage."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from aims_pax.dataset.extxyz import Keys, read_extxyz
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Split, Stage
from aims_pax.settings import ActiveLearningSettings, MiscSettings, Project


def extxyz_keys(misc: MiscSettings) -> Keys:
    """The names of reference values in this project's extended XYZ files."""
    return Keys(energy=misc.energy_key, forces=misc.forces_key, stress=misc.stress_key)


def import_datasets(project: Project, store: RunStore) -> None:
    """Enter the structures of `initial_train_dataset` and `initial_valid_dataset` into the store.

    Raises
    ------
    StructureError
        A file can't be read, or holds structures without labels.
    """
    active = project.active
    tags = _tags(active)
    number = 0
    for split, given in (
        (Split.TRAINING, active.initial_train_dataset),
        (Split.VALIDATION, active.initial_valid_dataset),
    ):
        for member, path in _owners(given, tags):
            for frame, label in read_extxyz(path, extxyz_keys(project.settings.misc)):
                # Frames from files have no trajectory of this run: negative numbers keep them apart from those.
                number += 1
                label_id = store.add_job(replace(frame, trajectory=-1, md_step=number, generation=0), Stage.INITIAL)
                store.add_label(label_id, label)
                store.assign(label_id, split, member)


def _tags(active: ActiveLearningSettings) -> list[str]:
    """The members' names in the order of the members; empty when all files are for all members."""
    named = (active.seeds_tags_dict, active.initial_train_dataset, active.initial_valid_dataset)
    return next((list(one) for one in named if isinstance(one, Mapping)), [])


def _owners(given: Path | Mapping[str, Path] | None, tags: Sequence[str]) -> list[tuple[int | None, Path]]:
    """Each file with the member that alone uses it, or None."""
    if given is None:
        return []
    if isinstance(given, Path):
        return [(None, given)]
    return [(tags.index(tag), path) for tag, path in given.items()]
