"""Predictions that stand in files, beside labels of another file: the same structures, by their index or in order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.dataset.entries import Keys
from aims_pax.dataset.foreign import is_free_atom
from aims_pax.dataset.told import INDEX, MACE, USUAL, Names, Told, structures_in
from aims_pax.errors import Problem, StructureError
from aims_pax.evaluation.parity import Matched, Method
from aims_pax.frame import Frame, Label
from aims_pax.protocols import FramePrediction

SAME_PLACE_ANG: Final = 2e-3
"""Positions and cells that differ by less are the same: files keep three decimals or more."""

MOST_TOLD: Final = 5
"""Structures that do not belong together and are told one by one."""

OPPOSITE: Final = -0.5
"""Correlation of predicted and labelled stress, below which one of them has the other sign."""


@dataclass(frozen=True, slots=True, eq=False)
class Paired:
    """What was compared, and what is to be told of it.

    Parameters
    ----------
    matched : Matched
    found_by : tuple of str
        By which names labels and predictions were found, a line for each file.
    remarks : tuple of Problem
    """

    matched: Matched
    found_by: tuple[str, ...]
    remarks: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    """Values of one structure by one file."""

    energy: float
    forces: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    stress: np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None


@dataclass(slots=True, eq=False)
class _Reference:
    """Labelled structures of files, in their order, and what predictions are found for them."""

    frames: list[Frame] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    temperatures_k: list[float | None] = field(default_factory=list)
    indices: list[int | None] = field(default_factory=list)
    free: list[bool] = field(default_factory=list)
    names: dict[str, None] = field(default_factory=dict)
    files: list[tuple[str, int]] = field(default_factory=list)


def paired(
    data: Sequence[Path], predicted: Sequence[Path], *, keys: Keys | None = None, prefix: str | None = None
) -> Paired:
    """Predictions of files beside the labels of others.

    Parameters
    ----------
    data : sequence of Path
        Labels, by their names, or by the usual ones where there are none by those.
    predicted : sequence of Path
        One file for each method, with all structures of `data` one after the other, or with their
        :data:`~aims_pax.dataset.told.INDEX`.
    keys : Keys or None
        Names of the labels; REF_energy and so on when None.
    prefix : str or None
        What names of predictions begin with; when None MACE_ where there are such, else nothing.

    Raises
    ------
    StructureError
        A file can't be read, or structures do not belong together.
    """
    reference = _read(data, keys or Keys())
    families = (Names.beginning_with(MACE), USUAL) if prefix is None else (Names.beginning_with(prefix),)
    names = _distinct(predicted)
    found_by = [f"labels: {', '.join(reference.names)} of {' and '.join(name for name, _ in reference.files)}"]
    every: list[list[_Said | None]] = []
    for name, path in zip(names, predicted, strict=True):
        said, own = _predictions(reference, path, families)
        every.append(said)
        found_by.append(f"predictions: {', '.join(own)} of {name}")
    whole = [all(said[place] is not None for said in every) for place in range(len(reference.frames))]
    kept = [place for place, is_whole in enumerate(whole) if is_whole and not reference.free[place]]
    if not kept:
        raise StructureError(Problem(str(data[0]), "No structure is left to compare.", "structures in all files"))
    predictions = [_joined([said[place] for said in every]) for place in kept]
    for said in every:
        said.clear()
    matched = Matched(
        tuple(Method(name, (number,)) for number, name in enumerate(names)),
        [reference.frames[place] for place in kept],
        [reference.labels[place] for place in kept],
        predictions,
        _counted(reference.files, kept),
        [reference.temperatures_k[place] for place in kept],
    )
    return Paired(matched, tuple(found_by), (*_left_out(reference, whole), *_doubts(matched)))


def _read(data: Sequence[Path], keys: Keys) -> _Reference:
    read = _Reference()
    for name, path in zip(_distinct(data), data, strict=True):
        before = len(read.frames)
        for one in structures_in(path, (Names.of_keys(keys), USUAL)):
            read.frames.append(one.frame)
            read.labels.append(Label(one.energy, one.forces, one.stress, name, 0.0))
            read.temperatures_k.append(one.temperature_k)
            read.indices.append(one.index)
            read.free.append(is_free_atom(one.frame, {"config_type": one.kind}))
            read.names |= dict.fromkeys(one.names)
        read.files.append((name, len(read.frames) - before))
    return read


def _predictions(
    reference: _Reference, path: Path, families: tuple[Names, ...]
) -> tuple[list[_Said | None], tuple[str, ...]]:
    """What a file says of each structure, None of those that it lacks; and by which names."""
    said: list[_Said | None] = [None] * len(reference.frames)
    places = _by_index(reference)
    problems: list[Problem] = []
    names: dict[str, None] = {}
    number, in_order = 0, 0
    for number, one in enumerate(structures_in(path, families), start=1):
        by_index = one.index is not None and places is not None
        in_order += not by_index
        place = _place(one, number, places)
        where = f"{path}, structure {number}"
        if place is None or place >= len(said):
            problems.append(Problem(where, _nowhere(one, len(said), by_index=by_index), "structures of the labels"))
        elif said[place] is not None:
            problems.append(Problem(where, f"{INDEX}={one.index} stands in this file twice.", "each structure once"))
        elif differ := _difference(reference.frames[place], one.frame):
            problems.append(Problem(where, f"{differ} in structure {place + 1} of the labels.", "the same structures"))
        else:
            said[place] = _Said(one.energy, one.forces, one.stress)
            names |= dict.fromkeys(one.names)
        if len(problems) == MOST_TOLD:
            break
    if not problems and in_order and number < len(said):
        found = f"holds {number} structures, and the labels are of {len(said)}"
        advice = f"Structures are matched in order where {INDEX} does not stand in both files."
        problems.append(Problem(str(path), found, "as many structures as labels", advice))
    if problems:
        raise StructureError(problems)
    return said, tuple(names)


def _by_index(reference: _Reference) -> dict[int, int] | None:
    """The place of each index; None where labels have none, or not each one of its own."""
    places = {index: place for place, index in enumerate(reference.indices) if index is not None}
    return places if len(places) == len(reference.indices) else None


def _place(one: Told, number: int, places: dict[int, int] | None) -> int | None:
    return places.get(one.index) if one.index is not None and places is not None else number - 1


def _nowhere(one: Told, n_labels: int, *, by_index: bool) -> str:
    if by_index:
        return f"No label has {INDEX}={one.index}."
    return f"There are {n_labels} labels, and this file goes on."


def _difference(labelled: Frame, predicted: Frame) -> str:
    """In what two structures differ; nothing where they are one."""
    if labelled.n_atoms != predicted.n_atoms:
        return f"has {predicted.n_atoms} atoms, and {labelled.n_atoms} are"
    if not np.array_equal(labelled.numbers, predicted.numbers):
        is_order = np.array_equal(np.sort(labelled.numbers), np.sort(predicted.numbers))
        return "has the atoms in another order than" if is_order else "has other elements than"
    if labelled.cell.any() and predicted.cell.any():
        far = float(np.abs(labelled.cell - predicted.cell).max())
        if far > SAME_PLACE_ANG:
            return f"has another cell (by up to {far:.3g} Å) than"
    apart = predicted.positions - labelled.positions
    if labelled.pbc.any() and np.abs(apart).max() > SAME_PLACE_ANG and np.linalg.det(labelled.cell):
        parts = np.linalg.solve(labelled.cell.T, apart.T).T
        apart = (parts - np.round(parts) * labelled.pbc) @ labelled.cell
    far = float(np.abs(apart).max(initial=0.0))
    return f"has atoms elsewhere (by up to {far:.3g} Å) than" if far > SAME_PLACE_ANG else ""


def _joined(said: Sequence[_Said | None]) -> FramePrediction:
    """Predictions of all files of one structure; stress that only some have is NaN of the others."""
    known = [one for one in said if one is not None]
    stress = [np.full(6, np.nan) if one.stress is None else one.stress for one in known]
    return FramePrediction(
        np.array([one.energy for one in known]),
        np.stack([one.forces for one in known]),
        np.stack(stress) if any(one.stress is not None for one in known) else None,
    )


def _left_out(reference: _Reference, whole: Sequence[bool]) -> Iterator[Problem]:
    where = " and ".join(name for name, _ in reference.files)
    if missing := whole.count(False):
        found = f"{missing} of {len(whole)} structures are not predicted by all files, and are left out."
        yield Problem(where, found, "", "")
    if n_free := sum(free and is_whole for free, is_whole in zip(reference.free, whole, strict=True)):
        yield Problem(where, f"{n_free} of {len(whole)} structures are free atoms, and are left out.", "", "")


def _counted(files: Sequence[tuple[str, int]], kept: Sequence[int]) -> tuple[tuple[str, int], ...]:
    """How many structures of each file are kept."""
    ends = np.cumsum([n_structures for _, n_structures in files])
    counts = np.bincount(np.searchsorted(ends, np.array(kept), side="right"), minlength=len(files))
    return tuple((name, int(n)) for (name, _), n in zip(files, counts, strict=True))


def _doubts(matched: Matched) -> Iterator[Problem]:
    """What is hardly meant: predictions that are the labels, stress of the other sign."""
    for method in matched.methods:
        pairs = list(zip(matched.labels, matched.predictions, strict=True))
        if all(float(method.said(said.energies)) == label.energy for label, said in pairs):
            found = "All predicted energies are the labels themselves, to the last digit."
            yield Problem(method.name, found, "", "Does this file hold predictions, and by which names?")
        both = [
            (label.stress, method.said(said.stress))
            for label, said in pairs
            if label.stress is not None and said.stress is not None
        ]
        reference, predicted = (np.concatenate([one[side] for one in both] or [np.zeros(0)]) for side in (0, 1))
        known = np.isfinite(predicted)
        varied = known.sum() >= 6 and min(reference[known].std(), predicted[known].std()) > 0
        if varied and np.corrcoef(reference[known], predicted[known])[0, 1] < OPPOSITE:
            advice = "ASE's stress is positive where a cell pulls; virials are minus stress times volume."
            yield Problem(method.name, "Stress has the other sign than that of the labels.", "", advice)


def _distinct(paths: Sequence[Path]) -> tuple[str, ...]:
    """File names, or whole paths where these are not distinct."""
    names = tuple(path.name for path in paths)
    return names if len(set(names)) == len(names) else tuple(str(path) for path in paths)
