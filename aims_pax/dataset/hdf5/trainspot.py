"""Datasets of AiiDA-TrainsPot (its PESData): a group for each structure, lists as datasets, all else as attributes.

Energies are in eV, forces in eV/Å, stress in eV/Å³ with ASE's sign. `gen_method` says how a structure was made, `set`
what it is used for, for good. Structures that wait for their label, or whose calculation has failed, have none.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from aims_pax.dataset.entries import SPLIT_KEY, Keys, Unlabelled
from aims_pax.dataset.hdf5.values import atoms_of, number_in, text_of
from aims_pax.frame import Split

ITEM: Final = "item_"

SETS: Final[Mapping[str, Split]] = {
    "TRAINING": Split.TRAINING,
    "VALIDATION": Split.VALIDATION,
    "TEST": Split.TEST,
}
"""Its words for what a structure is used for."""

_STRESS_SHAPES: Final = ((6,), (9,), (3, 3))


class Items:
    """The structures of a file, in the order of their numbers, with the names of the project's keys."""

    def __init__(self, file: Any, keys: Keys) -> None:
        self._file, self._keys = file, keys
        if strange := [name for name in file if not name.startswith(ITEM) or not name[len(ITEM) :].isdecimal()]:
            raise ValueError(f"it has items of AiiDA-TrainsPot, and {strange[0]} besides")
        self._names = sorted(file, key=number_in)

    def __len__(self) -> int:
        return len(self._names)

    def atoms(self, index: int) -> Any:
        """ASE's atoms of one structure.

        Raises
        ------
        Unlabelled
            It has neither energy nor forces.
        ValueError
            Something of it is missing, of another shape, not finite, or a word that nobody knows.
        """
        name = self._names[index]
        group = self._file[name]
        item = {**group.attrs, **{key: group[key][()] for key in group}}
        try:
            return self._atoms(item)
        except Unlabelled:
            raise
        except (ValueError, TypeError) as error:
            raise ValueError(f"{error} ({name})") from error

    def _atoms(self, item: Mapping[str, Any]) -> Any:
        from ase.data import atomic_numbers

        symbols = [text_of(one) for one in np.ravel(_there(item, "symbols")).tolist()]
        if unknown := [one for one in symbols if one not in atomic_numbers or one == "X"]:
            raise ValueError(f"has the symbol {unknown[0]}, which is no element")
        n_atoms = len(symbols)
        structure = {
            "atomic_numbers": [atomic_numbers[one] for one in symbols],
            "positions": _numbers(item, "positions", (n_atoms, 3)),
            "cell": _numbers(item, "cell", (3, 3)),
            "pbc": np.asarray(_there(item, "pbc"), dtype=bool).reshape(3),
        }
        has = [key for key in ("dft_energy", "dft_forces") if key in item]
        if not has:
            raise Unlabelled("has no dft_energy and no dft_forces")
        found: dict[str, Any] = {
            self._keys.energy: float(_numbers(item, "dft_energy", ())),
            self._keys.forces: _numbers(item, "dft_forces", (n_atoms, 3)),
            "config_type": str(text_of(item.get("gen_method", ""))),
            SPLIT_KEY: _split_of(item),
        }
        if "dft_stress" in item:
            stress = _numbers(item, "dft_stress", *_STRESS_SHAPES)
            found[self._keys.stress] = stress.ravel()
        return atoms_of(structure, found)


def _split_of(item: Mapping[str, Any]) -> Split | None:
    """The place that a structure has in its own dataset; None where it has none yet."""
    if "set" not in item:
        return None
    said = str(text_of(item["set"]))
    if said not in SETS:
        raise ValueError(f"has set = {said}, which is none of {', '.join(SETS)}")
    return SETS[said]


def _there(item: Mapping[str, Any], key: str) -> Any:
    if key not in item:
        raise ValueError(f"has no {key}")
    return item[key]


def _numbers(item: Mapping[str, Any], key: str, *shapes: tuple[int, ...]) -> Any:
    """Finite numbers of one of these shapes."""
    values = np.asarray(_there(item, key), dtype=np.float64)
    if values.shape not in shapes:
        wanted = " or ".join(str(shape) for shape in shapes)
        raise ValueError(f"has {key} of shape {values.shape} where {wanted} was expected")
    if not np.isfinite(values).all():
        raise ValueError(f"has {key} that is not finite")
    return values
