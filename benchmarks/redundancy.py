"""What do `skip_alike` and `withdraw_sure` save? Labels of the same MD, and errors of what they train.

    python benchmarks/redundancy.py [--seeds 1 2] [--ways usual alike sure both]

Ethanol at 500 K by GFN2-xTB whose labels take five seconds on two workers: a queue. Eight trajectories that begin at
one structure; each makes as many MD steps, whatever it asks for. Ways: `usual`; `alike`, with skip_alike: 0.3; `sure`,
with withdraw_sure; `both`. The labels of a run train one new model as in labels_needed.py, measured on independent MD
by the reference. `of as many` is the same by so many of the first labels of the usual run: what is to be beaten is not
all of its labels, but as few.
"""

import argparse
import contextlib
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from curves import Cell, record_of
from labels_needed import HELDOUT_SEED, labels_at, labels_of_run, project_of, sampled, systems_of, trained

import aims_pax as ap
from aims_pax.frame import FloatArray, Frame, Label, LabelledFrame, Split

HERE: Final = Path(__file__).parent
LABEL_S: Final = 5.0
N_WORKERS: Final = 2
MD_STEPS: Final = 1500
"""Of each trajectory."""

USUAL: Final = "usual"
WAYS: Final[dict[str, dict[str, object]]] = {
    USUAL: {},
    "alike": {"skip_alike": 0.3},
    "sure": {"withdraw_sure": True},
    "both": {"skip_alike": 0.3, "withdraw_sure": True},
}
ETHANOL: Final = replace(systems_of(is_quick=False)["ethanol"], n_steps=1500)


def run(way: str, folder: Path, *, seed: int) -> list[tuple[Frame, Label]]:
    """Labels of a run of one way, in the order in which they were asked for; what is there of it is gone on with."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])  # of the workers
    reference = {"type": "ase-calculator", "calculator": "sleeping:SlowTightBinding", "arguments": {"label_s": LABEL_S}}
    project = project_of(
        ETHANOL,
        folder,
        seed=seed,
        goal=math.inf,
        labelling={"reference": reference, "cluster": {"type": "local", "max_workers": N_WORKERS}},
        learning={"max_MD_steps": MD_STEPS, **WAYS[way]},
    )
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "screen.txt").open("a", encoding="utf-8") as screen, contextlib.redirect_stdout(screen):
        ap.run(project)
    return labels_of_run(folder)[0]


def errors(
    pairs: Sequence[tuple[Frame, Label]], frames: Sequence[Frame], true: Sequence[FloatArray], work: Path, *, seed: int
) -> tuple[float, float, float]:
    """Of a model of these labels: mean, 95th percentile and largest, meV/Å."""
    points = [LabelledFrame(index + 1, *pair, Split.TRAINING) for index, pair in enumerate(pairs)]
    found = [one.forces[0] for one in trained(points, ETHANOL, work, seed=seed).predict(frames)]
    cell = Cell(ETHANOL.name, seed, len(pairs), USUAL)
    record = record_of(cell, found, true, core_s=0.0, recipe=ETHANOL.recipe)
    return record.mae_mev_per_ang, record.p95_mev_per_ang, record.largest_mev_per_ang


def main() -> None:
    """A line for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--work", type=Path, default=Path("redundancy"), help="folder of MD and runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    work = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    looks = sampled(ETHANOL, ETHANOL.heldout, work / "heldout.npz", seed=HELDOUT_SEED)
    frames = [frame for look in looks for frame in look]
    true = [label.forces for label in labels_at(frames, ETHANOL, work / "heldout-labels.npz")]
    print("seed way     labels     mae     p95  largest   of as many of the usual run: mae     p95  largest, meV/Å")
    for seed in arguments.seeds:
        usual = run(USUAL, work / f"{USUAL}-{seed}", seed=seed)
        for way in arguments.ways:
            pairs = usual if way == USUAL else run(way, work / f"{way}-{seed}", seed=seed)
            own = errors(pairs, frames, true, work, seed=seed)
            first = own if way == USUAL else errors(usual[: len(pairs)], frames, true, work, seed=seed)
            words = ["  ".join(f"{error:6.1f}" for error in three) for three in (own, first)]
            print(f"{seed:4d} {way:7s} {len(pairs):6d}  {words[0]}   {words[1]:>48s}", flush=True)


if __name__ == "__main__":
    main()
