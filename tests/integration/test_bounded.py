"""``CLUSTER.max_in_flight`` with real workers: they hold no more labels than it says."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase.io import read, write
from typer.testing import CliRunner

from aims_pax.cli.program import program

from .projects import copper

NODES = Path(__file__).parents[1] / "slurm"


def test_workers_compute_no_more_labels_at_a_time_than_are_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(NODES))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(NODES), *sys.path]))  # of the workers
    log, rng = tmp_path / "log", np.random.default_rng(1)
    structures = [copper() for _ in range(6)]
    for atoms in structures:
        atoms.positions += 0.05 * rng.normal(size=(4, 3))
    write(tmp_path / "data.extxyz", structures)
    told = {"calculator": "node_engines:Told", "arguments": {"log": str(log), "wall_s": 0.5}}
    sections = {
        "REFERENCE": {"type": "ase-calculator", **told},
        "CLUSTER": {"type": "local", "max_workers": 3, "max_in_flight": 1},
    }
    (tmp_path / "aims_PAX.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")
    words = [
        "relabel",
        tmp_path / "data.extxyz",
        "--settings",
        tmp_path / "aims_PAX.yaml",
        "--out",
        tmp_path / "o.extxyz",
    ]
    done = CliRunner().invoke(program, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert len(read(tmp_path / "o.extxyz", ":")) == 6
    told_in_order = [json.loads(line)["what"] for line in log.read_text(encoding="utf-8").splitlines()]
    assert told_in_order == ["begin", "end"] * 6  # three workers without a limit begin three before any ends
