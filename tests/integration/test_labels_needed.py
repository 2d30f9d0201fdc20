"""benchmarks/labels_needed.py in little: killed on the way, gone on with, and read at any time."""

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "labels_needed.py"


def started(work: Path, *arguments: str) -> "subprocess.Popen[str]":
    words = [sys.executable, SCRIPT, "--quick", "--work", work, *arguments]
    return subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(work: Path, *arguments: str) -> tuple[int, str]:
    process = started(work, *arguments)
    output, _ = process.communicate(timeout=900)
    return process.returncode, output


def table(work: Path) -> list[dict[str, Any]]:
    path = work / "quick" / "labels_needed.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def killed_after(work: Path, n_cells: int, *arguments: str) -> None:
    process = started(work, *arguments)
    try:
        while len(table(work)) < n_cells:
            assert process.poll() is None, "it ended by itself"
            time.sleep(0.1)
    finally:
        process.kill()
        process.communicate()


def test_cells_that_are_finished_are_not_made_again(tmp_path: Path) -> None:
    ways = ("--ways", "random", "uniform", "--labels", "14")
    killed_after(tmp_path, 1, *ways)
    before = table(tmp_path)
    code, output = finished(tmp_path, *ways)
    assert code == 0, output
    assert table(tmp_path)[:1] == before
    assert Counter(record["way"] for record in table(tmp_path)) == {"random": 1, "uniform": 1}
    assert "labels of uniform over those of random at equal error: not known yet" in output
    for record in table(tmp_path):
        assert 0 < record["mae_mev_per_ang"] < record["p95_mev_per_ang"] <= record["largest_mev_per_ang"]


@pytest.mark.slow
def test_a_run_of_active_learning_that_is_killed_between_two_numbers_of_labels_goes_on(tmp_path: Path) -> None:
    killed_after(tmp_path, 3)
    code, output = finished(tmp_path)
    assert code == 0, output
    records = table(tmp_path)
    assert [(record["labels"], record["way"]) for record in records] == [
        (number, way) for number in (14, 20) for way in ("random", "uniform", "threshold")
    ]
    assert "labels of threshold over those of random at equal error" in output
