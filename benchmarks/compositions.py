"""Energies of structures of several compositions: how wrong, and how wrong with one constant for all of them.

    python benchmarks/compositions.py [--seeds 1 2] [--epochs 60]          some four minutes a seed

Water, methanol and ammonia at 400 K by GFN2-xTB, four members of 16 channels, six trajectories, to 36 training
structures of each member; then the best converges on all of them. `constant` is the same product as if only the mean
error of energies had been taken away when its training ended, as it was before: without what least squares have put
into its atomic energies (see docs/theory.md). Errors are of energies of validation structures, meV/atom.
"""

import argparse
import contextlib
import tempfile
from pathlib import Path

import numpy as np
import torch
from ase.build import molecule

import aims_pax as ap
from aims_pax.committee import Ensemble, load_models
from aims_pax.committee.mace.model import atomic_energies, given_energies
from aims_pax.dataset.store import RunStore
from aims_pax.frame import FloatArray, LabelledFrame, Split
from aims_pax.protocols import Predictor
from aims_pax.settings import Project

SPLITS = (Split.TRAINING, Split.VALIDATION)
FORMULAS = {"water": "H2O", "methanol": "CH3OH", "ammonia": "NH3"}


def project_of(folder: Path, *, seed: int, epochs: int) -> Project:
    """Three molecules, each with a trajectory or two."""
    return Project.of(
        {name: molecule(formula) for name, formula in FORMULAS.items()},
        reference={"type": "tblite", "method": "GFN2-xTB"},
        stages=[
            ap.initial(n_points_per_sampling_step_idg=4, max_initial_set_size=9),
            ap.learn(num_trajectories=6, max_train_set_size=36),
            ap.converge(max_convergence_epochs=epochs),
        ],
        md={"temperature": 400.0, "timestep": 0.5, "seed": seed},
        mace={
            "GENERAL": {"name_exp": "three", "seed": 10 * seed},
            "ARCHITECTURE": {"num_channels": 16, "max_L": 0},
            "TRAINING": {"batch_size": 5, "lr": 0.01},
            "MISC": {"device": "cpu"},
        },
        misc={"verdict_ps": False},
        folder=folder,
    )


def errors_of(model: Predictor, points: list[LabelledFrame]) -> FloatArray:
    """Prediction minus label of each structure, meV/atom."""
    said = model.predict([point.frame for point in points])
    pairs = zip(said, points, strict=True)
    return np.array([1000 * (one.energies[0] - point.label.energy) / point.frame.n_atoms for one, point in pairs])


def main() -> None:
    """A line for each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--epochs", type=int, default=60, help="most epochs of the convergence")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("seed  trains  validates   as it is: mean  median   constant: mean  median   ratio of means", flush=True)
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory(prefix="aims-pax-benchmark-") as name:
            folder = Path(name)
            with open(folder / "screen.txt", "w", encoding="utf-8") as screen, contextlib.redirect_stdout(screen):
                ap.run(project_of(folder / "run", seed=seed, epochs=arguments.epochs))
            with RunStore.open_readonly(folder / "run") as store:
                points = list(store.labelled())
            model = load_models([folder / "run" / "results" / "three.model"], device="cpu")
            assert isinstance(model, Ensemble)
            trains, validates = ([one for one in points if one.split is split] for split in SPLITS)
            put_in = atomic_energies(model.models[0]) - given_energies(model.models[0])
            parts = [np.array([np.mean(one.frame.numbers == z) for z in model.numbers]) for one in trains + validates]
            without = np.concatenate([errors_of(model, trains), errors_of(model, validates)])
            without -= 1000 * np.array(parts) @ put_in
            without = np.abs(without[len(trains) :] - without[: len(trains)].mean())
            found = np.abs(errors_of(model, validates))
        print(
            f"{seed:4d}  {len(trains):6d}  {len(validates):9d}   {found.mean():14.1f}  {np.median(found):6.1f}"
            f"   {without.mean():14.1f}  {np.median(without):6.1f}   {without.mean() / found.mean():14.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
