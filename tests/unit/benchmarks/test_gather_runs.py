"""What the benchmark of gather is asked to measure."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def test_a_run_that_there_is_not_is_refused_with_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    module = importlib.import_module("gather")
    sys.modules.pop("gather")
    monkeypatch.setattr(sys, "argv", ["gather.py", "--only", "hdf5"])
    with pytest.raises(SystemExit, match="2"):
        module.main()
    assert "invalid choice: 'hdf5' (choose from " in capsys.readouterr().err
