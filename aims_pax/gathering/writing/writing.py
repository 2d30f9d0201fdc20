"""A gathered set in the format that was asked for."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from aims_pax.dataset.durable import replacing
from aims_pax.dataset.entries import Keys
from aims_pax.dataset.extxyz import block_of
from aims_pax.dataset.hdf5.writing import write_hdf5
from aims_pax.frame import LabelledFrame
from aims_pax.gathering.writing.arrays import write_npz
from aims_pax.gathering.writing.formats import Format
from aims_pax.gathering.writing.structures import Content

SHOWN_EVERY: Final = 500


def write_set(path: Path, content: Content, form: Format, *, show: Callable[[str], None]) -> None:
    """Write one set: a file, or a folder that is not there.

    Parameters
    ----------
    path : Path
    content : Content
    form : Format
    show : callable
        Is told where it stands.

    Raises
    ------
    OSError
        It can't be written.
    """
    n = len(content.kept)
    if form is Format.EXTXYZ:
        with replacing(path) as file:
            for number, kept in enumerate(content.kept):
                _show(show, number, n)
                file.write(block_of(content.labelled(kept), Keys(), facts_besides=content.facts(kept)))
    elif form is Format.HDF5:
        write_hdf5(path, _shown(content.all_labelled(), n, show))
    elif form is Format.NPZ:
        show(f"writing {n} structures")
        path.mkdir(exist_ok=True)
        write_npz(path, content.spool, [kept.row for kept in content.kept])
    else:
        show(f"writing {n} structures")
        _write_deepmd(path, content)


def _show(show: Callable[[str], None], number: int, n: int) -> None:
    if number % SHOWN_EVERY == 0:
        show(f"writing structure {number + 1} of {n}")


def _shown(labelled: Iterator[LabelledFrame], n: int, show: Callable[[str], None]) -> Iterator[LabelledFrame]:
    for number, one in enumerate(labelled):
        _show(show, number, n)
        yield one


def _write_deepmd(folder: Path, content: Content) -> None:
    """Write systems of DeePMD, a part of each composition at a time."""
    from ase.data import chemical_symbols

    from aims_pax.dataset.deepmd import write_deepmd

    numbers = sorted({int(one) for kind in {kept.row.kind for kept in content.kept} for one in _atoms(content, kind)})
    type_map = [chemical_symbols[number] for number in numbers]
    folder.mkdir(exist_ok=True)
    for place, part in enumerate(_parts(content)):
        aside = folder / f".part{place}"
        for system in write_deepmd(aside, ((one.frame, one.label) for one in part), type_map=type_map):
            home = folder / system.name
            if not home.exists():
                system.rename(home)
                continue
            n_sets = len(list(home.glob("set.*")))
            (system / "set.000").rename(home / f"set.{n_sets:03d}")
            _remove(system)
        aside.rmdir()


def _remove(system: Path) -> None:
    for file in system.iterdir():
        file.unlink()
    system.rmdir()


def _atoms(content: Content, kind: int) -> Sequence[int]:
    return [int(number) for number in content.spool.kinds[kind].numbers]


PART: Final = 5000
"""Structures that are held at once."""


def _parts(content: Content) -> Iterator[list[LabelledFrame]]:
    """All structures, those of a composition together, so many at a time."""
    by_composition: dict[tuple[int, ...], list[int]] = {}
    for place, kept in enumerate(content.kept):
        by_composition.setdefault(tuple(sorted(_atoms(content, kept.row.kind))), []).append(place)
    for places in by_composition.values():
        going = iter(places)
        while part := list(islice(going, PART)):
            yield [content.labelled(content.kept[place]) for place in part]
