"""``aims-pax doctor`` on this machine, without PyTorch, and with one that is broken."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

RUN = "from aims_pax.cli.main import run_program; run_program()"
HIDDEN = "import sys; sys.modules['torch'] = None; "


def doctor(*arguments: str, before: str = "", path: Path | None = None) -> subprocess.CompletedProcess[str]:
    found = [str(path)] if path is not None else []
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*found, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", before + RUN, "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


def standings(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_everything_that_a_campaign_needs_is_tried_here(tmp_path: Path) -> None:
    done = doctor("--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = standings(done)
    for name in ("torch", "device", "mace", "tblite", "Parsl"):
        assert found[name]["standing"] == "ready", found[name]
    assert found["tblite"]["facts"]["label_s"] > 0
    kinds = {one["type"]: one for one in json.loads(done.stdout)["references"]}
    assert kinds["tblite"]["is_here"]
    assert kinds["vasp"]["install"]


def test_without_pytorch_it_says_how_to_get_it_and_gives_1() -> None:
    done = doctor(before=HIDDEN)
    assert done.returncode == 1
    assert "!! torch            not installed" in done.stdout
    assert "> python -m pip install torch" in done.stdout
    assert "No campaign can run here before this is mended: torch." in done.stdout
    assert "ok tblite" in done.stdout, "all else is looked at, too"


def test_a_broken_pytorch_is_told_by_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise OSError('libcudart.so.12: no such file')\n")
    done = doctor("--json", path=tmp_path)
    assert done.returncode == 1
    assert "OSError: libcudart.so.12: no such file" in standings(done)["torch"]["found"]
    assert standings(done)["tblite"]["standing"] == "ready"
