"""Structures that others are made from, and how these are made."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk

from aims_pax.atoms import frame_of
from aims_pax.frame import FloatArray, Frame
from aims_pax.settings.augmentation.reading import augment_argument
from aims_pax.structures.collection import Collected, collect


def frame(atoms: Atoms, name: str) -> Frame:
    return frame_of(atoms, system=name)


def silicon() -> Frame:
    return frame(bulk("Si", "diamond", 5.43, cubic=True), "silicon")


def salt() -> Frame:
    return frame(bulk("NaCl", "rocksalt", 5.64, cubic=True), "salt")


def water() -> Frame:
    return frame(Atoms("OH2", [[0, 0, 0], [0, 0.76, 0.59], [0, -0.76, 0.59]]), "water")


def graphene() -> Frame:
    """The 2 x 2 cell of graphene, eight atoms, 15 Å of vacuum: the start of AiiDA-TrainsPot's example (982e9e6)."""
    a = 2.46
    cell = np.array([[a, 0.0, 0.0], [a / 2, a * 3**0.5 / 2, 0.0], [0.0, 0.0, 15.0]])
    atoms = Atoms("C2", scaled_positions=[[1 / 3, 1 / 3, 0.5], [2 / 3, 2 / 3, 0.5]], cell=cell, pbc=(True, True, False))
    return frame(atoms.repeat((2, 2, 1)), "graphene")


def made(starts: list[Frame], **augment: Any) -> Collected:
    return collect(starts, augment_argument(augment))


def of(collected: Collected, key: str) -> list[Frame]:
    return [frame for source, frame in collected.sourced() if source == key]


def counts(collected: Collected) -> Mapping[str, int]:
    return {one.key: len(one.frames) for one in collected.made}


def smallest_ratio(structure: Frame) -> float:
    """Smallest distance of two atoms over the sum of their covalent radii, by all pairs in all nearby images."""
    from ase.data import covalent_radii

    radii = covalent_radii[structure.numbers]
    spans = [range(-2, 3) if periodic else (0,) for periodic in structure.pbc]
    smallest = np.inf
    for shift in ((a, b, c) for a in spans[0] for b in spans[1] for c in spans[2]):
        vectors = structure.positions[None] - structure.positions[:, None] + np.array(shift) @ structure.cell
        ratios: FloatArray = np.linalg.norm(vectors, axis=-1) / (radii[None] + radii[:, None])
        if not any(shift):
            np.fill_diagonal(ratios, np.inf)
        smallest = min(smallest, float(ratios.min()))
    return smallest
