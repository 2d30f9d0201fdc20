"""What ``aims-pax check`` costs and says."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from aims_pax.cli.commands.campaign.check import wrapped
from aims_pax.cli.program import program

CHECK: Final = """
import sys
from typer.testing import CliRunner
from aims_pax.cli.program import program
result = CliRunner().invoke(program, ["check", sys.argv[1]])
assert result.exit_code == 0, result.output
print(*(name for name in ("torch", "mace", "parsl", "pyscf", "tblite.ase") if name in sys.modules))
"""


def test_plain_check_imports_no_engine_and_no_pytorch(tmp_path: Path) -> None:
    """They take seconds each, which is what `check` is to be spared."""
    assert CliRunner().invoke(program, ["init", str(tmp_path / "new")]).exit_code == 0
    mace = tmp_path / "new" / "mace.yaml"
    mace.write_text(mace.read_text(encoding="utf-8").replace("device: auto", "device: cpu"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(tmp_path / "new")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_no_line_ends_within_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    told = wrapped("structures of 4 atoms in all trajectories: 1 200 MD steps, 12 345 678 at most", indent=4)
    assert "\n    1 200 MD" in told
    assert "12 345 678" in told
    assert "\N{NO-BREAK SPACE}" not in told
