"""The decision maker of CASTEP's hybrid-md: both generations of its interface, played by a stand-in."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms

from aims_pax.errors import UserError
from aims_pax.hybrid import program, refit
from aims_pax.hybrid.program import answered

from ...castep.published import AL2O3, FAILED
from ...castep.standin import Castep

INPUT: dict[str, Any] = {
    "can_update": True,
    "num_initial_steps": 5,
    "check_interval": 10,
    "adaptive_method_parameters": {"n_min": 10, "n_max": 5000, "factor": 1.3},
    "tolerances": {"ediff": 0.005, "fmax": None, "frmse": 0.3, "vmax": None},
}
GENERATIONS = pytest.mark.parametrize("mode", ["", "MD"], ids=["2021", "2024"])


@pytest.fixture(autouse=True)
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Steps at which a model was made, which takes no time here."""
    steps: list[int] = []

    def quick(seed: str, folder: Path, wishes: Any, *, step: int) -> list[str]:
        steps.append(step)
        (folder / wishes.model).write_text(str(step), encoding="utf-8")
        return ["a model"]

    monkeypatch.setattr(refit, "refit", quick)
    return steps


def written(folder: Path, changed: dict[str, Any] | None = None, *, name: str = "run.hybrid-md-input.yaml") -> None:
    (folder / name).write_text(yaml.safe_dump({**INPUT, **(changed or {})}), encoding="utf-8")


def castep(folder: Path, mode: str, errors: dict[int, tuple[float, float]] | None = None) -> Castep:
    """One atom whose energy and forces the model has wrong by so much at a step (meV, meV/Å)."""

    def wrong(_atoms: Atoms, step: int) -> tuple[float, Any]:
        energy, force = (errors or {}).get(step, (0.0, 0.0))
        return energy / 1000, np.full((1, 3), force / 1000)

    return Castep(folder, answered, lambda _a, _s: (0.0, np.zeros((1, 3))), wrong, Atoms("Al"), mode)


def state(folder: Path) -> dict[str, Any]:
    found = yaml.safe_load((folder / "run.hybrid-md-state.yaml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_a_published_run_is_replayed_through_the_files(tmp_path: Path, trained: list[int]) -> None:
    written(tmp_path)
    run = castep(tmp_path, "MD", {step: (energy, force) for step, energy, force, _ in AL2O3})
    run.initialise()
    run.run(100_000)
    assert run.qm_steps == [1, 2, 3, 4, 5, *(step for step, *_ in AL2O3)]
    assert trained == run.models_read == [5, *FAILED]
    assert run.n_calls < 120, "nothing is called between two checks"
    assert run.output.count("<-- Hybrid-MD-Cumul") == 51
    assert run.output.count("Refitting!") == 7
    assert "INCREASE interval to 13 at iter 25" in run.output
    assert "DECREASE interval to 10 at iter 38" in run.output
    rows = (tmp_path / "run.hybrid-md-checks.csv").read_text(encoding="utf-8").splitlines()
    assert [int(row.split(",")[-1]) for row in rows[1:]] == [interval for *_, interval in AL2O3]


@GENERATIONS
def test_two_hundred_steps_are_answered(tmp_path: Path, mode: str, trained: list[int]) -> None:
    written(tmp_path)
    errors = {step: (energy, force) for step, energy, force, _ in AL2O3}
    run = castep(tmp_path, mode, errors)
    run.initialise()
    run.run(200)
    checks = [step for step, *_ in AL2O3 if step <= 200]
    assert run.qm_steps == [1, 2, 3, 4, 5, *checks]
    assert trained == [5, 15, 38, 123, 169]
    before = {step: code for command, step, code in run.codes if command == "pre-step"}
    after = {step: code for command, step, code in run.codes if command == "post-step"}
    if mode:
        assert (before[5], before[15], after[5], after[15], after[25]) == (10, 6, 7, 7, 5)
    else:
        assert (before[1], before[5], before[6], before[15]) == (22, 18, 0, 10)
        assert (after[1], after[5], after[6], after[15], after[25]) == (0, 3, 0, 3, 1)
    assert [run.forces_by[step] for step in (1, 5, 15)] == ["QM", "QM", "FF"]


def test_a_run_is_continued_by_the_tools_rules(tmp_path: Path) -> None:
    written(tmp_path)
    run = castep(tmp_path, "")
    run.initialise()
    (tmp_path / "run.md").write_text("old", encoding="utf-8")
    run.run(30)  # checks at 15 and 28, both pass
    run.initialise(reached=29)
    assert state(tmp_path)["last_check_step"] == -1
    assert state(tmp_path)["current_check_interval"] == 16
    assert state(tmp_path)["continuation"] is True
    assert len(list(tmp_path.glob("run.save-at-*.md"))) == 1
    run.qm_steps.clear()
    run.run(20)
    assert run.qm_steps == [15]


def test_the_other_name_of_the_input_and_no_state_to_continue_from(tmp_path: Path) -> None:
    written(tmp_path, name="run.ml-energy-input.yaml")
    run = castep(tmp_path, "MD")
    run.initialise(reached=7)
    assert "WARNING: there is no state to continue from" in run.output


def test_calls_in_the_wrong_order_are_mistakes(tmp_path: Path) -> None:
    written(tmp_path)
    seed = str(tmp_path / "run")
    with pytest.raises(UserError, match="was not initialised"):
        answered(["pre-step", seed, "1"])
    answered(["initialise", seed])
    with pytest.raises(UserError, match="where a pre-step is due"):
        answered(["post-step", seed, "1"])
    answered(["pre-step", seed, "1"])
    with pytest.raises(UserError, match="where a post-step is due"):
        answered(["pre-step", seed, "1"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"tolerances": {"ediff": None}}, "No tolerance is set"),
        ({"tolerance": {}}, "tolerance is not known here"),
        ({"check_interval": 0}, "check_interval is 0"),
        ({"check_interval": "10"}, "check_interval is '10'"),
        ({"adaptive_method_parameters": {"n_min": 3}}, "lacks n_max, factor"),
        ({"adaptive_method_parameters": {"n_min": 9, "n_max": 3, "factor": 2}}, "not above n_min"),
        ({"refit": {"function_name": "mine:train", "epochs": 3}}, "refit.epochs is given"),
        ({"refit": {"function_name": 7}}, "an import path"),
        ({"refit": {"function_name": "nowhere:train"}}, "refit.function_name: nowhere can't be imported"),
        ({"refit": {"function_name": "shutil:train"}}, "refit.function_name: shutil has no train"),
        ({"refit": {"previous_data": "a.xyz"}}, "no list of files"),
        ({"refit": {"previous_data": ["a.xyz"]}}, "This file of structures does not exist"),
        ({"refit": {"mace": "mace.yaml"}}, "names this file, which does not exist"),
        ({"refit": {"e0": {"Xx": -1.0}}}, "Xx is no element"),
        ({"refit": {"e0_method": "isolated"}}, "previous_data holds no free atoms"),
        ({"refit": {"e0_method": "mean"}}, "e0_method is 'mean'"),
        ({"num_initial_steps": 0}, "there is no model to begin with"),
        ({"can_update": "yes"}, "can_update is 'yes'"),
    ],
)
def test_mistakes_of_the_input_are_told_with_their_line(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    written(tmp_path, changed)
    with pytest.raises(UserError, match=words):
        answered(["initialise", str(tmp_path / "run")])


def test_keys_of_gap_are_answered(tmp_path: Path) -> None:
    written(tmp_path, {"refit": {"preset_soap_param": "fast", "default_sigma": "0.005 0.050 0.1 1.0"}})
    run = castep(tmp_path, "")
    run.initialise()
    assert "refit.preset_soap_param says how GAP is fitted" in run.output
    assert "refit.default_sigma says how GAP is fitted" in run.output


@pytest.mark.parametrize(
    "arguments", [[], ["begin", "run"], ["pre-step", "run"], ["post-step", "MD", "run"], ["initialise"]]
)
def test_what_is_no_call_says_how_it_is_called(arguments: list[str]) -> None:
    with pytest.raises(UserError, match=r"initialise \[MODE\] SEED"):
        answered(arguments)


def test_a_structure_that_is_not_whole_is_no_check(tmp_path: Path) -> None:
    written(tmp_path, {"num_initial_steps": 1, "check_interval": 1, "adaptive_method_parameters": None})
    run = castep(tmp_path, "")
    run.initialise()
    run.run(1)
    answered(["pre-step", str(tmp_path / "run"), "2"])
    (tmp_path / "run.hybrid-md.xyz").write_text("1\nQM_energy=1.0 Properties=species:S:1:pos:R:3\nAl 0 0 0\n")
    with pytest.raises(UserError, match="lacks energies or forces"):
        answered(["post-step", str(tmp_path / "run"), "2"])


def test_the_executable_imports_nothing_heavy_and_says_mistakes_by_its_own_code(tmp_path: Path) -> None:
    written(tmp_path)
    looks = (
        "import sys; from aims_pax.hybrid.program import answered; seed = sys.argv[1]; "
        "answered(['pre-step', seed, '1']); answered(['post-step', seed, '1']); "
        "print([name for name in ('torch', 'numpy', 'ase', 'pydantic', 'scipy') if name in sys.modules])"
    )
    answered(["initialise", str(tmp_path / "run")])
    command = [sys.executable, "-c", looks, str(tmp_path / "run")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"
    wrong = [sys.executable, "-m", program.__name__, "pre-step", str(tmp_path / "none"), "1"]
    ended = subprocess.run(wrong, capture_output=True, text=True, check=False)
    assert ended.returncode == program.MISTAKE
    assert "There is no input file" in ended.stderr
