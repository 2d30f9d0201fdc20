"""Structures found by PBE and a small model, labels by PBE0 and a larger one: what the step of the paper is worth.

    python benchmarks/proxy.py             some half an hour of a core; stopped, the same command goes on

Methanol at 500 K (PySCF, def2-SVP), four members of 16 channels that learn by PBE; then `relabel` by PBE0, and
`converge` with new members of 32 channels and messages of degree 1, as the paper (arXiv:2508.12888, Sec. III A) has it.
Errors are those of forces by PBE0 on independent MD by GFN2-xTB: of the small members that learned PBE, of
PBE itself, and of the larger members that learned PBE0. Needs PySCF.
"""

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import yaml
from labels_needed import HELDOUT_SEED, sampled
from prior import METHANOL, by_pyscf, kept

import aims_pax as ap
from aims_pax.committee import load_models
from aims_pax.frame import FloatArray, Frame
from aims_pax.settings import Project

GOAL: Final = 60
PBE0: Final = {"xc": "pbe0"}
LARGE: Final = {
    "GENERAL": {"name_exp": "large"},
    "ARCHITECTURE": {"num_channels": 32, "max_L": 1},
    "TRAINING": {"batch_size": 5},
}


def stages_of(*, with_pbe0: bool, folder: Path) -> list[Any]:
    """Active learning by PBE, trained to the end; then both steps to the other method."""
    end = {"max_convergence_epochs": 300, "convergence_patience": 60}
    stages = [
        ap.initial(
            n_points_per_sampling_step_idg=8,
            max_initial_set_size=7,
            distinct_model_sets=False,
            equilibration_steps=500,
            intermediate_epochs_idg=200,
            valid_ratio=0.1,
        ),
        ap.learn(num_trajectories=8, max_train_set_size=GOAL, skip_step_mlff=20, valid_ratio=0.1, random_label_share=0),
        ap.converge(**end, converge_best=False),
    ]
    if not with_pbe0:
        return stages
    large = folder / "large.yaml"
    large.write_text(yaml.safe_dump(LARGE), encoding="utf-8")
    return [*stages, ap.relabel(PBE0), ap.converge(models=str(large), from_scratch=True, **end)]


def project_of(folder: Path, *, with_pbe0: bool, seed: int) -> Project:
    """The campaign, to the end of active learning or to that of PBE0."""
    return ap.Project.of(
        {"methanol": METHANOL.atoms},
        reference={"type": "pyscf", "xc": "pbe", "basis": "def2-svp"},
        stages=stages_of(with_pbe0=with_pbe0, folder=folder),
        md={"temperature": METHANOL.temperature_k, "timestep": METHANOL.timestep_fs, "friction": 0.01, "seed": seed},
        mace={
            "GENERAL": {"name_exp": "methanol", "seed": 10 * seed},
            "ARCHITECTURE": {"num_channels": 16, "max_L": 0},
            "TRAINING": {"batch_size": 5},
            "MISC": {"device": "cpu"},
        },
        misc={"verdict_ps": False},
        folder=folder,
    )


def heldout(work: Path) -> tuple[list[Frame], dict[str, FloatArray]]:
    """Structures that nothing was trained on, and all their forces by both functionals, eV/Å."""
    looks = sampled(METHANOL, METHANOL.heldout, work / "heldout.npz", seed=HELDOUT_SEED)
    frames = [frame for look in looks for frame in look]
    forces = {}
    for xc in ("pbe", "pbe0"):
        labels = kept(work / f"heldout-{xc}.npz", frames, partial(by_pyscf, xc=xc))
        forces[xc] = np.concatenate([label.forces for label in labels])
    return frames, forces


def mean_error(found: FloatArray, true: FloatArray) -> str:
    """Over force components, meV/Å."""
    return f"{1000 * float(np.abs(found - true).mean()):.1f} meV/Å"


def errors_of(models: Sequence[Path], frames: Sequence[Frame], true: FloatArray) -> Iterator[str]:
    """Of each member."""
    said = load_models(models, device="cpu").predict(frames)
    for member in range(len(models)):
        yield mean_error(np.concatenate([one.forces[member] for one in said]), true)


def main() -> None:
    """Both steps, each gone on with where it was left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("proxy"), help="folder of labels and runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    work = arguments.work / str(arguments.seed)
    work.mkdir(parents=True, exist_ok=True)
    frames, forces = heldout(arguments.work)
    print(f"PBE itself, against PBE0: {mean_error(forces['pbe'], forces['pbe0'])}", flush=True)
    for with_pbe0, words in ((False, "16 channels, learned PBE"), (True, "32 channels, learned PBE0")):
        with (work / "screen.txt").open("a", encoding="utf-8") as screen, contextlib.redirect_stdout(screen):
            run = ap.run(project_of(work, with_pbe0=with_pbe0, seed=arguments.seed))
        summary = run.summary().content
        models = [run.folder / "results" / name for name in summary["models"]]
        for xc in ("pbe", "pbe0"):
            each = ", ".join(errors_of(models, frames, forces[xc]))
            print(f"{words}, against {xc.upper()}: {each}  ({summary['labels_by_reference']})", flush=True)


if __name__ == "__main__":
    main()
