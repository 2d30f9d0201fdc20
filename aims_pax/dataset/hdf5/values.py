"""What the kinds of HDF5 files share: text, missing values, and ASE's atoms of what was read."""

from collections.abc import Mapping
from typing import Any


def number_in(name: str) -> int:
    """The number that a name of a group ends with: 12 of ``config_12``."""
    return int(name.rpartition("_")[2])


def text_of(value: Any) -> Any:
    """Bytes as text; all else as it is."""
    return value.decode() if isinstance(value, bytes) else value


def atoms_of(structure: Mapping[str, Any], found: Mapping[str, Any]) -> Any:
    """ASE's atoms.

    Parameters
    ----------
    structure : mapping
        ``atomic_numbers``, ``positions`` (Å), ``cell`` (Å) and ``pbc``; that may be None.
    found : mapping
        Label and what else is known, by the names of the project's keys; None is left out.
    """
    from ase import Atoms

    pbc = structure["pbc"]
    atoms = Atoms(
        numbers=structure["atomic_numbers"],
        positions=structure["positions"],
        cell=structure["cell"],
        pbc=False if pbc is None else pbc,
    )
    # In one place, columns too: whether forces of three atoms or a stress of nine numbers is told by the name.
    atoms.info.update({key: text_of(value) for key, value in found.items() if value is not None})
    return atoms
