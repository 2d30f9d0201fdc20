"""The same settings as aims-PAX v0.2: time, epochs and errors of all members, by how epochs are counted.

    python benchmarks/equal.py [--seeds 1 2 3] [--ways shared own]

Ethanol at 500 K by GFN2-xTB, four members of 16 channels, eight trajectories, from eight to forty training structures,
two epochs for a label, twenty of convergence, on one thread. v0.2 took 289 s for this on such a machine, its members
had 114 to 169 meV/Å. `shared`: labels that are learned together share their epochs. `own`: each has its own, as in
v0.2 and where nothing is said (ACTIVE_LEARNING.share_epochs: false). Errors are of forces, on independent MD by the
reference.
"""

import argparse
import contextlib
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import torch
from labels_needed import HELDOUT_SEED, labels_at, sampled, systems_of

import aims_pax as ap
from aims_pax.committee import load_models
from aims_pax.settings import Project

WAYS: Final = {"shared": True, "own": False}
ETHANOL: Final = systems_of(is_quick=False)["ethanol"]


def project_of(folder: Path, *, seed: int, are_shared: bool) -> Project:
    """The authors' settings, in our words."""
    return ap.Project.of(
        {"ethanol": ETHANOL.atoms},
        reference={"type": "tblite", "method": ETHANOL.method},
        stages=[
            ap.initial(n_points_per_sampling_step_idg=2, max_initial_set_size=8, skip_step_initial=20, valid_ratio=0.2),
            ap.learn(
                num_trajectories=8,
                max_train_set_size=40,
                skip_step_mlff=20,
                intermediate_epochs_al=2,
                epochs_per_worker=2,
                valid_ratio=0.2,
                random_label_share=0,
                share_epochs=are_shared,
                save_trajectories=False,
            ),
            ap.converge(max_convergence_epochs=20, convergence_patience=20, converge_best=False),
        ],
        md={"temperature": 500.0, "timestep": 1.0, "friction": 0.01, "seed": seed},
        mace={
            "GENERAL": {"name_exp": "ethanol", "seed": 10 * seed},
            "ARCHITECTURE": {"num_channels": 16, "max_L": 0},
            "TRAINING": {"batch_size": 5},
            "MISC": {"device": "cpu"},
        },
        misc={"verdict_ps": False},
        folder=folder,
    )


def main() -> None:
    """A line for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--work", type=Path, default=Path("equal"), help="folder of the held-out set")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.work.mkdir(parents=True, exist_ok=True)
    looks = sampled(ETHANOL, ETHANOL.heldout, arguments.work / "heldout.npz", seed=HELDOUT_SEED)
    frames = [frame for look in looks for frame in look]
    labels = labels_at(frames, ETHANOL, arguments.work / "heldout-labels.npz")
    true = np.concatenate([label.forces for label in labels])
    print("way     seed    s  core s  labels  epochs of the members  force MAE of the members, meV/Å", flush=True)
    for seed, way in product(arguments.seeds, arguments.ways):
        with tempfile.TemporaryDirectory(prefix="aims-pax-benchmark-") as folder:
            began, core_began = time.monotonic(), time.process_time()
            with open(Path(folder) / "screen.txt", "w", encoding="utf-8") as screen, contextlib.redirect_stdout(screen):
                run = ap.run(project_of(Path(folder), seed=seed, are_shared=WAYS[way]))
            took, core_s = time.monotonic() - began, time.process_time() - core_began
            summary = run.summary().content
            models = [run.folder / "results" / name for name in summary["models"]]
            said = load_models(models, device="cpu").predict(frames)
        forces = np.concatenate([one.forces for one in said], axis=1)
        errors = 1000 * np.abs(forces - true).mean(axis=(1, 2))
        epochs = "/".join(str(one) for one in summary["epochs"]["of_each_member"])
        n_labels = summary["labels"]["received"]
        words = ", ".join(f"{error:.0f}" for error in errors)
        print(f"{way:7s} {seed:4d} {took:4.0f}  {core_s:6.0f}  {n_labels:6d}  {epochs:>21s}  {words}", flush=True)


if __name__ == "__main__":
    main()
