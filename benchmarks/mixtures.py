"""Mixtures as phases of exploration pack them: composition, density and closest contact of each visit, and its time.

    python benchmarks/mixtures.py [--visits 20] [--shuffle] [--json mixtures.json]

Five compounds by concentration and density, as many as MaxAtoms allows, packed anew at each visit from one stream of
random numbers. The closest contact is that of atoms of two molecules, images among them, by brute force; overlaps are
pairs of atoms nearer than half the sum of their covalent radii.
"""

import argparse
import json
import time
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from ase.build import molecule
from ase.data import atomic_masses
from ase.io import read, write

from aims_pax.atoms import frame_of
from aims_pax.frame import Frame
from aims_pax.settings.workflow.geometry import GeometrySettings, MoleculeSettings
from aims_pax.structures.building.phase import Built, built
from aims_pax.structures.spacing import has_overlaps

ASKED: Mapping[str, tuple[str, float]] = {
    "Water": ("H2O", 10.0),
    "Methanol": ("CH3OH", 4.0),
    "Ethanol": ("CH3CH2OH", 3.0),
    "Methane": ("CH4", 2.0),
    "CO2": ("CO2", 1.0),
}
"""Compounds, ASE's names of their molecules, and concentrations."""

DENSITY = 0.85
"""g/cm³, about that of such a liquid."""


def geometry_in(folder: Path, *, shuffle: bool) -> GeometrySettings:
    """What a workflow's file would say, its molecules written into a folder."""
    molecules = {}
    for name, (formula, concentration) in ASKED.items():
        write(folder / f"{name}.xyz", molecule(formula))
        molecules[name] = MoleculeSettings(path=folder / f"{name}.xyz", concentration=concentration)
    return GeometrySettings(molecules=molecules, density=DENSITY, max_atoms=200, shuffle=shuffle)


def closest_contact(made: Built, geometry: GeometrySettings) -> float:
    """Least distance of atoms of two molecules, Å, over all pairs in all neighbouring images."""
    frame, of, n = made.frame, np.empty(made.frame.n_atoms, dtype=int), 0
    for name, settings in geometry.molecules.items():
        size = len(read(settings.path))
        for first in made.parts[name][::size]:
            of[first : first + size], n = n, n + 1
    differences, closest = frame.positions[None] - frame.positions[:, None], np.inf
    for shift in product((-1, 0, 1), repeat=3):
        lengths = np.linalg.norm(differences + np.array(shift) @ frame.cell, axis=-1)
        others = (of[None] != of[:, None]) if not any(shift) else np.ones_like(lengths, dtype=bool)
        closest = min(closest, float(lengths[others].min()))
    return closest


def figures(made: Built, geometry: GeometrySettings, seconds: float) -> dict[str, Any]:
    """Numbers of one visit."""
    counts = {name: len(made.parts.get(name, ())) // len(read(one.path)) for name, one in geometry.molecules.items()}
    total, weights = sum(counts.values()), sum(one for _, one in ASKED.values())
    asked = {name: total * one / weights for name, (_, one) in ASKED.items()}
    volume = float(np.linalg.det(made.frame.cell))
    return {
        "counts": counts,
        "asked": asked,
        "largest_difference": max(abs(counts[name] - asked[name]) for name in ASKED),
        "atoms": made.frame.n_atoms,
        "density": float(atomic_masses[made.frame.numbers].sum()) * 1.66053906660 / volume,
        "closest": closest_contact(made, geometry),
        "overlaps": has_overlaps(made.frame, 0.5),
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--visits", type=int, default=20)
    parser.add_argument("--shuffle", action="store_true", help="draw concentrations anew at each visit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rng, found = np.random.default_rng(options.seed), []
    with TemporaryDirectory() as name:
        geometry = geometry_in(Path(name), shuffle=options.shuffle)

        def structure(path: Path) -> Frame:
            return frame_of(read(path), system=path.stem)

        print("visit  " + " ".join(f"{one:>15}" for one in ASKED) + "   atoms      g/cm³   contact  overlaps      s")
        for visit in range(options.visits):
            before = time.perf_counter()
            made = built(geometry, earlier={}, read=structure, rng=rng, system="mixture")
            one = figures(made, geometry, time.perf_counter() - before)
            found.append(one)
            cells = " ".join(f"{one['counts'][name]:>6} of {one['asked'][name]:>5.2f}" for name in ASKED)
            print(
                f"{visit:>5}  {cells} {one['atoms']:>7} {one['density']:>6.3f} of {DENSITY:g} "
                f"{one['closest']:>7.3f} {'yes' if one['overlaps'] else 'no':>9} {one['seconds']:>6.2f}"
            )
    print(
        f"all    largest difference of a count {max(one['largest_difference'] for one in found):.2f}, of the density "
        f"{max(abs(one['density'] - DENSITY) for one in found):.1e} g/cm³; closest contact "
        f"{min(one['closest'] for one in found):.3f} Å; {sum(one['overlaps'] for one in found)} visits with overlaps; "
        f"{np.mean([one['seconds'] for one in found]):.2f} s a visit"
    )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
