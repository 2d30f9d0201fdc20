"""Campaigns whose models are trained by DeePMD-kit's own commands, in the environment that AIMS_PAX_DEEPMD names."""

import json
import os
import signal
from pathlib import Path
from typing import Any, Final

import pytest
from ase.build import molecule
from ase.io import write

from aims_pax import calculator
from aims_pax.checking.check import check_project
from aims_pax.committee.deepmd.installation import OVERRIDE
from aims_pax.committee.deepmd.weights import holds_deepmd
from aims_pax.frame import Stage
from aims_pax.outcome import evaluate, results

from .projects import WATER, changed, in_child, labels_of, loaded, run, write_project
from .resuming import IN_ACTIVE, killing
from .springs import blank_parity, blank_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(OVERRIDE not in os.environ, reason=f"{OVERRIDE} names no environment with DeePMD-kit"),
]

INPUT: Final[dict[str, Any]] = {
    "model": {
        "type_map": ["H", "C", "O"],
        "descriptor": {
            "type": "se_e2_a",
            "sel": [6, 3, 3],
            "rcut": 4.0,
            "rcut_smth": 1.0,
            "neuron": [6, 12],
            "axis_neuron": 4,
        },
        "fitting_net": {"neuron": [16, 16]},
    },
    "learning_rate": {"type": "exp", "start_lr": 0.01, "stop_lr": 1e-4},
    "loss": {"type": "ener", "start_pref_e": 1, "limit_pref_e": 1, "start_pref_f": 100, "limit_pref_f": 10},
    "training": {"numb_steps": 1000, "training_data": {"systems": ["somewhere/else"], "batch_size": 2}},
}

CHANGES: Final[dict[str, dict[str, Any]]] = {
    "MISC": {"path_to_geometry": "methanol.xyz"},
    "INITIAL_DATASET_GENERATION": {
        "max_initial_set_size": 1,
        "skip_step_initial": 5,
        "n_points_per_sampling_step_idg": 1,
        "intermediate_epochs_idg": 3,
    },
    "ACTIVE_LEARNING": {
        "max_train_set_size": 3,
        "num_trajectories": 2,
        "epochs_per_worker": 1,
        "converge_al": True,
        "max_convergence_epochs": 1,
        "c_x": -0.3,
    },
}


def methanol_project(folder: Path) -> Path:
    folder.mkdir()
    write(folder / "methanol.xyz", molecule("CH3OH"))
    (folder / "input.json").write_text(json.dumps(INPUT), encoding="utf-8")
    architecture = {
        "model_choice": "deepmd",
        "deepmd_input": "input.json",
        "deepmd_environment": os.environ[OVERRIDE],
        "deepmd_epoch_steps": 100,
    }
    mace = {"GENERAL": {"name_exp": "methanol", "seed": 1}, "ARCHITECTURE": architecture, "MISC": {"device": "cpu"}}
    write_project(folder, changed(WATER, CHANGES), mace)
    return folder


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of any campaign."""
    monkeypatch.setattr(results, "draw_run", blank_run)
    monkeypatch.setattr(evaluate, "draw_parity", blank_parity)


def test_deepmd_learns_methanol_from_tight_binding_and_a_killed_run_comes_to_the_same_weights(tmp_path: Path) -> None:
    """Points and weights are all that there is of its state; MD is driven by the committee."""
    killed, whole = (methanol_project(tmp_path / name) for name in ("killed", "whole"))
    report = check_project(loaded(killed), (Stage.INITIAL, Stage.ACTIVE))
    assert not report.problems
    assert any("se_e2_a" in fact for fact in report.facts)
    assert in_child(lambda: run(killed, observer=killing(IN_ACTIVE["labels learned"]))) == -signal.SIGKILL
    n_before = len(labels_of(killed))
    content = run(killed).content
    assert content["labels"]["failed"] == 0
    assert 0 < n_before < len(labels_of(killed))
    product = killed / "results" / "methanol.model"
    assert holds_deepmd(product)
    atoms = molecule("CH3OH")
    atoms.rattle(0.02, seed=3)
    atoms.calc = calculator(product)
    steepest, energy = atoms.get_forces()[1, 0], atoms.get_potential_energy()
    atoms.positions[1, 0] += 1e-4
    # the curvature of a bond, some 50 eV/Å², times half a step
    assert (energy - atoms.get_potential_energy()) / 1e-4 == pytest.approx(steepest, abs=5e-3)
    assert content["errors_on_validation_set"]["text"]
    run(whole)
    positions = [[one.frame.positions.tobytes() for one in labels_of(folder)] for folder in (whole, killed)]
    assert positions[0] == positions[1], "MD by the models went the same way to the last bit"
    models = [{path.name: path.read_bytes() for path in (one / "results").rglob("*.model")} for one in (whole, killed)]
    assert models[0] == models[1]
    assert len(set(models[0].values())) > 1, "members differ"
