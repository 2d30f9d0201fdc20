"""What tests cost is not believed: a light test that imports PyTorch fails, and an entry that names nothing does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..costs import COSTS, HERE, cost_of

IMPORTED = "import torch\n\ndef test_that_does_it_at_the_top(): pass\n"
LAZY = "def test_that_does_it_within(): import torch\n\ndef test_after(): pass\n"
HARMLESS = "def test_that_imports_nothing(): pass\n"
NEVER = "raise RuntimeError('imported')\n"


class Suite:
    """A folder of tests with our conftest.py, a package that is called torch, and a folder `heavy` that costs it."""

    def __init__(self, folder: Path) -> None:
        self.tests = folder / "tests"
        self.tests.mkdir()
        for name in ("conftest.py", "profiles.py"):
            self.file(name, (HERE / name).read_text(encoding="utf-8"))
        self.file("heavy/test_never.py", NEVER)
        self.costs({"heavy": "torch"})
        (folder / "torch.py").write_text("", encoding="utf-8")
        markers = ["light", "torch", "process", "dear", "slow", "gpu", "licence", "slurm"]
        (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n" + "".join(f"    {name}\n" for name in markers))

    def costs(self, entries: dict[str, str], dear: dict[str, tuple[str, ...]] | None = None) -> None:
        changed = (HERE / "costs.py").read_text(encoding="utf-8")
        for table, own in {"COSTS": entries, "DEAR": dear or {}}.items():
            changed, n_changes = re.subn(rf"(\n{table}: .*? = )\{{.*?\n\}}", rf"\1{own}", changed, flags=re.DOTALL)
            assert n_changes == 1
        self.file("costs.py", changed)

    def file(self, name: str, text: str) -> None:
        path = self.tests / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, *options: str) -> str:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *options]
        root = self.tests.parent
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), "COLUMNS": "200"}
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
        return done.stdout + done.stderr


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


def test_light_tests_pass_and_costly_ones_are_not_imported(suite: Suite) -> None:
    suite.file("test_harmless.py", HARMLESS)
    said = suite.run("--light")
    assert "1 passed" in said
    assert "error" not in said


def test_a_light_test_that_imports_torch_fails(suite: Suite) -> None:
    suite.file("test_lazy.py", LAZY)
    said = suite.run("--light")
    assert "FAILED tests/test_lazy.py::test_that_does_it_within - Failed: a light test imports torch" in said
    assert "1 failed, 1 passed" in said


def test_every_light_file_that_imports_torch_is_named(suite: Suite) -> None:
    suite.file("test_imported.py", IMPORTED)
    suite.file("more/test_also_imported.py", IMPORTED)
    said = suite.run("--light")
    assert "ERROR tests/test_imported.py - Failed: a light test imports torch" in said
    assert "ERROR tests/more/test_also_imported.py - Failed: a light test imports torch" in said


def test_an_import_is_not_excused_by_code_that_can_do_without(suite: Suite) -> None:
    suite.file("test_optional.py", "def test_optional():\n    try: import torch\n    except ImportError: pass\n")
    assert "1 failed" in suite.run("--light")


def test_whether_torch_is_installed_may_be_asked(suite: Suite) -> None:
    suite.file("test_asks.py", "from importlib.util import find_spec\n\ndef test_asks(): assert find_spec('torch')\n")
    assert "1 passed" in suite.run("--light")


def test_without_the_option_everything_may_be_imported(suite: Suite) -> None:
    suite.file("test_imported.py", IMPORTED)
    suite.file("heavy/test_never.py", HARMLESS)
    assert "2 passed" in suite.run()
    assert "1 passed, 1 deselected" in suite.run("-m", "torch")


def test_an_entry_that_names_nothing_fails_every_run(suite: Suite) -> None:
    suite.costs({"heavy": "torch", "unit/gone.py": "torch"})
    suite.file("test_harmless.py", HARMLESS)
    assert "entries that name no file, or no cost: unit/gone.py" in suite.run()


def test_dear_tests_can_be_left_out_and_are_known_by_name(suite: Suite) -> None:
    suite.file(
        "test_two.py",
        "import pytest\n\n@pytest.mark.parametrize('x', [1, 2])\ndef test_a(x): pass\ndef test_b(): pass\n",
    )
    suite.costs({"heavy": "torch"}, {"test_two.py": ("test_a",)})
    assert "1 passed, 2 deselected" in suite.run("--light", "-m", "not dear")
    suite.costs({"heavy": "torch"}, {"test_two.py": ("test_gone",), "test_three.py": ("test_a",)})
    assert "no cost: test_two.py::test_gone, test_three.py::test_a" in suite.run("--light")


def test_the_cost_of_a_folder_is_that_of_all_in_it() -> None:
    assert COSTS["unit/committee"] == cost_of(HERE / "unit/committee/mace/test_build.py") == "torch"
    assert cost_of(HERE / "learner") is None
    assert cost_of(HERE.parent) is None
