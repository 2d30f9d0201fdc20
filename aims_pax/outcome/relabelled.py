"""Structures with the labels of two references, as a file of their own."""

import json
from collections.abc import Iterator
from pathlib import Path

from aims_pax.dataset.durable import replacing
from aims_pax.dataset.entries import Keys
from aims_pax.dataset.extxyz import block_of
from aims_pax.dataset.store import RunStore
from aims_pax.frame import LabelledFrame, Split
from aims_pax.stages.states import RELABELS


def write_relabelled(store: RunStore, folder: Path, keys: Keys) -> dict[Path, int]:
    """Write ``relabelled_NAME.extxyz`` for each `relabel` stage that is over; how many structures each file holds.

    A structure carries both labels, the one before under names that begin with ``old_``, and its ``split``: none where
    it has no place in the dataset.
    """
    written = {}
    for name in relabelled_by(store):
        path, n_written = folder / f"relabelled_{name}.extxyz", 0
        with replacing(path) as file:
            for text in _blocks(store, name, keys):
                file.write(text)
                n_written += 1
        written[path] = n_written
    return written


def relabelled_by(store: RunStore) -> list[str]:
    """Names of the stages whose labels are learned from, or were until another one."""
    name, found = store.chosen_reference, list[str]()
    while name:
        found.append(name)
        name = _before(store, name)
    return found[::-1]


def _before(store: RunStore, name: str) -> str:
    """Key of the reference whose structures a stage has labelled again."""
    begun = store.load_state(f"{RELABELS}{name}")
    return "" if begun is None else str(json.loads(begun)["from"])


def _blocks(store: RunStore, name: str, keys: Keys) -> Iterator[str]:
    before = _before(store, name)
    for structure_id, label_id in store.structures(reference=name, only_placed=False):
        labels, place = store.labels_of(structure_id), store.place_of(structure_id)
        if before not in labels:
            continue  # labelled by this reference alone, in a stage after it
        split, member = (Split.TRAINING, None) if place is None else place
        one = LabelledFrame(label_id, store.frame_of(label_id), labels[name], split, member)
        yield block_of(
            one, keys, earlier=labels[before], facts_besides={"split": "none" if place is None else str(split)}
        )
