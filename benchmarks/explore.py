"""Are errors what exploration expects them to be? Copper by EMT, by the round: expected, true, and on test structures.

    python benchmarks/explore.py FOLDER              some twenty minutes of two cores; stopped, the same command goes on
    python benchmarks/explore.py FOLDER --rounds 1   the first round alone
    python benchmarks/explore.py FOLDER --show       the table of a run that is finished

Four atoms, two small models; 41 distorted cells to begin with, then rounds of 24 trajectories at three temperatures and
two pressures. True errors are those of frames whose labels nobody knew when their errors were expected.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Final

from ase.build import bulk

import aims_pax as ap
from aims_pax.settings.project import Project

LEARNING: Final = {"max_convergence_epochs": 40, "convergence_patience": 15}
DISTORT: Final = {"n": 50, "strain": [-0.04, 0.06], "displacement": 0.15, "vacancies": 0}
MACE: Final[dict[str, dict[str, Any]]] = {
    "GENERAL": {"name_exp": "cu", "seed": 1, "compute_stress": True},
    "ARCHITECTURE": {
        "num_channels": 12,
        "max_L": 0,
        "max_ell": 2,
        "correlation": 3,
        "r_max": 4.5,
        "num_interactions": 1,
        "radial_MLP": [16, 16],
        "MLP_irreps": "8x0e",
    },
    "TRAINING": {"loss": "universal", "batch_size": 10, "lr": 0.02, "stress_weight": 1000, "energy_weight": 10},
    "MISC": {"device": "cpu"},
}


def project_of(folder: Path, n_rounds: int) -> Project:
    exploration = ap.explore(
        temperature=[300, 700, 1100],
        pressure=[0, 3e9],
        num_random_structures=4,
        length=0.8,
        sampling_time=0.1,
        thr_energy=0.002,
        thr_forces=0.05,
        thr_stress=0.001,
        max_selected_frames=30,
        max_loops=n_rounds,
        ensemble_size=2,
        **LEARNING,
    )
    return Project.of(
        {"cu": bulk("Cu", cubic=True)},
        stages=[{"collect": {"augment": {"inputs": True, "distort": DISTORT}}}, ap.converge(**LEARNING), exploration],
        reference={"type": "ase-calculator", "calculator": "ase.calculators.emt:EMT"},
        md={"stat_ensemble": "npt", "timestep": 3.0, "barostat": "c-rescale", "compressibility": 0.007},
        mace=MACE,
        misc={"probe": False, "verdict_ps": 1.0},
        folder=folder,
    )


def table_of(folder: Path) -> list[str]:
    """A line for each quantity of each round, in thousandths of its unit."""
    rounds = json.loads((folder / "results" / "explore.json").read_text(encoding="utf-8"))["rounds"]
    lines = ["round quantity  expected  true  beyond of  test RMSE of the mean"]
    fields = {"energy": "energy_ev_per_atom", "forces": "forces_ev_per_ang", "stress": "stress_ev_per_ang3"}
    for one in rounds:
        tested = [
            each for each in one["errors"] if each["split"] == "test" and not (each["member"] or each["is_first"])
        ]
        for truth in one["truths"]:
            rmse = tested[0][fields[truth["quantity"]]] if tested else float("nan")
            lines.append(
                f"{one['number']:5d} {truth['quantity']:8s} {1000 * truth['mean_expected']:9.2f} "
                f"{1000 * truth['mean_error']:5.2f} {truth['n_beyond']:7d} {truth['n_labelled']:2d} {1000 * rmse:10.2f}"
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=6, metavar="N", help="at most")
    parser.add_argument("--show", action="store_true", help="only show what there is")
    chosen = parser.parse_args()
    if not chosen.show:
        ap.run(project_of(chosen.folder.absolute(), chosen.rounds))
    print("\n".join(table_of(chosen.folder)))


if __name__ == "__main__":
    main()
