"""Structures made from others, without a campaign."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aims_pax.errors import Problem, StructureError
from aims_pax.frame import Frame
from aims_pax.settings.augmentation.reading import augment_argument
from aims_pax.settings.systems import System, read_systems, systems_of
from aims_pax.structures.collection import Collected
from aims_pax.structures.collection import collect as collect_frames

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ase import Atoms

Files = str | Path | Sequence[str | Path]
"""One file of structures, or several."""


def collect(
    structures: "Atoms | Iterable[Atoms] | Mapping[str, Atoms] | Files", augment: Mapping[str, object] | None = None
) -> Collected:
    """Structures that are made from others without MD: distorted, strained, cut, alloyed, and so on.

    Parameters
    ----------
    structures : Atoms, several of them, several by their names, or files
    augment : mapping, or None
        As `augment` has it in a file; None: what the TrainsPot paper makes.

    Returns
    -------
    Collected
        Printed it is the table of what was made, and what is missing; `atoms()` gives the structures.

    Raises
    ------
    UserError
        The arguments say what can't be, or nothing can be made.
    """
    settings = augment_argument(augment)
    files = _files(structures)
    return collect_frames(starts_of(read_files(files) if files else systems_of(structures)), settings)


def read_files(files: Sequence[Path]) -> tuple[System, ...]:
    """All structures of some files, by the names of these.

    Raises
    ------
    StructureError
        With one problem for each structure that can't be used.
    """
    known = [file.expanduser() for file in files]
    if twice := sorted({str(file) for file in known if known.count(file) > 1}):
        raise StructureError(Problem(", ".join(twice), "This file is named twice.", "", "Name it once."))
    return read_systems(Path.cwd(), dict(enumerate(known)))


def starts_of(systems: Sequence[System]) -> list[Frame]:
    """The structures, with the charge and spin that their files tell."""
    return [
        replace(
            system.frame,
            charge=system.declared.whole_charge(),
            spin=system.declared.multiplicity(system.frame.numbers.tolist()),
        )
        for system in systems
    ]


def _files(structures: object) -> list[Path]:
    several = structures if isinstance(structures, list | tuple) else [structures]
    return [Path(one) for one in several if isinstance(one, str | Path)]
