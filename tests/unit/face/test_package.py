"""What `import aims_pax` gives, and what it costs."""

import subprocess
import sys

import pytest

import aims_pax as ap
from aims_pax.departure import Reason
from aims_pax.errors import Problem

HEAVY = ("ase", "mace", "numpy", "parsl", "pydantic", "rich", "torch", "typer", "yaml")


@pytest.mark.process
def test_import_brings_nothing_of_others() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import sys, aims_pax; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "aims_pax" in said
    assert not set(HEAVY) & set(said)


@pytest.mark.torch
@pytest.mark.parametrize("name", ap.__all__)
def test_every_name_is_there(name: str) -> None:
    assert callable(getattr(ap, name))
    assert name in dir(ap)


def test_notebook_shows_words_in_the_place_of_a_traceback() -> None:
    """IPython asks exceptions for this method, and shows what it gives."""
    mistakes = ap.UserError([Problem("Project.of, md", "MD.timestep is -1.", "number > 0"), Problem("atoms", "is 7.")])
    assert mistakes._render_traceback_() == [
        "Project.of, md: MD.timestep is -1.",
        "  Allowed: number > 0",
        "atoms: is 7.",
    ]
    [said] = ap.Departed(Reason.INTERRUPTED)._render_traceback_()
    assert said.startswith("Left because of Ctrl-C. What was committed is kept")


def test_name_that_is_not_there_is_told() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'runn'"):
        ap.runn  # noqa: B018


@pytest.mark.process
def test_project_of_atoms_needs_no_pytorch() -> None:
    program = """
import sys
import aims_pax as ap
from aims_pax.departure import Reason
from aims_pax.errors import Problem
from ase.build import molecule
try:
    ap.Project.of(molecule("H2O"), stages=[ap.learn()])
except ap.UserError:
    print("torch" in sys.modules)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False"
