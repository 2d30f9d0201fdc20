"""input.json of DeePMD-kit, as the user brings it, and what is wrong with it before anything is trained."""

import copy
import json
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk, molecule

from aims_pax.errors import SettingsError
from aims_pax.settings import Project
from aims_pax.settings.committee.deepmd import Training, read_deepmd_input

INPUT: dict[str, Any] = {
    "model": {
        "type_map": ["O", "H"],
        "descriptor": {"type": "se_e2_a", "sel": [46, 92], "rcut": 6.0, "rcut_smth": 0.5},
        "fitting_net": {"neuron": [240, 240, 240], "resnet_dt": True},
    },
    "learning_rate": {"type": "exp", "decay_steps": 5000, "start_lr": 0.001, "stop_lr": 3.51e-8},
    "loss": {"type": "ener", "start_pref_e": 0.02, "limit_pref_e": 1, "start_pref_f": 1000, "limit_pref_f": 1},
    "training": {
        "training_data": {"systems": ["../data/data_0/"], "batch_size": 1},
        "validation_data": {"systems": ["../data/data_3"]},
        "numb_steps": 100000,
        "seed": 10,
        "disp_file": "lcurve.out",
    },
}
"""That of DeePMD-kit's documentation for water."""


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    content = copy.deepcopy(INPUT)
    change(content)
    return json.dumps(content)


def test_what_is_read_is_what_stands_there() -> None:
    found = read_deepmd_input(json.dumps(INPUT, indent=2))
    assert (found.type_map, found.numbers) == (("O", "H"), (1, 8))
    assert (found.descriptor, found.cutoff_ang) == ("se_e2_a", 6.0)
    assert (found.n_steps, found.start_lr) == (100000, 0.001)
    assert not found.learns_virials
    assert not found.counts_neighbours
    assert found.sigmas == (1.0, 1.0, inf)
    assert read_deepmd_input(found.text).content == INPUT


def test_a_training_has_the_data_seeds_and_steps_of_the_run_and_all_else_of_the_user() -> None:
    asked = read_deepmd_input(json.dumps(INPUT))
    content = asked.completed(Training(("data/a", "data/b"), 7, 8, 500, 100, 10))
    assert content["model"]["descriptor"] == {**INPUT["model"]["descriptor"], "seed": 7}
    assert content["model"]["fitting_net"] == {**INPUT["model"]["fitting_net"], "seed": 7}
    assert content["training"]["training_data"] == {"systems": ["data/a", "data/b"], "batch_size": 1}
    assert (content["training"]["numb_steps"], content["training"]["seed"]) == (500, 8)
    assert "validation_data" not in content["training"]
    assert content["learning_rate"] == INPUT["learning_rate"]
    assert content["loss"] == INPUT["loss"]
    assert asked.content == INPUT, "what the user has written stays as it is"


def test_all_parts_of_a_hybrid_descriptor_get_the_seed_and_the_widest_is_the_cutoff() -> None:
    parts = [{"type": "se_e2_a", "sel": [9, 9], "rcut": 6.0}, {"type": "se_e3", "sel": [9, 9], "rcut": 4.0}]
    asked = read_deepmd_input(changed(lambda one: one["model"].update(descriptor={"type": "hybrid", "list": parts})))
    assert asked.cutoff_ang == 6.0
    content = asked.completed(Training((), 3, 3, 1, 1, 1))
    assert [one["seed"] for one in content["model"]["descriptor"]["list"]] == [3, 3]


def test_prefactors_at_a_part_of_the_rate_are_those_that_deepmd_would_have_there() -> None:
    content = read_deepmd_input(json.dumps(INPUT)).completed(Training((), 1, 1, 1, 1, 1, rate_factor=0.25))
    assert content["learning_rate"] == {"type": "exp", "start_lr": 0.00025, "stop_lr": 0.00025}
    assert content["loss"]["start_pref_f"] == content["loss"]["limit_pref_f"] == pytest.approx(1 + 999 * 0.25)
    assert content["loss"]["start_pref_e"] == content["loss"]["limit_pref_e"] == pytest.approx(1 - 0.98 * 0.25)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON: .* at line 1, column 2"),
        ("[]", "is no JSON object"),
        ("{}", r"lacks model: \{\.\.\.\}; lacks learning_rate: \{\.\.\.\}; lacks training"),
        (changed(lambda one: one["model"].pop("type_map")), "lacks model.type_map"),
        (changed(lambda one: one["model"].update(type_map=["O", "Hh", 3])), "has 'Hh', 3 in model.type_map"),
        (changed(lambda one: one["model"].update(type_map=["O", "O"])), "an element twice"),
        (changed(lambda one: one["model"].update(descriptor={"rcut": 6})), "lacks model.descriptor with its type"),
        (changed(lambda one: one["model"]["descriptor"].pop("rcut")), r"lacks a cutoff \(rcut, Å\)"),
        (
            changed(lambda one: one["model"]["fitting_net"].update(type="dipole")),
            "fitting_net that is not of type ener",
        ),
        (changed(lambda one: one["model"].update(type="linear_ener")), "only standard models"),
        (changed(lambda one: one["model"].update(model_dict={"a": 1})), "sets model.model_dict: several tasks"),
        (changed(lambda one: one["model"]["fitting_net"].update(atom_ener=[-13.6])), "ARCHITECTURE.atomic_energies"),
        (changed(lambda one: one["loss"].update(type="tensor")), "loss that is not of type ener"),
        (changed(lambda one: one["loss"].update(start_pref_e=-1)), "has start_pref_e in loss"),
        (changed(lambda one: one["loss"].update(limit_pref_e=0, limit_pref_f=0)), "nothing to learn"),
        (changed(lambda one: one["learning_rate"].pop("start_lr")), "lacks learning_rate.start_lr"),
        (changed(lambda one: one["training"].pop("numb_steps")), "lacks training.numb_steps"),
        (changed(lambda one: one["training"].update(stop_batch=5)), "lacks training.numb_steps"),
        (changed(lambda one: one["training"].update(enable_ema=True)), "averages of weights, which are not read"),
    ],
)
def test_what_would_not_be_models_of_energies_and_forces_is_told(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_deepmd_input(text)


def project(system: Any = None, **mace: dict[str, object]) -> Project:
    return Project.of(
        molecule("H2O") if system is None else system,
        stages=[{"initial": {"n_points_per_sampling_step_idg": 1, "max_initial_set_size": 4}}],
        mace=mace,
    )


def architecture(**keys: object) -> dict[str, object]:
    return {"model_choice": "deepmd", "deepmd_environment": "env", "deepmd_input": json.dumps(INPUT), **keys}


def test_input_is_a_file_of_the_project_or_stands_in_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.json").write_text(json.dumps(INPUT, indent=4), encoding="utf-8")
    found = [
        project(ARCHITECTURE=architecture(deepmd_input=one)).mace.architecture
        for one in ("input.json", json.dumps(INPUT), INPUT)
    ]
    assert found[0].is_deepmd
    assert not found[0].is_fitted_anew
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("mace", "said"),
    [
        (
            {"ARCHITECTURE": {"model_choice": "deepmd"}},
            "(?s)where DeePMD-kit is installed.*does not say what is trained",
        ),
        ({"ARCHITECTURE": architecture(deepmd_input="none.json")}, "can't be opened"),
        ({"ARCHITECTURE": architecture(deepmd_input="{}")}, "lacks model"),
        ({"ARCHITECTURE": {"deepmd_epoch_steps": 100}}, "models are of MACE: only DeePMD has it"),
        ({"ARCHITECTURE": architecture(r_max=6.0)}, "models are of DeePMD: only MACE has it"),
        ({"ARCHITECTURE": architecture(gap_left_out=0.2)}, "models are of DeePMD: only GAP has it"),
        ({"ARCHITECTURE": architecture(deepmd_epoch_steps=1)}, "deepmd_epoch_steps"),
        ({"ARCHITECTURE": architecture(), "TRAINING": {"lr": 0.1}}, "TRAINING.lr is given, and models are of DeePMD"),
        (
            {
                "ARCHITECTURE": architecture(
                    deepmd_input=changed(lambda one: one["model"]["descriptor"].update(sel="auto"))
                )
            },
            "sel gives no numbers",
        ),
        (
            {"ARCHITECTURE": architecture(deepmd_input=changed(lambda one: one["model"].update(type_map=["O"])))},
            "has the model.type_map O, and the structures hold H, too",
        ),
    ],
)
def test_what_does_not_fit_together_is_told(mace: dict[str, dict[str, object]], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        project(**mace)


def test_neighbours_may_be_counted_where_each_training_begins_anew() -> None:
    counted = changed(lambda one: one["model"]["descriptor"].update(sel="auto"))
    found = project(ARCHITECTURE=architecture(deepmd_input=counted, deepmd_epoch_steps=None))
    assert found.mace.architecture.is_fitted_anew


def test_stress_is_learned_by_a_loss_with_virials_alone() -> None:
    copper = bulk("Cu", cubic=True)
    told = changed(lambda one: one["model"].update(type_map=["Cu"]))
    with pytest.raises(SettingsError, match="has no virials"):
        project(copper, GENERAL={"name_exp": "a", "compute_stress": True}, ARCHITECTURE=architecture(deepmd_input=told))
