"""Which structures come from one another, and must stay together when a set is divided."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from aims_pax.gathering.duplicates import moved_apart
from aims_pax.gathering.finding import Output
from aims_pax.gathering.nearness import inverse_of
from aims_pax.gathering.spool import Row, Spool

LONGEST_STEP: Final = 2.0
"""How far an atom may move from the last step of an output to the first of another that goes on with it, in lengths of
that last step: runs that began from one crystal are farther apart, however cold they are."""

SAME_CELL_ANG: Final = 0.2
"""How far lattice vectors may lie apart in such two steps."""


class Origins:
    """Outputs that come from one another, each group by its first output.

    Parameters
    ----------
    n_outputs : int
    """

    def __init__(self, n_outputs: int) -> None:
        self._parents = list(range(n_outputs))

    def of(self, file: int) -> int:
        """The first output of the group of an output."""
        while self._parents[file] != file:
            self._parents[file] = self._parents[self._parents[file]]
            file = self._parents[file]
        return file

    def join(self, first: int, second: int) -> None:
        """Note that two outputs belong together."""
        low, high = sorted((self.of(first), self.of(second)))
        self._parents[high] = low


class _Path(NamedTuple):
    """The ends of an output, and the last step but one."""

    first: Row
    before: Row
    last: Row


def origins_of(spool: Spool, outputs: Sequence[Output], same: Iterable[tuple[int, int]]) -> Origins:
    """All steps of one output belong together, and outputs that go on with one another.

    Outputs of several steps of the same atoms in one folder do, and such that begin where another ends, or with one of
    its later structures. Runs that have their start alone in common, and single points that stand beside each other, as
    of a strain grid, are each for themselves.

    Parameters
    ----------
    spool : Spool
        With all structures that passed.
    outputs : sequence of Output
    same : iterable of two int
        Outputs of which one holds a structure that another has come to.
    """
    origins = Origins(len(outputs))
    for first, second in same:
        origins.join(first, second)
    paths: dict[int, _Path] = {}
    for row in spool.rows:
        known = paths.get(row.file)
        paths[row.file] = _Path(row, row, row) if known is None else _Path(known.first, known.last, row)
    moving = {file: path for file, path in paths.items() if path.first is not path.last}
    homes: dict[tuple[str, int], int] = {}
    for file, path in moving.items():
        origins.join(file, homes.setdefault((outputs[file].folder, path.first.kind), file))
    _join_chains(spool, moving, origins)
    return origins


def _join_chains(spool: Spool, moving: dict[int, _Path], origins: Origins) -> None:
    """Join outputs of which one begins where the other ends."""
    by_kind: dict[int, list[int]] = {}
    for file, path in moving.items():
        by_kind.setdefault(path.first.kind, []).append(file)
    for kind, files in by_kind.items():
        pbc = spool.kinds[kind].pbc
        starts = [spool.numbers_of(moving[file].first) for file in files]
        places = np.array([start.positions for start in starts])
        cells = np.array([start.cell for start in starts])
        for file in files:
            if moving[file].last.kind != kind:
                continue
            before, end = (spool.numbers_of(row) for row in (moving[file].before, moving[file].last))
            longest = LONGEST_STEP * float(moved_apart(before, end, pbc).max(initial=0.0))
            moved = places - end.positions
            moved -= moved[:, :1]
            if pbc.any():
                moved -= np.round(moved @ inverse_of(end.cell[pbc])) @ end.cell[pbc]
            apart = np.linalg.norm(moved - moved.mean(axis=1, keepdims=True), axis=2).max(axis=1, initial=0.0)
            near = np.abs(cells - end.cell).max(axis=(1, 2)) < SAME_CELL_ANG
            for place in np.flatnonzero(near & (apart < longest)).tolist():
                origins.join(file, files[place])
