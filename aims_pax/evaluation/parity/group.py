"""Structures and atoms that are told by themselves: by element, condition, kind, composition, system and file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from aims_pax.evaluation.blocks import blocks_of
from aims_pax.evaluation.parity.condition import Condition, both_of
from aims_pax.evaluation.parity.matched import Matched
from aims_pax.evaluation.parity.quantity import Values
from aims_pax.frame import Frame, IntArray

MOST_GROUPS: Final = 40
"""Of one kind; the smaller ones are one group then."""

N_ELEMENTS: Final = 119


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """One way to part the set.

    Parameters
    ----------
    kind : str
        ``all``, ``element``, ``density``, ``temperature``, ``density_and_temperature``, ``config_type``,
        ``composition``, ``system``, ``file``.
    names : tuple of str
        Of the groups.
    of_structure : (n_structures,) int, or None
        The group of each structure; None where atoms are parted by their element.
    block_of_structure : (n_structures,) int
        Pieces of trajectories, whose spread tells intervals: structures of one piece resemble each other.
    """

    kind: str
    names: tuple[str, ...]
    of_structure: IntArray | None
    block_of_structure: IntArray

    @property
    def n_blocks(self) -> int:
        """How many pieces there are."""
        return int(self.block_of_structure.max()) + 1

    def codes(self, values: Values) -> IntArray | None:
        """The group (n,) of each value; None where the values belong to no atom, and atoms are parted."""
        if self.of_structure is not None:
            return self.of_structure[values.structure]
        return values.numbers


def groupings_of(matched: Matched) -> list[Grouping]:
    """The whole set, elements, and whatever else has more than one group; the same groups by another name once."""
    frames = matched.frames
    whole = np.zeros(len(frames), dtype=np.int64)
    blocks = _numbered(blocks_of(frames), len(frames))
    found = [Grouping("all", ("all",), whole, blocks), Grouping("element", _symbols(), None, blocks)]
    for one in _conditions(matched):
        found.append(Grouping(one.kind, one.names, one.codes, _blocks_within(frames, one.codes)))
    words = {
        "config_type": [frame.config_type or "none" for frame in frames],
        "composition": [composition_of(frame) for frame in frames],
        "system": [frame.system for frame in frames],
        "file": [name for name, n_structures in matched.files for _ in range(n_structures)],
    }
    seen = set()
    for kind, names in words.items():
        known, codes = _coded(names)
        if len(known) > 1 and codes.tobytes() not in seen:
            seen.add(codes.tobytes())
            found.append(Grouping(kind, known, codes, _blocks_within(frames, codes)))
    return found


def _conditions(matched: Matched) -> list[Condition]:
    """Densities and temperatures as far as they differ, and both at once where both do."""
    found = [one for one in (matched.density, matched.temperature) if len(one.names) > 1]
    return [*found, both_of(*found)] if len(found) > 1 else found


def composition_of(frame: Frame) -> str:
    """``H2O``: elements in the order of the alphabet, carbon and hydrogen first where there is carbon (Hill)."""
    from ase.data import chemical_symbols

    numbers, counts = np.unique(frame.numbers, return_counts=True)
    found = {chemical_symbols[number]: int(n) for number, n in zip(numbers, counts, strict=True)}
    first = [symbol for symbol in ("C", "H") if "C" in found and symbol in found]
    order = [*first, *sorted(symbol for symbol in found if symbol not in first)]
    return "".join(f"{symbol}{found[symbol] if found[symbol] > 1 else ''}" for symbol in order)


def _symbols() -> tuple[str, ...]:
    from ase.data import chemical_symbols

    return tuple(chemical_symbols[:N_ELEMENTS])


def _coded(words: Sequence[str]) -> tuple[tuple[str, ...], IntArray]:
    """Names of the groups in the order in which they come, and the number of each word's; the small ones are one."""
    counted = Counter(words)
    kept = {word for word, _ in counted.most_common(MOST_GROUPS - 1)} if len(counted) > MOST_GROUPS else set(counted)
    rest = f"{len(counted) - len(kept)} others"
    places: dict[str, int] = {}
    codes = [places.setdefault(word if word in kept else rest, len(places)) for word in words]
    return tuple(places), np.array(codes, dtype=np.int64)


def _blocks_within(frames: Sequence[Frame], codes: IntArray) -> IntArray:
    """The same as :func:`blocks_of`, of each group by itself."""
    blocks: list[IntArray] = []
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        blocks += [own[block] for block in blocks_of([frames[index] for index in own.tolist()])]
    return _numbered(blocks, len(frames))


def _numbered(blocks: Sequence[IntArray], n_structures: int) -> IntArray:
    numbers = np.zeros(n_structures, dtype=np.int64)
    for number, block in enumerate(blocks):
        numbers[block] = number
    return numbers
