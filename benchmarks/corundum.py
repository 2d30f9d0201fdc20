"""From a database's entry to a table of properties: alumina by Quantum ESPRESSO, the whole way by the user's commands.

    python benchmarks/corundum.py --work FOLDER           all of it: an hour of one core; stopped, it goes on
    python benchmarks/corundum.py --work FOLDER --show    what there is

The chain of AtomProNet (Table 1), on ten atoms of corundum instead of eighty:

1. `aims-pax collect --from mp --id mp-1143`, from a server here that speaks the Materials Project's protocol;
2. a campaign: cells strained along each axis and by each of six components, distorted cells (`collect`), labelled by
   Quantum ESPRESSO on a worker; a committee is converged; active learning at 600 K; converged again;
3. what `aims-pax validate` computes: lattice constants, elastic constants and cohesive energy of the model beside those
   of the reference. Vacancies are left out: of cells whose images are 4 Å apart the smallest has 79 atoms.

The method is cheap on purpose: LDA with Debian's Al.pz-vbc.UPF and O.pz-van_ak.UPF at 25 and 200 Ry, k points 0.8 1/Å
apart. No number here is one of alumina: it is what the model is compared with that has learned from the same.

It needs pw.x, and the pseudopotentials of Debian's quantum-espresso-data.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from aims_pax.testing.databases.server import KEY, Databases

UPF: Final = Path("/usr/share/espresso/pseudo")
ENTRY: Final = "mp-1143"
START: Final = "corundum.extxyz"
SETTINGS: Final[Mapping[str, Any]] = {
    "REFERENCE": {
        "type": "espresso",
        "pseudo_dir": str(UPF),
        "pseudopotentials": {"Al": "Al.pz-vbc.UPF", "O": "O.pz-van_ak.UPF"},
        "protocol": "fast",
        "kspacing": 0.8,
        "max_force_ev_per_ang": 60.0,
        "walltime_s": 900,
        "parameters": {
            "input_data": {"system": {"ecutwfc": 25, "ecutrho": 200}},
        },
    },
    "SYSTEMS": {"corundum": {"geometry": START, "num_trajectories": 2}},
    "STAGES": [
        {
            "collect": {
                "augment": {
                    "inputs": True,
                    "strain_grid": {"mode": "components", "start": -0.03, "stop": 0.03, "step": 0.015},
                    "strain": {"range": [-0.04, 0.04], "n_isotropic": 5, "n_anisotropic": 5},
                    "distort": {"n": 24, "strain": [-0.03, 0.03], "displacement": 0.08, "vacancies": 0},
                    "vacancies": {"n": 4},
                },
                "valid_ratio": 0.1,
                "test_ratio": 0.1,
            }
        },
        {"converge": {"name": "made", "max_convergence_epochs": 80, "valid_skip": 5}},
        {
            "learn": {
                "ensemble_size": 2,
                "max_train_set_size": 70,
                "skip_step_mlff": 10,
                "epochs_per_worker": 4,
                "intermediate_epochs_al": 2,
                "valid_skip": 4,
                "save_trajectories": False,
            }
        },
        {"converge": {"converge_best": False, "max_convergence_epochs": 120, "valid_skip": 5}},
    ],
    "MD": {"stat_ensemble": "nvt", "temperature": 600, "timestep": 1.0, "friction": 0.02},
    "CLUSTER": {"type": "local", "max_workers": 1},
    "MISC": {"verdict_ps": False},
}
MACE: Final[Mapping[str, Any]] = {
    "GENERAL": {"name_exp": "corundum", "compute_stress": True},
    "ARCHITECTURE": {"r_max": 4.5, "num_channels": 16, "max_L": 0, "max_ell": 3, "correlation": 3},
    "TRAINING": {"lr": 0.01, "batch_size": 8, "stress_weight": 1000.0},
    "MISC": {"device": "cpu"},
}


def aims_pax(*words: object, environment: Mapping[str, str] | None = None) -> str:
    """What a command of this program says.

    Raises
    ------
    SystemExit
        It fails.
    """
    command = [sys.executable, "-m", "aims_pax", *map(str, words)]
    done = subprocess.run(
        command, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def fetched(folder: Path) -> None:
    """The entry of the database, by the user's command."""
    if not (folder / START).exists():
        with Databases() as server:
            keys = {"AIMS_PAX_MP_URL": server.address, "MP_API_KEY": KEY}
            print(aims_pax("collect", "--from", "mp", "--id", ENTRY, "--out", folder / START, environment=keys))


def written(folder: Path) -> None:
    """The project's settings; those that are there are left alone."""
    for name, content in (("aims_PAX.yaml", SETTINGS), ("mace.yaml", MACE)):
        if not (folder / name).exists():
            (folder / name).write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")


def compared(folder: Path, out: Path) -> None:
    """The table, by the user's command."""
    words = ("--properties", "lattice,elastic,cohesive", "--project", folder, "--out", out)
    print(aims_pax("validate", folder / START, "--models", folder / "results" / "corundum.model", *words))


def told(folder: Path, out: Path) -> str:
    """Labels, errors, the table, and where the time went."""
    lines = []
    if (file := folder / "results" / "summary.json").is_file():
        summary = json.loads(file.read_text(encoding="utf-8"))
        lines += ["== labels", str(summary["labels"]), "== wall seconds"]
        lines += [f"{name:>22} {seconds:7.0f}" for name, seconds in summary["wall_s"].items()]
        lines += ["== errors", (folder / "results" / "metrics.txt").read_text(encoding="utf-8").rstrip()]
    if (file := out / "properties.txt").is_file():
        lines += ["== properties", file.read_text(encoding="utf-8").rstrip()]
    return "\n".join(lines)


def main() -> None:
    """All of it, as far as it is not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of the project, and of what is measured")
    parser.add_argument("--show", action="store_true", help="nothing is computed")
    asked = parser.parse_args()
    folder, out = asked.work / "project", asked.work / "table"
    if not asked.show:
        folder.mkdir(parents=True, exist_ok=True)
        fetched(folder)
        written(folder)
        if not (folder / "results" / "summary.json").is_file():
            aims_pax("run", folder)
        if not (out / "properties.txt").is_file():
            compared(folder, out)
    print(told(folder, out))


if __name__ == "__main__":
    main()
