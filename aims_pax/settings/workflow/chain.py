"""What one phase hands to the next, and what of it phases may name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.frame import Frame
from aims_pax.settings.reading.document import KeyPath, dotted
from aims_pax.settings.reading.validation import Reading, suggestion
from aims_pax.settings.workflow.geometry import CollageSettings, GeometrySettings
from aims_pax.settings.workflow.names import POOLS, PREVIOUS, phase_name, phase_number
from aims_pax.settings.workflow.run import RegionSettings, RunSettings

SMALLEST_VOLUME_ANG3: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Contents:
    """What is known of the structure that a phase has, before there is one.

    Parameters
    ----------
    elements : frozenset of int
        Atomic numbers of which it may consist.
    parts : tuple of str
        Compounds, crystals that are drawn always, and parts of collages, that groups may be named by.
    n_atoms : int or None
        Fewest that it may have; None where it is not known.
    is_known : bool
        False where something before it can't be read: nothing is missed in it.
    lacks_cell : str
        The file without a cell that it may come from; empty where there is none.
    """

    elements: frozenset[int] = frozenset()
    parts: tuple[str, ...] = ()
    n_atoms: int | None = None
    is_known: bool = True
    lacks_cell: str = ""


UNKNOWN: Final = Contents(is_known=False)


@dataclass(slots=True)
class Chain:
    """The phases before one, as they are read in their order.

    Parameters
    ----------
    reading : Reading
    structures : mapping of Path to Frame
    """

    reading: Reading
    structures: Mapping[Path, Frame]
    _contents: dict[int, Contents] = field(default_factory=dict, init=False)

    def add(
        self, number: int, geometry: GeometrySettings | None, run: RunSettings | None, *, is_readable: bool
    ) -> None:
        """Note what the next phase can't be made of, and what groups name that it doesn't have.

        Parameters
        ----------
        number : int
            Of the phase, beyond those that were added.
        geometry, run : settings, or None
            None where there is none, or where it can't be read.
        is_readable : bool
            Whether the geometry is there as it was meant.
        """
        name = phase_name(number)
        if geometry is None:
            contents = [UNKNOWN, *self._contents.values()][-1] if is_readable else UNKNOWN
        else:
            contents = self._begun(name, geometry)
        if run is not None:
            self._judge_cell(name, run, contents)
            for keys, group in _groups(name, run):
                self._judge_group(keys, group, contents)
        self._contents[number] = contents

    # -- geometries ----------------------------------------------------------------------------------------------

    def _begun(self, name: str, geometry: GeometrySettings) -> Contents:
        at: KeyPath = (name, "geometry")
        own = self._of_files(geometry)
        self._judge_species(at, geometry, own)
        self._judge_sizes(at, geometry)
        if geometry.collage is None:
            return own
        sources = [self._phase_of((*at, "collage", "source"), geometry.collage.source, pools=())]
        sources += [
            self._phase_of((*at, "collage", "partner"), part, pools=POOLS)
            for part in geometry.collage.partner
            if part not in POOLS
        ]
        known = [self._contents[number] for number in sources if number is not None]
        return _stitched(geometry.collage, own, known, is_known=None not in sources)

    def _phase_of(self, keys: KeyPath, named: str, *, pools: Sequence[str]) -> int | None:
        """The earlier phase that a collage is made with; None after noting that there is none."""
        number = phase_number(named)
        if number in self._contents:
            return number
        earlier = [phase_name(before) for before in self._contents]
        written = dotted(self.reading.written(keys))
        if not earlier:
            found = f"{written} is {named}, and there is no phase before this one."
            advice = "Begin with Bulk, Surface or Molecules, and stitch in a later phase."
            self.reading.add(keys, found, " | ".join(pools), advice)
            return None
        is_phase = number is not None
        found = f"{written} is {named}, which {'does not come before this phase' if is_phase else 'is no phase'}."
        choices = [*earlier, *pools, PREVIOUS]
        advice = "" if is_phase else suggestion(named, choices)
        self.reading.add(keys, found, " | ".join(choices), advice or "Name one of them.")
        return None

    def _of_files(self, geometry: GeometrySettings) -> Contents:
        """What its own files make."""
        frames = {path: self.structures[path] for path in geometry.files if path in self.structures}
        counts = [
            frame.n_atoms * one.times
            for one in geometry.crystals.values()
            if (frame := frames.get(one.path)) is not None
        ]
        packed = [(one.count, frames.get(one.path)) for one in geometry.molecules.values()]
        if packed and not counts and all(count is not None and frame is not None for count, frame in packed):
            counts = [sum((count or 0) * (frame.n_atoms if frame is not None else 0) for count, frame in packed)]
        always = [name for pool in (geometry.bulk, geometry.surface) if len(pool) == 1 for name in pool]
        lacking = [
            one.path.name
            for one in geometry.crystals.values()
            if one.path in frames and not _has_cell(frames[one.path])
        ]
        return Contents(
            elements=frozenset(int(number) for frame in frames.values() for number in frame.numbers),
            parts=(*geometry.molecules, *always, *geometry.pools),
            n_atoms=min(counts, default=None) if len(geometry.pools) == 1 else None,
            is_known=len(frames) == len(geometry.files),
            lacks_cell=lacking[0] if lacking else "",
        )

    def _judge_species(self, at: KeyPath, geometry: GeometrySettings, own: Contents) -> None:
        from ase.data import atomic_masses_iupac2016, chemical_symbols

        missing = sorted({chemical_symbols[number] for number in own.elements} - set(geometry.species))
        if geometry.species and missing:
            keys = (*at, "species")
            masses = ", ".join(
                f"{one}: {atomic_masses_iupac2016[chemical_symbols.index(one)]:.5g}" for one in missing[:5]
            )
            found = f"{dotted(self.reading.written(keys))} lacks {', '.join(missing)}, which the files hold."
            self.reading.add(keys, found, "", f"Add {masses}; or leave Species out.")

    def _judge_sizes(self, at: KeyPath, geometry: GeometrySettings) -> None:
        """Repeated cells that are none, and structures that are larger than they may be."""
        most, is_said = geometry.max_atoms, geometry.is_set("max_atoms")
        for way, one in geometry.crystals.items():
            frame, keys = self.structures.get(one.path), (*at, *way.split(".", 1))
            if frame is None:
                continue
            times = zip(one.repeat, np.linalg.norm(frame.cell, axis=1), strict=True)
            if any(n > 1 and length == 0 for n, length in times):
                found = f"{dotted(self.reading.written((*keys, 'repeat')))} repeats a cell that {one.path.name} lacks."
                self.reading.add((*keys, "repeat"), found, "", "Give its file lattice vectors, or remove Repeat.")
            if is_said and (n_atoms := frame.n_atoms * one.times) > most:
                found = f"{dotted(self.reading.written(keys))} has {n_atoms} atoms, and MaxAtoms is {most}."
                self.reading.add(keys, found, "", "Raise MaxAtoms, or repeat the cell less often.")
        frames = [(one, self.structures.get(one.path)) for one in geometry.molecules.values()]
        sizes = [(one, frame.n_atoms) for one, frame in frames if frame is not None]
        if not sizes or len(sizes) < len(frames):
            return
        least = sum((one.count or 0) * n_atoms for one, n_atoms in sizes)
        least = least or (geometry.n_molecules or 0) * min(n_atoms for _, n_atoms in sizes)
        if least > most:
            keys = (*at, "n_molecules" if geometry.n_molecules is not None else "molecules")
            found = f"{dotted(self.reading.written(keys))} are {least} atoms or more, and MaxAtoms is {most}"
            self.reading.add(
                keys, f"{found}{'' if is_said else ', its default'}.", "", "Raise MaxAtoms, or pack fewer."
            )

    # -- runs ----------------------------------------------------------------------------------------------------

    def _judge_cell(self, name: str, run: RunSettings, contents: Contents) -> None:
        if run.moves_cell and contents.lacks_cell:
            keys = (name, "run", "type" if run.type == "npt" else "relax_cell")
            what = "Type is NPT" if run.type == "npt" else "RelaxCell is true"
            found = f"{name}.Run: {what}, and {contents.lacks_cell} has no cell that could move."
            self.reading.add(keys, found, "", "Give the file lattice vectors and pbc, or leave the cell as it is.")

    def _judge_group(self, keys: KeyPath, group: RegionSettings, contents: Contents) -> None:
        """What a group names and the structure does not have."""
        if not contents.is_known:
            return
        from ase.data import atomic_numbers, chemical_symbols

        where = dotted(self.reading.written(keys))
        for symbol in group.elements or ():
            if atomic_numbers[symbol] not in contents.elements:
                found = f"{where} names {symbol}, of which this phase has no atom."
                there = ", ".join(chemical_symbols[number] for number in sorted(contents.elements))
                self.reading.add((*keys, "elements"), found, there, "Name elements that are there.")
        outside = [atom for atom in group.atoms or () if contents.n_atoms is not None and atom >= contents.n_atoms]
        if outside:
            found = f"{where} names atom {outside[0]}, and a structure of this phase has {contents.n_atoms} atoms."
            allowed = f"0 to {(contents.n_atoms or 0) - 1}"
            self.reading.add((*keys, "atoms"), found, allowed, "Atoms are counted from 0.")
        if group.molecule is not None and group.molecule not in contents.parts:
            found = f"{where} names {group.molecule}, and nothing in this phase is called so."
            advice = (
                suggestion(group.molecule, contents.parts) or "Name a compound of Molecules, or a part of a collage."
            )
            self.reading.add((*keys, "molecule"), found, " | ".join(contents.parts), advice)


def _stitched(collage: CollageSettings, own: Contents, parts: Sequence[Contents], *, is_known: bool) -> Contents:
    alone = parts[0].n_atoms if collage.part == "whole" and not collage.partner and parts else None
    lacking = [one.lacks_cell for one in (own, *parts) if one.lacks_cell]
    inner = (name for one in (own, *parts) for name in one.parts)
    return Contents(
        elements=own.elements.union(*(one.elements for one in parts)),
        parts=tuple(dict.fromkeys((*inner, collage.source, *collage.partner))),
        n_atoms=alone,
        is_known=is_known and own.is_known and all(one.is_known for one in parts),
        lacks_cell=lacking[0] if lacking and not collage.partner else "",
    )


def _groups(name: str, run: RunSettings) -> Iterator[tuple[KeyPath, RegionSettings]]:
    for place, groups in (("load", run.load), ("pull", run.pull), ("hold", run.hold)):
        for index, group in enumerate(groups):
            yield (name, "run", place, index), group


def _has_cell(frame: Frame) -> bool:
    """Whether it repeats along some direction, in a cell with a volume."""
    return bool(frame.pbc.any()) and abs(np.linalg.det(frame.cell)) >= SMALLEST_VOLUME_ANG3
