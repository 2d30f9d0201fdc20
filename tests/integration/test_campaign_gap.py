"""Campaigns whose models are no networks: GAPs, fitted anew whenever there are labels to learn."""

import signal
from pathlib import Path
from typing import Any, Final

import pytest
from ase.build import molecule
from ase.io import write

from aims_pax import calculator
from aims_pax.checking.check import check_project
from aims_pax.committee.gap.potential import holds_gap
from aims_pax.frame import Stage
from aims_pax.outcome import evaluate, results

from .projects import WATER, changed, in_child, labels_of, loaded, run, write_project
from .resuming import IN_ACTIVE, killing
from .springs import blank_parity, blank_run

pytest.importorskip("quippy", reason="GAP needs quippy-ase")

OPTIONS: Final = """\
# A sum over pairs alone: enough for an alcohol near its minimum, and fitted in a second.
gap={
  distance_2b cutoff=4.0 cutoff_transition_width=1.0 covariance_type=ard_se
              theta_uniform=0.8 delta=2.0 n_sparse=12 sparse_method=random
}
default_sigma={0.002 0.1 0.1 0.0}
"""

GAP: Final[dict[str, Any]] = {
    "GENERAL": {"name_exp": "methanol", "seed": 1},
    "ARCHITECTURE": {"model_choice": "gap", "gap_input": "gap.txt"},
    "MISC": {"device": "cpu"},
}

CHANGES: Final[dict[str, dict[str, Any]]] = {
    "MISC": {"path_to_geometry": "methanol.xyz"},
    "INITIAL_DATASET_GENERATION": {
        "max_initial_set_size": 2,
        "skip_step_initial": 5,
        "n_points_per_sampling_step_idg": 1,
    },
    "ACTIVE_LEARNING": {
        "max_train_set_size": 6,
        "num_trajectories": 2,
        "converge_al": True,
        "max_convergence_epochs": 2,
        "c_x": -0.3,
    },
}


def methanol_project(folder: Path) -> Path:
    folder.mkdir()
    write(folder / "methanol.xyz", molecule("CH3OH"))
    (folder / "gap.txt").write_text(OPTIONS, encoding="utf-8")
    write_project(folder, changed(WATER, CHANGES), GAP)
    return folder


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take as long as all fits, and are those of any campaign."""
    monkeypatch.setattr(results, "draw_run", blank_run)
    monkeypatch.setattr(evaluate, "draw_parity", blank_parity)


def results_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "results").rglob("*.model")}


def test_gaps_learn_methanol_from_tight_binding_and_a_killed_run_comes_to_the_same_fits(tmp_path: Path) -> None:
    """Points and fits are all that there is of its state; MD is driven by the committee."""
    whole, killed = (methanol_project(tmp_path / name) for name in ("whole", "killed"))
    report = check_project(loaded(whole), (Stage.INITIAL, Stage.ACTIVE))
    assert not report.problems
    assert any("academic non-commercial" in fact for fact in report.facts)
    summary = run(whole)
    content = summary.content
    assert content["labels"]["failed"] == 0
    assert 8 <= content["labels"]["received"] <= 20
    moment = IN_ACTIVE["labels learned"]
    assert in_child(lambda: run(killed, observer=killing(moment))) == -signal.SIGKILL
    assert 0 < len(labels_of(killed)) < len(labels_of(whole))
    run(killed)
    positions = [[one.frame.positions.tobytes() for one in labels_of(folder)] for folder in (whole, killed)]
    assert positions[0] == positions[1], "MD by the fits went the same way to the last bit"
    models = results_of(whole)
    assert models == results_of(killed)
    assert len(set(models.values())) > 1, "members differ"
    product = whole / "results" / "methanol.model"
    assert holds_gap(product)
    atoms = molecule("CH3OH")
    atoms.rattle(0.02, seed=3)
    atoms.calc = calculator(product)
    steepest, energy = atoms.get_forces()[1, 0], atoms.get_potential_energy()
    atoms.positions[1, 0] += 1e-4
    # the curvature of a bond, some 50 eV/Å², times half a step
    assert (energy - atoms.get_potential_energy()) / 1e-4 == pytest.approx(steepest, abs=5e-3)
    assert content["errors_on_validation_set"]["text"]
