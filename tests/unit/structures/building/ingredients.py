"""Molecules, crystals and geometries that phases are built of."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk, molecule, surface

from aims_pax.atoms import frame_of
from aims_pax.frame import Frame
from aims_pax.settings.workflow.geometry import CollageSettings, GeometrySettings
from aims_pax.structures.building.mixture import Compound, Recipe
from aims_pax.structures.building.phase import Built, built


def frame(atoms: Atoms, name: str = "") -> Frame:
    return frame_of(atoms, system=name)


def water() -> Frame:
    return frame(molecule("H2O"), "water")


def diamond(n_layers: int = 3) -> Frame:
    """The (110) face, 5.04 x 3.57 Å and eight atoms a layer of ASE's, in 10 Å of vacuum."""
    atoms = surface(bulk("C", "diamond", a=3.567, cubic=True), (1, 1, 0), n_layers)
    atoms.center(vacuum=5.0, axis=2)
    return frame(atoms, "diamond")


FILES: Mapping[str, Callable[[], Frame]] = {
    "h2o.xyz": water,
    "ethanol.xyz": lambda: frame(molecule("CH3CH2OH")),
    "methanol.xyz": lambda: frame(molecule("CH3OH")),
    "methane.xyz": lambda: frame(molecule("CH4")),
    "argon.xyz": lambda: frame(Atoms("Ar", [[0.0, 0.0, 0.0]])),
    "sio2.xyz": lambda: frame(Atoms("SiO2", [[0, 0, 0], [1.0, 1.3, 0], [1.0, -1.3, 0]])),
    "diamond.xyz": diamond,
    "copper.xyz": lambda: frame(bulk("Cu", cubic=True)),
    "silver.xyz": lambda: frame(bulk("Ag", cubic=True)),
    "gold.xyz": lambda: frame(bulk("Au", cubic=True)),
}


def read(path: Path) -> Frame:
    return FILES[path.name]()


def compound(name: str, concentration: float = 1.0, *, count: int | None = None) -> Compound:
    return Compound(name=name, frame=FILES[f"{name}.xyz"](), concentration=concentration, count=count)


def recipe(*compounds: Compound, **said: Any) -> Recipe:
    return Recipe(tuple(compounds), **said)


def geometry(folder: Path, **said: Any) -> GeometrySettings:
    """What a file would say; structures and molecules by the names of :data:`FILES`, which are put into a folder."""
    for name in FILES:
        (folder / name).touch()
    for pool in ("bulk", "surface", "molecules"):
        for one in said.get(pool, {}).values():
            one["path"] = folder / one["path"]
    return GeometrySettings.model_validate(said)


def collage(**said: Any) -> CollageSettings:
    return CollageSettings.model_validate({"source": "Phase0", **said})


def build(geometry: GeometrySettings, *, seed: int = 0, **earlier: Built) -> Built:
    return built(geometry, earlier=earlier, read=read, rng=np.random.default_rng(seed), system="somewhere")


def whole(structure: Frame, **parts: tuple[int, ...]) -> Built:
    """What a phase has come to."""
    return Built(structure, parts, "")
