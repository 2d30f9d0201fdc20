"""What a run has labelled, as files for other programs; none of it is held at once, whatever the size of the run."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.dataset.durable import replacing
from aims_pax.dataset.entries import Keys
from aims_pax.dataset.extxyz import block_of, write_extxyz
from aims_pax.dataset.hdf5.opening import SUFFIXES
from aims_pax.dataset.hdf5.writing import write_hdf5
from aims_pax.dataset.stock import XYZ_SUFFIXES
from aims_pax.dataset.store import RunStore
from aims_pax.errors import Problem, UserError
from aims_pax.frame import LabelledFrame, Split
from aims_pax.settings import Project
from aims_pax.stages.beginnings.imported import extxyz_keys
from aims_pax.stages.states import RELABELS


class Format(StrEnum):
    """How datasets are written, by what --format calls it."""

    EXTXYZ = "extxyz"
    """Extended XYZ, by the names of MISC."""
    HDF5 = "hdf5"
    """The groups that MACE's training reads, with attributes that say where each structure comes from."""


FILES: Final = {**dict.fromkeys(XYZ_SUFFIXES, Format.EXTXYZ), **dict.fromkeys(SUFFIXES, Format.HDF5)}
"""Suffixes of files, and what is written into them."""

_SUFFIX: Final = {Format.EXTXYZ: ".extxyz", Format.HDF5: ".h5"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which structures are exported, and how.

    Parameters
    ----------
    out : Path or None
        A folder that gets a file for each use, or a file for all of them; None: results/ of the run.
    file_format : Format or None
        None: as the name of the file says, else extended XYZ.
    sample : int or None
        So many at random, of each file; None: all.
    seed : int
        Of that.
    """

    out: Path | None = None
    file_format: Format | None = None
    sample: int | None = None
    seed: int = 0

    @property
    def is_one_file(self) -> bool:
        """Whether all go into one file, by the suffix of its name."""
        return self.out is not None and self.out.suffix.lower() in FILES and not self.out.is_dir()

    @property
    def written_as(self) -> Format:
        """The format of the files.

        Raises
        ------
        UserError
            Name and format contradict each other, or the file can't be one of datasets.
        """
        if self.out is not None and not self.is_one_file and self.out.is_file():
            allowed = f"a folder, which is made when missing, or a file of {', '.join(FILES)}"
            raise UserError(Problem(f"--out {self.out}", "This is a file.", allowed))
        if self.out is None or not self.is_one_file:
            return self.file_format or Format.EXTXYZ
        named = FILES[self.out.suffix.lower()]
        if self.file_format not in (None, named):
            found = f"The name is that of a file in {named}, and --format is {self.file_format}."
            raise UserError(Problem(f"--out {self.out}", found, "", "Leave out --format, or change the name."))
        return named


def export_datasets(project: Project, wanted: Wanted) -> dict[Path, int]:
    """Write the datasets of the run in a project's folder, finished or not, also while it is running.

    Raises
    ------
    UserError
        There is no run, or what is wanted can't be.
    """
    file_format, keys = wanted.written_as, extxyz_keys(project.settings.misc)
    with RunStore.open_readonly(project.run_folder) as store:
        if wanted.out is not None and wanted.is_one_file:
            wanted.out.parent.mkdir(parents=True, exist_ok=True)
            n_written = _write(wanted.out, _chosen(store, wanted, None), keys, file_format)
            return {wanted.out: n_written}
        return write_datasets(store, wanted.out or project.run_folder / "results", keys, wanted)


def write_datasets(store: RunStore, folder: Path, keys: Keys, wanted: Wanted = Wanted()) -> dict[Path, int]:
    """Write training.extxyz, validation.extxyz and, where there is one, test.extxyz; returns how many each holds.

    These have the labels that models are trained on; what was labelled again is in a file with both labels besides.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written, file_format = {}, wanted.written_as
    for split in Split if store.counts().n_test else (Split.TRAINING, Split.VALIDATION):
        path = folder / f"{split}{_SUFFIX[file_format]}"
        written[path] = _write(path, _chosen(store, wanted, split), keys, file_format)
    return written | write_relabelled(store, folder, keys)


def _chosen(store: RunStore, wanted: Wanted, split: Split | None) -> Iterator[LabelledFrame]:
    if wanted.sample is None:
        return store.labelled(split=split)
    places = list(Split)
    rng = np.random.default_rng((wanted.seed, len(places) if split is None else places.index(split)))
    return store.sampled(wanted.sample, rng, split=split)


def _write(path: Path, structures: Iterator[LabelledFrame], keys: Keys, file_format: Format) -> int:
    if file_format is Format.HDF5:
        return write_hdf5(path, structures)
    return write_extxyz(path, structures, keys)


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
