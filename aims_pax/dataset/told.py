"""Energies, forces and stress that stand in a file by whatever names, structure by structure: labels or predictions.

Names are taken as a family, so that no energy of a model is paired with forces of the reference that stand in the same
file: those of a prefix (``MACE_``, as mace-torch writes them) or a dataset where there are such, else the usual ones.
"""

import gzip
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from aims_pax.constraints import constraints_of
from aims_pax.dataset.entries import Keys, atoms_of_block
from aims_pax.dataset.foreign import config_type_of, names_like, temperature_of, virials_key
from aims_pax.errors import Problem, StructureError
from aims_pax.frame import BoolArray, FloatArray, Frame
from aims_pax.xyz import blocks

INDEX: Final = "original_dataset_index"
"""What tells on the comment line which structure of a whole dataset one is; AtomProNet writes it."""

MACE: Final = "MACE_"
"""What names of predictions begin with in files of mace-torch."""

_VOIGT: Final = (0, 4, 8, 5, 2, 1)
"""Place of each Voigt element in the flattened matrix."""

_TEXT: Final = (".xyz", ".extxyz")


@dataclass(frozen=True, slots=True)
class Names:
    """Where values stand in a structure: the first of each that is there counts.

    Parameters
    ----------
    energy, forces, stress, virial : tuple of str
        Virials (eV) are minus stress times volume; they are asked for where there is no stress.
    """

    energy: tuple[str, ...]
    forces: tuple[str, ...]
    stress: tuple[str, ...]
    virial: tuple[str, ...]

    @classmethod
    def beginning_with(cls, prefix: str) -> "Names":
        """``MACE_energy`` and so on."""
        energy, forces, stress, *virial = (
            f"{prefix}{name}" for name in ("energy", "forces", "stress", "virials", "virial")
        )
        return cls((energy,), (forces,), (stress,), tuple(virial))

    @classmethod
    def of_keys(cls, keys: Keys) -> "Names":
        """Those of a dataset."""
        virial = virials_key(keys.stress)
        return cls((keys.energy,), (keys.forces,), (keys.stress,), (virial,) if virial != keys.stress else ())


USUAL: Final = Names(
    ("energy", "potential_energy", "total_energy"), ("forces", "force"), ("stress",), ("virials", "virial")
)
"""Those that ASE knows, and what other programs write in their place."""

CONSISTENT: Final = replace(USUAL, energy=("free_energy", *USUAL.energy))
"""The same, with the energy that the forces are derivatives of where both are told: with smearing they differ."""


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """One structure of a file, and what it tells.

    Parameters
    ----------
    frame : Frame
    energy : float, eV
    forces : (n_atoms, 3), eV/Å
        NaN where there are none.
    stress : (6,), eV/Å³, or None
        ASE's sign and Voigt order.
    index : int or None
        See :data:`INDEX`.
    kind : str
        Its `config_type` as it stands there.
    names : tuple of str
        By which the values were found.
    fixed : (n_atoms, 3) bool, or None
        What its constraints hold.
    temperature_k : float or None, K
        Of the MD that it comes from.
    """

    frame: Frame
    energy: float
    forces: FloatArray
    stress: FloatArray | None
    index: int | None
    kind: str
    names: tuple[str, ...]
    fixed: BoolArray | None = None
    temperature_k: float | None = None


def structures_in(path: Path, families: tuple[Names, ...]) -> Iterator[Told]:
    """What a file tells, one structure after the other; of the first family of which its first structure has something.

    Raises
    ------
    StructureError
        The file can't be read or is empty, or a structure has no energy, or what is none.
    """
    chosen: Names | None = None
    number = 0
    for number, atoms in enumerate(atoms_in(path), start=1):
        values = {**atoms.arrays, **atoms.info, **(atoms.calc.results if atoms.calc is not None else {})}
        chosen = chosen or _family(values, families)
        try:
            yield _told(atoms, values, chosen, number=number, path=path)
        except ValueError as error:
            allowed = f"{' or '.join(chosen.energy)} in eV, {' or '.join(chosen.forces)} in eV/Å"
            raise StructureError(Problem(f"{path}, structure {number}", str(error), allowed)) from None
    if not number:
        allowed = "one structure or more, in extended XYZ or another file that ASE reads"
        raise StructureError(Problem(str(path), "holds no structure", allowed))


def atoms_in(path: Path) -> Iterator[Any]:
    """The structures of a file as ASE's atoms, one after the other: extended XYZ, or what else ASE reads.

    Raises
    ------
    StructureError
        The file can't be read.
    """
    try:
        if path.suffix.lower() in _TEXT:
            with path.open(encoding="utf-8-sig", errors="replace") as file:
                yield from (atoms_of_block(block) for block in blocks(file))
        else:
            yield from _atoms_by_ase(path)
    except (OSError, ValueError, EOFError) as error:
        found = f"can't be read ({getattr(error, 'strerror', None) or str(error)})"
        is_unknown = isinstance(error, ValueError) and path.suffix.lower() not in _TEXT
        advice = "What ASE does not read: write it as extended XYZ." if is_unknown else ""
        raise StructureError(
            Problem(str(path), found, "extended XYZ, or another file that ASE reads", advice)
        ) from None


def _atoms_by_ase(path: Path) -> Iterator[Any]:
    """By ASE's readers, which raise whatever their parsing trips over. ValueError in place of it."""
    from ase.io import iread

    path.open("rb").close()  # ASE tells of a folder or of no file in ways of its own
    with _unpacked(path) as plain:
        images = iter(iread(str(plain), index=":"))
        while True:
            try:
                atoms = next(images)
            except StopIteration:
                return
            except OSError:
                raise
            except Exception as error:  # some readers raise a bare Exception
                raise ValueError(f"{type(error).__name__}: {error}") from error
            yield atoms


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """The same file, unpacked for as long as the context lasts: not all of ASE's readers do that."""
    if path.suffix.lower() != ".gz":
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="aims-pax-") as folder:
        plain = Path(folder) / path.stem
        with gzip.open(path) as packed, plain.open("wb") as file:
            shutil.copyfileobj(packed, file)
        yield plain


def _family(values: Mapping[str, Any], families: tuple[Names, ...]) -> Names:
    own = [one for one in families if any(name in values for name in (*one.energy, *one.forces))]
    return (own or list(families[-1:]))[0]


def _told(atoms: Any, values: Mapping[str, Any], names: Names, *, number: int, path: Path) -> Told:
    n_atoms = len(atoms)
    energy, forces, stress, virial = (
        next((name for name in row if name in values), "")
        for row in (names.energy, names.forces, names.stress, names.virial)
    )
    if not energy:
        others = names_like(values, "energy")
        raise ValueError(
            f"has no {' or '.join(names.energy)}" + (f"; it has {', '.join(others[:5])}" if others else "")
        )
    index = values.get(INDEX)
    if index is not None and not isinstance(index, int | np.integer):
        raise ValueError(f"has {INDEX} = {index}, which is not a whole number")
    volume_ang3 = abs(float(np.linalg.det(atoms.cell.array)))
    told_stress = None
    if stress:
        told_stress = _voigt(values[stress], stress)
    elif virial and atoms.pbc.all() and volume_ang3 > 0:
        stress, told_stress = virial, -_voigt(values[virial], virial) / volume_ang3
    return Told(
        frame=_frame(atoms, values, number=number, path=path),
        energy=float(_array(values[energy], energy, ())),
        forces=_array(values[forces], forces, (n_atoms, 3)) if forces else np.full((n_atoms, 3), np.nan),
        stress=told_stress,
        index=None if index is None else int(index),
        kind=str(values.get("config_type", "")),
        names=tuple(name for name in (energy, forces, stress) if name),
        fixed=constraints_of(atoms).fixed,
        temperature_k=temperature_of(values),
    )


def _frame(atoms: Any, values: Mapping[str, Any], *, number: int, path: Path) -> Frame:
    """Its place in a trajectory is told by the names that our own files have."""
    whole = {key: values.get(key, usual) for key, usual in (("trajectory", 0), ("md_step", number - 1))}
    trajectory, md_step = (int(one) if isinstance(one, int | np.integer) else 0 for one in whole.values())
    return Frame(
        system=str(values.get("system", path.stem)),
        trajectory=trajectory,
        md_step=md_step,
        generation=0,
        numbers=atoms.numbers.astype(np.int64),
        positions=np.array(atoms.positions, dtype=np.float64),
        cell=np.array(atoms.cell.array, dtype=np.float64),
        pbc=np.array(atoms.pbc, dtype=np.bool_),
        config_type=config_type_of(values),
    )


def _array(values: ArrayLike, name: str, shape: tuple[int, ...]) -> FloatArray:
    try:
        array: FloatArray = np.array(values, dtype=np.float64).reshape(shape)
    except (ValueError, TypeError):
        what = "one number" if shape == () else f"numbers of shape {shape}"
        raise ValueError(f"has {name} that is not {what}") from None
    if not np.isfinite(array).all():
        raise ValueError(f"has {name} that is not finite")
    return array


def _voigt(values: ArrayLike, name: str) -> FloatArray:
    if np.size(values) == 6:
        return _array(values, name, (6,))
    return _array(values, name, (9,))[list(_VOIGT)]
