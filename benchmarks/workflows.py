"""Workflows that are played side by side, beside the same ones one after the other: what is waiting for nobody worth?

    python benchmarks/workflows.py                        four workflows, labels of 2 s, four workers: some two minutes
    python benchmarks/workflows.py --label-s 5 --workflows 6 --json workflows.json

The stage itself with its store, its MD and a pool of processes on this machine; labels sleep, and models are springs.
Each visit has a label in each of two windows; a player may be one visit ahead of them. Time counts from the first label
that has come, so that the start of workers does not. `at once` is how many labels are computed at the same time in the
mean.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml
from ase.build import bulk
from ase.io import write

from aims_pax.campaign import run_campaign
from aims_pax.committee import Committee
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Stage
from aims_pax.outcome import evaluate
from aims_pax.protocols import Observer, Status
from aims_pax.settings import load_project
from aims_pax.testing.family import SpringFamily


@dataclass(frozen=True, slots=True)
class Played:
    """One campaign, or several: wall time from the first label on, labels, and labels computed at the same time."""

    wall_s: float
    n_labels: int
    at_once: float


class Clock(Observer):
    """Knows when the first label came, and when the last status."""

    def __init__(self) -> None:
        self.began: float | None = None
        self.now = 0.0

    def show(self, status: Status) -> None:
        self.now = time.monotonic()
        if self.began is None and status.n_labels_received:
            self.began = self.now

    def close(self) -> None:
        pass


@contextmanager
def springs() -> Iterator[None]:
    """Models that take no time."""
    family = SpringFamily()
    with (
        patch.object(Committee, "build", family.build),
        patch.object(Committee, "load", family.load),
        patch.object(evaluate, "load_models", family.load_models),
    ):
        yield


def played(names: Sequence[str], folder: Path, asked: argparse.Namespace) -> Played:
    """One campaign with these workflows."""
    folder.mkdir(parents=True)
    (folder / "marks").mkdir()
    write(folder / "cell.extxyz", bulk("Cu", cubic=True))
    for place, name in enumerate(names):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(workflow(30 + 10 * place)), encoding="utf-8")
    sleeping = {"label_s": asked.label_s, "marks": str(folder / "marks")}
    explore = {
        "workflow": [f"{name}.yaml" for name in names],
        "pretrained": {"model_type": "ase.calculators.emt:EMT"},
        "pretrained_visits": 99,
        "threshold": 0.0,
        "max_visits": asked.visits,
        "max_convergence_epochs": 2,
        "epochs_per_label": 2,
    }
    settings: dict[str, Any] = {
        "REFERENCE": {"type": "ase-calculator", "calculator": "sleeping:Sleeping", "arguments": sleeping},
        "STAGES": [{"explore": explore}],
        "MD": {"stat_ensemble": "nvt", "temperature": 300, "timestep": 2.0},
        "MISC": {"path_to_geometry": "cell.extxyz", "verdict_ps": False, "probe": False},
        "CLUSTER": {"type": "local", "max_workers": asked.workers},
    }
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (folder / "mace.yaml").write_text(yaml.safe_dump({"GENERAL": {"name_exp": "w", "seed": 1}}), encoding="utf-8")
    clock, stages = Clock(), (Stage.ACTIVE,)
    run_campaign(load_project(folder, stages=stages), stages=stages, observer=clock)
    assert clock.began is not None, "there was a label"
    with RunStore.open_readonly(folder) as store:
        n_labels = sum(1 for _ in store.labelled())
    wall_s = clock.now - clock.began
    return Played(wall_s, n_labels, n_labels * asked.label_s / wall_s)


def workflow(n_steps: int) -> dict[str, Any]:
    """One phase with two windows."""
    run = {"Type": "NVT", "Steps": n_steps, "Sampling": 2}
    return {"Phase0": {"Geometry": {"Bulk": {"Structure_1": {"Path": "cell.extxyz"}}}, "Run": run}}


def main() -> None:
    """Both ways, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workflows", type=int, default=4)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--visits", type=int, default=4)
    parser.add_argument("--label-s", type=float, default=2.0)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    names = [f"flow{number}" for number in range(asked.workflows)]
    with tempfile.TemporaryDirectory() as place, springs():
        together = played(names, Path(place) / "together", asked)
        each = [played([name], Path(place) / name, asked) for name in names]
    wall_s, n_labels = sum(one.wall_s for one in each), sum(one.n_labels for one in each)
    apart = Played(wall_s, n_labels, n_labels * asked.label_s / wall_s)
    print(f"{'':24}{'wall s':>10}{'labels':>10}{'at once':>10}")
    for words, one in {"side by side": together, "one after the other": apart}.items():
        print(f"{words:24}{one.wall_s:10.1f}{one.n_labels:10d}{one.at_once:10.2f}")
    print(f"ratio of wall times: {apart.wall_s / together.wall_s:.2f}")
    if asked.json:
        asked.json.write_text(json.dumps({"together": asdict(together), "apart": asdict(apart)}), encoding="utf-8")


if __name__ == "__main__":
    main()
