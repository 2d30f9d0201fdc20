"""Files that each member of a committee begins with: a labelled dataset that was cut."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.dataset.entries import Keys
from aims_pax.dataset.extxyz import Dataset, write_extxyz
from aims_pax.dataset.shares import Part
from aims_pax.errors import Problem
from aims_pax.frame import Frame, Label, LabelledFrame, Split

SPLITS: Final = (Split.TRAINING, Split.VALIDATION)

MAX_NAMED: Final = 5
"""Files that are named one by one."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files of all members lie.

    Parameters
    ----------
    home : Path
        The folder; made when missing.
    tags : sequence of str
        The members' names, which their files begin with.
    """

    home: Path
    tags: Sequence[str]

    def paths(self, split: Split) -> dict[str, Path]:
        """Each member's file, by its tag."""
        return {tag: self.home / f"{tag}_{split}.extxyz" for tag in self.tags}

    def problems(self) -> Iterator[Problem]:
        """Why they can't be written without harm to what is there."""
        if self.home.exists() and not self.home.is_dir():
            yield Problem(str(self.home), "This is a file.", "a folder, which is made when missing", "Name another.")
            return
        if outside := [tag for tag in self.tags if Path(tag).name != tag]:
            found = f"The tag {outside[0]} can't be part of a file's name."
            yield Problem("ACTIVE_LEARNING", found, "tags without /", "Rename the members.")
            return
        names = [path.name for split in SPLITS for path in self.paths(split).values() if path.exists()]
        if names:
            more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
            found = f"There are {', '.join(names[:MAX_NAMED])}{more} already, and nothing is overwritten."
            yield Problem(str(self.home), found, "a folder without them", "Remove these files, or name another folder.")


def write_first_sets(
    dataset: Dataset, parts: Sequence[Part], places: Places, *, keys: Keys, isolated_atoms_ev: Mapping[int, float]
) -> Iterator[tuple[Path, int]]:
    """Write the parts, each in the order of the dataset: their paths, and how many structures each of them has.

    Parameters
    ----------
    dataset : Dataset
    parts : sequence of Part
        What each member gets, in the order of the tags.
    places : Places
    keys : Keys
    isolated_atoms_ev : mapping of atomic number to eV
        Written into the training file of each member besides.
    """
    places.home.mkdir(parents=True, exist_ok=True)
    atoms = [_isolated(number, energy, dataset.path.name) for number, energy in isolated_atoms_ev.items()]
    for split in SPLITS:
        for part, path in zip(parts, places.paths(split).values(), strict=True):
            mine, structures = set(part[split].tolist()), enumerate(dataset.structures)
            chosen = [LabelledFrame(i + 1, frame, label, split) for i, (frame, label) in structures if i in mine]
            write_extxyz(path, [*atoms, *chosen] if split is Split.TRAINING else chosen, keys)
            yield path, len(chosen)


def _isolated(number: int, energy_ev: float, name: str) -> LabelledFrame:
    """An atom alone, which readers take for E0 because it has no cell. No structure has the label 0."""
    frame = Frame("isolated atom", 0, 0, 0, np.array([number], dtype=np.int64), np.zeros((1, 3)))
    return LabelledFrame(0, frame, Label(energy_ev, np.zeros((1, 3)), None, name, 0.0), Split.TRAINING)
