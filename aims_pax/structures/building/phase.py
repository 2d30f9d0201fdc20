"""The structure of a phase, from what its geometry says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.frame import Frame
from aims_pax.protocols import NO_TRAJECTORY
from aims_pax.settings.workflow.geometry import PREVIOUS, CollageSettings, GeometrySettings, StructureSettings
from aims_pax.structures.building.axes import check_axis, in_plane, index_of
from aims_pax.structures.building.carving import carved, opened
from aims_pax.structures.building.failure import NotBuilt
from aims_pax.structures.building.layers import Filling, Layer
from aims_pax.structures.building.mixture import AMU_PER_ANG3_G_PER_CM3, Compound, Recipe, redrawn, said
from aims_pax.structures.building.packing import Region, packed
from aims_pax.structures.building.pieces import Parts, Piece, plain, without
from aims_pax.structures.building.stitching import Stacking, stacked

Read = Callable[[Path], Frame]

_Titled = tuple[str, Layer | Filling]
"""What is stacked, and what it is called; molecules are called by their compounds."""

BULK: Final = "Bulk"
SURFACE: Final = "Surface"
MOLECULES: Final = "Molecules"


@dataclass(frozen=True, slots=True)
class Built:
    """A structure that a phase begins with, or has come to.

    Parameters
    ----------
    frame : Frame
    parts : mapping of str to tuple of int
        Atoms, from 0, by what they came as: compounds (``Water``), structures of a pool (``Structure_1``), phases, and
        ``Molecules``, ``Bulk``, ``Surface`` for all that came by these keys. What a phase brings by a name has it for
        itself; other names of earlier phases stay.
    words : str
        What it is, in a line.
    """

    frame: Frame
    parts: Parts
    words: str


def built(
    geometry: GeometrySettings, *, earlier: Mapping[str, Built], read: Read, rng: np.random.Generator, system: str
) -> Built:
    """The structure that a phase begins with.

    Random numbers are drawn in one order: which structure of the pools, concentrations, then places. The same state of
    the generator gives the same structure to the last digit, by one version of Packmol.

    Parameters
    ----------
    geometry : GeometrySettings
    earlier : mapping of str to Built
        What the phases before it in this visit have come to, by name, in their order.
    read : function
        The structure of a file.
    rng : Generator
    system : str
        What its frame is said to be of.

    Raises
    ------
    NotBuilt
        It can't be built; the text says why, and what to change.
    """
    drawn = _drawn(geometry, geometry.collage, read, rng)
    recipe = _recipe(geometry, read, rng)
    if geometry.collage is not None:
        piece, words = _collage(geometry, geometry.collage, earlier, drawn, recipe, rng)
    elif recipe is not None:
        piece, words = _box(geometry, recipe, rng)
    elif drawn:
        structure = next(iter(drawn.values()))
        piece, words = structure.piece, f"{structure.name} ({structure.piece.frame.n_atoms} atoms)"
    else:
        found = "The geometry of the phase names no structure."
        raise NotBuilt(found, "Write Bulk, Surface, Molecules or Collage, or leave Geometry out.")
    if piece.frame.n_atoms > geometry.max_atoms:
        found = f"{words} has more than the {geometry.max_atoms} atoms that MaxAtoms allows."
        raise NotBuilt(found, "Raise MaxAtoms, or lower Repeat.")
    return Built(plain(piece.frame, system=system, trajectory=NO_TRAJECTORY), piece.parts, words)


@dataclass(frozen=True, slots=True)
class _Structure:
    """One that was drawn from a pool."""

    name: str
    piece: Piece


def _drawn(
    geometry: GeometrySettings, collage: CollageSettings | None, read: Read, rng: np.random.Generator
) -> dict[str, _Structure]:
    """A structure of each pool that a collage is made with; without one, a single structure of both."""
    pools = {BULK: geometry.bulk, SURFACE: geometry.surface}
    if collage is not None:
        wanted = {_partner(partner, ()) for partner in collage.partner}
        return {
            pool: _one(pool, dict(pools[pool]), read, rng) for pool in (BULK, SURFACE) if pool in wanted and pools[pool]
        }
    all_of = [(pool, name) for pool, structures in pools.items() for name in structures]
    if not all_of:
        return {}
    pool, name = all_of[int(rng.integers(len(all_of)))]
    return {pool: _read_one(pool, name, pools[pool][name], read)}


def _one(pool: str, structures: Mapping[str, StructureSettings], read: Read, rng: np.random.Generator) -> _Structure:
    names = list(structures)
    name = names[int(rng.integers(len(names)))]
    return _read_one(pool, name, structures[name], read)


def _read_one(pool: str, name: str, settings: StructureSettings, read: Read) -> _Structure:
    from aims_pax.atoms import atoms_of, frame_of

    frame = read(Path(settings.path))
    if settings.repeat != (1, 1, 1):
        for vector, n in enumerate(settings.repeat):
            if n > 1 and not frame.pbc[vector]:
                found = f"{name} is not periodic along lattice vector {'abc'[vector]}, and can't be repeated there."
                raise NotBuilt(found, "Write 1 there in its Repeat.")
        frame = frame_of(atoms_of(frame).repeat(settings.repeat), system=frame.system)
    return _Structure(name, Piece.named(frame, name, pool))


def _recipe(geometry: GeometrySettings, read: Read, rng: np.random.Generator) -> Recipe | None:
    """The molecules, their concentrations drawn anew where that is asked for; None: there are none."""
    from ase.data import atomic_numbers

    if not geometry.molecules:
        return None
    masses = {atomic_numbers[symbol]: mass for symbol, mass in geometry.species.items() if symbol in atomic_numbers}
    compounds = tuple(
        Compound(
            name=name,
            frame=read(Path(one.path)),
            concentration=1.0 if one.concentration is None else one.concentration,
            count=one.count,
            masses=masses,
        )
        for name, one in geometry.molecules.items()
    )
    return Recipe(
        redrawn(compounds, rng) if geometry.shuffle else compounds,
        geometry.density,
        geometry.n_molecules,
        geometry.box,
        geometry.max_atoms,
    )


def _box(geometry: GeometrySettings, recipe: Recipe, rng: np.random.Generator) -> tuple[Piece, str]:
    """Molecules alone, in a box that is periodic in three directions."""
    volume = None if recipe.box_ang is None else float(np.prod(recipe.box_ang))
    counts = recipe.counts_in(volume)
    region = Region.box(recipe.edges_ang(counts))
    found = packed(recipe, counts, region, tolerance_ang=geometry.tolerance, rng=rng)
    density = recipe.mass_u(counts) * AMU_PER_ANG3_G_PER_CM3 / region.volume_ang3
    edges = " x ".join(f"{edge:.1f}" for edge in np.diag(region.cell).tolist())
    return found.piece.also(MOLECULES), f"{said(recipe, counts)} in {edges} Å at {density:.2f} g/cm³"


def _collage(
    geometry: GeometrySettings,
    collage: CollageSettings,
    earlier: Mapping[str, Built],
    drawn: Mapping[str, _Structure],
    recipe: Recipe | None,
    rng: np.random.Generator,
) -> tuple[Piece, str]:
    source, name = _earlier(collage.source, earlier)
    own = {MOLECULES, *geometry.molecules, *drawn, *(one.name for one in drawn.values())}
    inherited = Piece(source.frame, without(source.parts, own))
    first = carved(inherited, collage.model_copy(update={"source": name})).also(name)
    # What has been carved already ends along the axis.
    title = name if collage.part == "whole" else f"{collage.part} of {name}"
    layers: list[_Titled] = [(title, Layer.of(first, index_of(collage.axis), name=name))]
    for partner in collage.partner:
        key = _partner(partner, tuple(earlier))
        if key == MOLECULES and recipe is not None:
            layers.append(("", _filling(geometry, recipe, collage.axis)))
        elif key in drawn:
            layers.append((drawn[key].name, _layer(drawn[key].piece, drawn[key].name, collage.axis)))
        elif key in (MOLECULES, BULK, SURFACE):
            found = f"Collage is made with {key}, and the geometry of the phase has none."
            raise NotBuilt(found, f"Write {key} beside Collage, or take it out of With.")
        else:
            other, other_name = _earlier(key, earlier)
            piece = Piece(other.frame, without(other.parts, own)).also(other_name)
            layers.append((other_name, _layer(piece, other_name, collage.axis)))
    sheets = [index for index, (_, one) in enumerate(layers) if isinstance(one, Layer) and one.plane is not None]
    if sheets and sheets[0] > 0:  # clusters and molecules come onto what has a plane
        layers.insert(0, layers.pop(sheets[0]))
    return _stack(geometry, collage, layers, rng)


def _stack(
    geometry: GeometrySettings, collage: CollageSettings, layers: Sequence[_Titled], rng: np.random.Generator
) -> tuple[Piece, str]:
    stacking = Stacking(
        index=index_of(collage.axis),
        gap_ang=collage.gap,
        vacuum_ang=collage.vacuum,
        max_atoms=geometry.max_atoms,
        max_strain=collage.max_strain,
    )
    stack = stacked([layer for _, layer in layers], stacking, rng=rng)
    told = [f"{title} ({words})" if title else words for (title, _), words in zip(layers, stack.words, strict=True)]
    return stack.piece, "; on it ".join(told)


def _layer(piece: Piece, name: str, axis: str) -> Layer:
    """All of a structure, opened along the axis."""
    check_axis(piece.frame, axis, name=name)
    return Layer.of(opened(piece, index_of(axis)), index_of(axis), name=name)


def _filling(geometry: GeometrySettings, recipe: Recipe, axis: str) -> Filling:
    if recipe.box_ang is None:
        return Filling(recipe, geometry.tolerance)
    index = index_of(axis)
    one, two = in_plane(index)
    box = recipe.box_ang
    return Filling(recipe, geometry.tolerance, box[index], (box[one], box[two]))


def _earlier(name: str, earlier: Mapping[str, Built]) -> tuple[Built, str]:
    """What a phase has come to, and its name as it is written there; ``previous``: the last one."""
    if not earlier:
        raise NotBuilt(f"Collage is made of {name}, and no phase has run before.", "Write it into a later phase.")
    if name.lower() == PREVIOUS:
        last = list(earlier)[-1]
        return earlier[last], last
    for phase, found in earlier.items():
        if phase.lower() == name.lower():
            return found, phase
    raise NotBuilt(f"Collage is made of {name}, which has not run before.", f"Write one of {', '.join(earlier)}.")


def _partner(name: str, phases: tuple[str, ...]) -> str:
    """What stands in With, as it is called here."""
    known = {one.lower(): one for one in (MOLECULES, BULK, SURFACE, *phases)}
    return known.get(name.lower(), name)
