"""Carbon by Quantum ESPRESSO: structures that are made, active learning, and properties beside the reference.

    python benchmarks/carbon.py --work FOLDER             all of it: an hour of one core; stopped, it goes on
    python benchmarks/carbon.py --work FOLDER --show      what is there

Diamond, graphene, layers of it and a chain, in cells of two to eight atoms, are distorted, strained and robbed of atoms
(`collect`); a small committee learns them (`made`), asks for more labels in MD, and is converged. What is measured:

- errors of the models of each of these points on the test structures, which nobody has learned from;
- the equation of state of diamond, energies of stretched graphene and a stretched chain, the binding curve of layers,
  phonons of diamond and a vacancy, by the models of each point and by the reference;
- wall time by activity, as the summary has it.

The method is cheap on purpose: PBE and D3 with Debian's C.pbe-van_bm.UPF at the cutoffs that its head recommends (25
and 100 Ry), smearing of the protocol `fast`, k points 0.6 1/Å apart in all cells, twice as far as the protocol has
them. No number here is one of carbon: it is what a model is compared with that has learned from the same.

It needs pw.x, and the pseudopotentials of Debian's quantum-espresso-data.
"""

import argparse
import json
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
import yaml
from ase import Atoms
from ase.build import bulk, graphene
from ase.io import write

import aims_pax as ap
from aims_pax.evaluation.properties import Line, Measured, Panel, Quantity, Usual
from aims_pax.evaluation.properties.binding import BindingCurve
from aims_pax.evaluation.properties.defects.vacancy import VacancyEnergies
from aims_pax.evaluation.properties.equation_of_state import EquationOfState
from aims_pax.evaluation.properties.phonons import Phonons

if TYPE_CHECKING:
    from aims_pax.evaluation.properties import Property, Specimen

UPF: Final = Path("/usr/share/espresso/pseudo")
FILE: Final = "C.pbe-van_bm.UPF"
VACUUM_ANG: Final = 8.0
POINTS: Final = ("made", "learned")
"""Of the campaign: after what was made, and at its end."""

SETTINGS: Final[Mapping[str, Any]] = {
    "REFERENCE": {
        "type": "espresso",
        "pseudo_dir": str(UPF),
        "pseudopotentials": {"C": FILE},
        "protocol": "fast",
        "kspacing": 0.6,
        "molecule_box": 10.0,
        "max_force_ev_per_ang": 60.0,
        "walltime_s": 600,
        "dispersion": {"xc": "pbe"},
        "parameters": {"input_data": {"system": {"ecutwfc": 25, "ecutrho": 100}}},
    },
    "SYSTEMS": {
        "diamond": {"geometry": "diamond.extxyz", "num_trajectories": 1},
        "diamond8": {"geometry": "diamond8.extxyz", "num_trajectories": 2},
        "graphene": {"geometry": "graphene.extxyz", "num_trajectories": 1},
        "graphene8": {"geometry": "graphene8.extxyz", "num_trajectories": 2},
        "layers": {"geometry": "layers.extxyz", "num_trajectories": 1},
        "chain": {"geometry": "chain.extxyz", "num_trajectories": 1},
    },
    "STAGES": [
        {
            "collect": {
                "augment": {
                    "inputs": True,
                    "isolated": True,
                    "distort": {"n": 6, "strain": [-0.08, 0.12], "displacement": 0.12, "vacancies": 0},
                    "strain": {"range": [-0.06, 0.08], "n_isotropic": 4, "n_anisotropic": 2},
                    "vacancies": {"n": 1},
                    "vacuum": VACUUM_ANG,
                },
                "valid_ratio": 0.15,
                "test_ratio": 0.15,
            }
        },
        {"converge": {"name": "made", "max_convergence_epochs": 60, "valid_skip": 5}},
        {
            "learn": {
                "ensemble_size": 3,
                "max_train_set_size": 80,
                "skip_step_mlff": 10,
                "epochs_per_worker": 4,
                "intermediate_epochs_al": 2,
                "random_label_share": 0.25,
                "valid_skip": 4,
                "save_trajectories": False,
            }
        },
        {"converge": {"converge_best": False, "max_convergence_epochs": 60, "valid_skip": 5}},
    ],
    "MD": {"stat_ensemble": "nvt", "temperature": 600, "timestep": 1.0, "friction": 0.02},
    "CLUSTER": {"type": "local", "max_workers": 1},
    "MISC": {"verdict_ps": False},
}
MACE: Final[Mapping[str, Any]] = {
    "GENERAL": {"name_exp": "carbon", "compute_stress": True},
    "ARCHITECTURE": {"r_max": 4.5, "num_channels": 16, "max_L": 0, "max_ell": 3, "correlation": 3},
    "TRAINING": {"lr": 0.01, "batch_size": 8, "stress_weight": 1000.0},
    "MISC": {"device": "cpu"},
}


def structures() -> dict[str, Atoms]:
    """What the campaign begins with, by name."""
    sheet = graphene("C2", a=2.467, vacuum=VACUUM_ANG / 2)
    sheet.pbc = (True, True, False)
    chain = Atoms("C2", [[0, 0, 0], [0, 0, 1.29]], cell=[VACUUM_ANG, VACUUM_ANG, 2.58], pbc=(False, False, True))
    chain.center(axis=(0, 1))
    found = {
        "diamond": bulk("C", "diamond", a=3.572),
        "diamond8": bulk("C", "diamond", a=3.572, cubic=True),
        "graphene": sheet,
        "graphene8": sheet.repeat((2, 2, 1)),
        "layers": layers(),
        "chain": chain,
    }
    rng = np.random.default_rng(5)
    for name in ("diamond8", "graphene8"):  # no saddle points to begin MD at
        found[name].positions += rng.normal(scale=0.01, size=found[name].positions.shape)
    return found


def layers() -> Atoms:
    """Graphite, AB."""
    return Atoms(
        "C4",
        scaled_positions=[[0, 0, 0.25], [1 / 3, 2 / 3, 0.25], [0, 0, 0.75], [2 / 3, 1 / 3, 0.75]],
        cell=[2.467, 2.467, 6.7, 90, 90, 120],
        pbc=True,
    )


def written(folder: Path) -> Path:
    """The project's folder with its files; those that are there are left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "aims_PAX.yaml").exists():
        for name, atoms in structures().items():
            write(folder / f"{name}.extxyz", atoms)
        (folder / "mace.yaml").write_text(yaml.safe_dump(dict(MACE), sort_keys=False), encoding="utf-8")
        (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(dict(SETTINGS), sort_keys=False), encoding="utf-8")
    return folder


@dataclass(frozen=True, slots=True)
class Stretched(Usual):
    """Energies of a sheet or a chain whose periodic directions are stretched alike, atoms moved along.

    Parameters
    ----------
    span : float
        Lengths from 1 - span to 1 + span of those that were given.
    n_lengths : int
    """

    span: float = 0.06
    n_lengths: int = 7

    NAME: ClassVar = "stretched"
    TITLE: ClassVar = "stretched"

    def unfit(self, atoms: Atoms) -> str | None:
        """What is periodic in all directions, which has an equation of state."""
        return "it is periodic in three directions, or in none" if atoms.pbc.all() or not atoms.pbc.any() else None

    def measure(self, specimen: "Specimen") -> Measured:
        """The length of least energy, and the curvature there: of a parabola through the three lowest energies."""
        atoms, shares = specimen.atoms, np.linspace(1 - self.span, 1 + self.span, self.n_lengths)
        energies = []
        for share in shares:
            stretched = atoms.copy()
            stretched.set_cell(np.where(atoms.pbc[:, None], share, 1) * atoms.cell.array, scale_atoms=True)
            energies.append(specimen.energy(stretched) / len(atoms))
        lowest = int(np.clip(np.argmin(energies), 1, self.n_lengths - 2))
        near = slice(lowest - 1, lowest + 2)
        second, first, _ = np.polyfit(shares[near] - 1, np.array(energies)[near], 2)
        length = float(atoms.cell.lengths()[atoms.pbc][0]) * (1 - first / (2 * second))
        above = 1000 * (np.array(energies) - min(energies))
        return Measured(
            (
                Quantity("length_ang", "length", "Å", length),
                Quantity("stiffness_ev_per_atom", "second derivative by strain", "eV/atom", 2 * second),
            ),
            panels=(
                Panel(
                    key="energy",
                    title="",
                    lines=(Line(shares, above, marks=True),),
                    x_label="length, in those given",
                    y_label="energy above minimum (meV/atom)",
                ),
            ),
        )


def wanted() -> Iterator[tuple[str, Atoms, "Property"]]:
    """What is measured of which structure; supercells as small as they can be, for the reference has to pay them."""
    found = structures()
    yield "diamond", found["diamond"], EquationOfState()
    yield "graphene", found["graphene"], Stretched()
    yield "chain", found["chain"], Stretched()
    yield "layers", layers(), BindingCurve(n_distances=12, farthest_ang=3.0)
    yield "diamond8", bulk("C", "diamond", a=3.572, cubic=True), VacancyEnergies(distance_ang=3.5)
    yield "diamond8", bulk("C", "diamond", a=3.572, cubic=True), Phonons(length_ang=3.5)


def campaign(folder: Path, out: Path) -> None:
    """The whole campaign; between its stages, the models of that moment and their errors."""
    project = ap.load_project(folder)
    if not (out / "made").is_dir():
        stop = threading.Event()
        watch = threading.Thread(target=stop_behind, args=(folder, "made", stop), daemon=True)
        watch.start()
        try:
            ap.run(project, stop=stop)
        except ap.Departed:
            export_models(folder, out / "made")
    if not (folder / "results" / "summary.json").is_file():
        ap.run(project)
    if not (out / "learned").is_dir():
        shutil.copytree(folder / "results", out / "learned")


def stop_behind(folder: Path, stage: str, stop: threading.Event, *, every_s: float = 5.0) -> None:
    """Have a run leave in good order as soon as a stage is over, which is when another one works."""
    seen = False
    while not stop.wait(every_s):
        try:
            now = str(ap.open_run(folder).status().record().get("stage", ""))
        except ap.UserError:
            continue  # it has not begun
        if seen and now != stage:
            stop.set()
        seen = seen or now == stage


def export_models(folder: Path, out: Path) -> None:
    """Models of an interrupted run, whole or not at all."""
    aside = out.with_suffix(".part")
    shutil.rmtree(aside, ignore_errors=True)
    ap.open_run(folder).export(aside, models=True)
    aside.rename(out)


def properties(folder: Path, out: Path) -> None:
    """All that is wanted, by the models of each point; what the reference has computed is kept in the project."""
    models = [out / point for point in POINTS]
    for structure, atoms, wish in wanted():
        place = out / "properties" / f"{wish.NAME}-{structure}"
        if not (place / "properties.txt").is_file():
            found = ap.validate({structure: atoms}, models, against="reference", properties=[wish], project=folder)
            found.write(place)


def errors(folder: Path, out: Path) -> None:
    """Errors of the models of each point on the same test structures, which none of them has learned from."""
    for point in POINTS:
        file = out / f"errors-{point}.txt"
        if not file.is_file():
            models = sorted((out / point / "committee").glob("*.model"))
            file.write_text(ap.evaluate(models, folder / "results" / "test.extxyz").text(), encoding="utf-8")


def told(folder: Path, out: Path) -> str:
    """Errors by point, properties, and where the time went."""
    lines = []
    for point in POINTS:
        if (file := out / f"errors-{point}.txt").is_file():
            lines += [f"== {point}", file.read_text(encoding="utf-8").rstrip(), ""]
    for file in sorted((out / "properties").glob("*/properties.txt")):
        lines += [f"== {file.parent.name}", file.read_text(encoding="utf-8").rstrip(), ""]
    if (file := folder / "results" / "summary.json").is_file():
        summary = json.loads(file.read_text(encoding="utf-8"))
        lines += [
            "== wall seconds, and those of the labels",
            *_seconds(summary["wall_s"]),
            *_seconds(summary["busy_s"]),
        ]
        lines += ["== by stage", *_seconds(summary["wall_s_by_stage"]), "== labels", str(summary["labels"])]
    return "\n".join(lines)


def _seconds(spent: Mapping[str, float]) -> list[str]:
    return [f"{name:>22} {seconds:7.0f}" for name, seconds in spent.items()]


def main() -> None:
    """All of it, as far as it is not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of the project, and of what is measured")
    parser.add_argument("--show", action="store_true", help="nothing is computed")
    asked = parser.parse_args()
    folder, out = asked.work / "project", asked.work / "found"
    if not asked.show:
        campaign(written(folder), out)
        errors(folder, out)
        properties(folder, out)
    print(told(folder, out))


if __name__ == "__main__":
    main()
