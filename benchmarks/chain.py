"""Silica, water and diamond glued, pressed and pulled: does a chain of events come to its end, and what is it then?

    python benchmarks/chain.py                  one visit; stopped, the same command goes on
    python benchmarks/chain.py --visits 2       and one more, by the committee that the first has made
    python benchmarks/chain.py --show           what there is

The chain of Fig. 7 of SCS (J. Chem. Theory Comput. 2025, 21, 7102) in small. 6 SiO2 at 2.2 g/cm³ are annealed, 3 water
are glued on and annealed with them, a slab of that is stitched to diamond (110), pressed at 5 GPa, and pulled off at
10 Å/ps. CHGNet drives the first visit; GFN1-xTB at the Gamma point labels four frames of each phase, and a committee
learns them. The box of the silica is as wide as two cells of diamond (110), which so need no strain. What is told of
the diamond is the mean height of its atoms: above the mean of those that are held.

The project lies in the folder of --work, by default `chain`: `aims-pax report chain` has the pictures of all phases.
Packmol is in the extra `workflows`; CHGNet is a package of its own.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from ase import Atoms
from ase.build import bulk, molecule, surface
from ase.io import write

import aims_pax as ap
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.outcome.played import PlayedPhase, ends_of, phases_of
from aims_pax.stages.memory import Memory
from aims_pax.structures.building.phase import Built

CHGNET: Final = "chgnet.model.dynamics:CHGNetCalculator"

LATTICE_ANG: Final = 3.567
"""Of diamond."""

N_SILICA: Final = 6
AMU_PER_ANG3_G_PER_CM3: Final = 1.66054
DENSITY_G_PER_CM3: Final = 2.2
SILICA_U: Final = 60.084

FOOT: Final[dict[str, Any]] = {"Bottom": 2.0}
"""What stays while diamond is moved, Å."""


def workflow(n_steps: int) -> dict[str, Any]:
    """The phases, each of so many steps."""
    across = (LATTICE_ANG * np.sqrt(2), 2 * LATTICE_ANG)
    volume = N_SILICA * SILICA_U * AMU_PER_ANG3_G_PER_CM3 / DENSITY_G_PER_CM3
    box = [round(float(one), 6) for one in (*across, volume / (across[0] * across[1]))]

    def run(temperature: Any, **said: Any) -> dict[str, Any]:
        return {"Type": "NVT", "Timestep": 0.5, "Steps": n_steps, "Temperature": temperature, "Sampling": 4, **said}

    return {
        "Phase0": {
            "Geometry": {
                "Molecules": {"SiO2": {"Path": "sio2.xyz", "Count": N_SILICA}},
                "Box": box,
                "Tolerance": 1.6,
            },
            "Run": run({"Tstart": 3000, "Tstop": 300}),
        },
        "Phase1": {
            "Geometry": {
                "Molecules": {"Water": {"Path": "h2o.xyz", "Count": 3}},
                "Density": 1.0,
                "Collage": {"From": "Phase0", "With": "Molecules"},
            },
            "Run": run({"Tstart": 1000, "Tstop": 300}),
        },
        "Phase2": {
            "Geometry": {
                "Surface": {"Diamond": {"Path": "diamond.xyz"}},
                "Collage": {
                    "From": "Phase1",
                    "Part": "slab",
                    "Thickness": 8.0,
                    "With": "Surface",
                    "Gap": 2.0,
                    "Vacuum": 10.0,
                },
            },
            "Run": run(300, Hold=FOOT, Load={"Top": 2.0, "Axis": "z", "Pressure": 5.0}),
        },
        "Phase3": {"Run": run(300, Hold=FOOT, Pull={"Molecule": "Diamond", "Axis": "z", "Velocity": 10.0})},
    }


def write_project(folder: Path, chosen: argparse.Namespace) -> None:
    """All files of a project; those of one that is gone on with are the same again."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "sio2.xyz", Atoms("SiO2", [[0, 0, 0], [1.0, 1.3, 0], [1.0, -1.3, 0]]))
    write(folder / "h2o.xyz", molecule("H2O"))
    diamond = surface(bulk("C", "diamond", a=LATTICE_ANG, cubic=True), (1, 1, 0), 2, vacuum=5.0)
    write(folder / "diamond.xyz", diamond)
    explore = {
        "workflow": "silica.yaml",
        "pretrained": {"model_type": CHGNET, "arguments": {"use_device": "cpu", "verbose": False}},
        "ensemble_size": 3,
        "max_visits": chosen.visits,
        "max_convergence_epochs": chosen.epochs,
    }
    settings = {
        "REFERENCE": {"type": "tblite", "method": "GFN1-xTB", "max_force_ev_per_ang": 30.0},
        "STAGES": [{"explore": explore}],
        "MD": {"stat_ensemble": "nvt", "friction": 0.02, "timestep": 0.5, "temperature": 300.0},
        "MISC": {"verdict_ps": 0, "probe": False},
    }
    models = {
        "GENERAL": {"name_exp": "silica", "seed": 1},
        "ARCHITECTURE": {"num_channels": 16, "max_L": 0, "r_max": 4.0, "num_interactions": 2},
        "TRAINING": {"batch_size": 4},
        "MISC": {"device": "cpu"},
    }
    files = {"silica.yaml": workflow(chosen.steps), "aims_PAX.yaml": settings, "mace.yaml": models}
    for name, content in files.items():
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def table_of(folder: Path) -> list[str]:
    """A line for each phase of each visit, and for what each began with and came to when it was last played."""
    if not (folder / STORE_NAME).is_file():
        return ["nothing yet"]
    with RunStore.open_readonly(folder) as store:
        phases = phases_of(store)
        ends = ends_of(phases, Memory(store, RunFolder(folder, folder)), store)
        counts = store.counts()
    lines = [_played(one) for one in phases]
    for name, begin, end in next(iter(ends.values()), ()):
        lines += [f"{name} begins  {_told(begin)}", f"{name} ends    {_told(end)}"]
    return [*lines, f"{counts.n_received} labels, {counts.n_failed} failed or kept out"]


def _played(one: PlayedPhase) -> str:
    return (
        f"visit {one.visit:2d}  {one.phase}  {one.driver:10s}  {one.n_steps:6d} steps  {one.n_received:3d} of "
        f"{len(one.picked)} labels  {one.words or 'to its end'}"
    )


def _told(one: Built) -> str:
    diamond: Sequence[int] = one.parts.get("Diamond", ())
    heights = one.frame.positions[:, 2]
    foot = heights <= heights.min() + FOOT["Bottom"]
    above = f", diamond {heights[list(diamond)].mean() - heights[foot].mean():.2f} Å up" if len(diamond) else ""
    return f"{one.frame.n_atoms} atoms{above}: {one.words}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100, help="MD steps of each phase, of 0.5 fs")
    parser.add_argument("--visits", type=int, default=1, help="at most")
    parser.add_argument("--epochs", type=int, default=20, help="at most, when the visits are over")
    parser.add_argument("--work", type=Path, default=Path("chain"), help="folder of the project")
    parser.add_argument("--show", action="store_true", help="run nothing")
    chosen = parser.parse_args()
    if not chosen.show:
        write_project(chosen.work, chosen)
        ap.run(ap.load_project(chosen.work))
    print(*table_of(chosen.work), sep="\n")


if __name__ == "__main__":
    main()
