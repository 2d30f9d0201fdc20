"""Structures made of ten crystals by the defaults: how long, how many, and whether any two atoms are too near.

    python benchmarks/augment.py [--quick] [--json augment.json]

First the defaults of `aims-pax collect`: time, structures and atoms of each source. Then 10 000 structures in all, of
supercells of up to 64 atoms, by all sources that need no species. Distances are looked at by brute force, over all
pairs of atoms in all images that could be near, without the package's neighbour lists; the smallest is told in sums of
covalent radii, beside what `overlap` asks for.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from ase.build import bulk
from ase.data import covalent_radii

from aims_pax.atoms import frame_of
from aims_pax.frame import Frame
from aims_pax.settings.augmentation import PUBLISHED, AugmentSettings
from aims_pax.settings.augmentation.reading import augment_argument
from aims_pax.structures.collection import Collected, collect

CRYSTALS: Mapping[str, Mapping[str, Any]] = {
    "C": {"crystalstructure": "diamond", "a": 3.567, "cubic": True},
    "Si": {"crystalstructure": "diamond", "a": 5.43, "cubic": True},
    "GaAs": {"crystalstructure": "zincblende", "a": 5.65, "cubic": True},
    "NaCl": {"crystalstructure": "rocksalt", "a": 5.64, "cubic": True},
    "MgO": {"crystalstructure": "rocksalt", "a": 4.21, "cubic": True},
    "CsCl": {"crystalstructure": "cesiumchloride", "a": 4.12, "cubic": True},
    "Cu": {"crystalstructure": "fcc", "a": 3.61, "cubic": True},
    "Fe": {"crystalstructure": "bcc", "a": 2.87, "cubic": True},
    "Ti": {"crystalstructure": "hcp", "a": 2.95, "c": 4.68},
    "ZnO": {"crystalstructure": "wurtzite", "a": 3.25, "c": 5.2},
}
MANY: Mapping[str, Any] = {
    **PUBLISHED,
    "supercell": {"max_atoms": 64},
    "distort": {"n": 700},
    "strain": {"n_isotropic": 50, "n_anisotropic": 100},
    "vacancies": {"n": 10},
    "clusters": {"n": 50},
    "dimers": {"n": 10},
}


def smallest_ratio(frame: Frame, reach_ang: float = 3.0) -> float:
    """Smallest distance of any two atoms, or of an atom and an image of itself, in sums of covalent radii.

    Images are all whose cells begin within `reach_ang` of where atoms of the first can be.
    """
    heights = 1 / np.linalg.norm(np.linalg.inv(frame.cell), axis=0)
    scaled = frame.positions @ np.linalg.inv(frame.cell)
    spread = np.ceil(np.ptp(scaled, axis=0) + reach_ang / heights).astype(int)
    spans = [range(-n, n + 1) if periodic else (0,) for n, periodic in zip(spread, frame.pbc, strict=True)]
    radii = covalent_radii[frame.numbers]
    sums, smallest = radii[None] + radii[:, None], np.inf
    differences = frame.positions[None] - frame.positions[:, None]
    for shift in product(*spans):
        if next((one for one in shift if one), 0) < 0:
            continue  # the same pairs the other way around
        ratios = np.linalg.norm(differences + np.array(shift) @ frame.cell, axis=-1) / sums
        if not any(shift):
            np.fill_diagonal(ratios, np.inf)
        smallest = min(smallest, float(ratios.min()))
    return smallest


def timed(starts: Sequence[Frame], settings: AugmentSettings) -> tuple[Collected, float]:
    """What is made, and in how many seconds."""
    before = time.perf_counter()
    return collect(starts, settings), time.perf_counter() - before


def figures(collected: Collected, seconds: float, settings: AugmentSettings) -> dict[str, Any]:
    """Numbers of one run, the smallest distance by brute force among them."""
    made = [frame for frame in collected.frames if frame.n_atoms > 1 or frame.pbc.any()]
    ratios = np.array([smallest_ratio(frame) for frame in made])
    n_atoms = sum(frame.n_atoms for frame in collected.frames)
    return {
        "seconds": seconds,
        "structures": len(collected.frames),
        "atoms": n_atoms,
        "asked": sum(one.n_asked for one in collected.made),
        "rejected": sum(one.n_rejected for one in collected.made),
        "looked_at": len(made),
        "smallest_ratio": float(ratios.min()),
        "too_near": int((ratios < settings.overlap - 1e-9).sum()),
    }


def main() -> None:
    """Both parts, told as they come."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three crystals, and a tenth of the structures")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    wanted = parser.parse_args()
    names = list(CRYSTALS)[:3] if wanted.quick else list(CRYSTALS)
    starts = [frame_of(bulk(name, **CRYSTALS[name]), system=name) for name in names]
    many = {**MANY, "distort": {"n": 70}} if wanted.quick else MANY
    found: dict[str, Any] = {}
    for title, augment in (("defaults", PUBLISHED), ("many", many)):
        settings = augment_argument(augment)
        collected, seconds = timed(starts, settings)
        print(f"{title}: {len(starts)} crystals\n\n{collected}\n")
        found[title] = figures(collected, seconds, settings)
        print("\n".join(f"{name:>16} {value:.4g}" for name, value in found[title].items()), end="\n\n", flush=True)
    if wanted.json:
        wanted.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
