"""What DeePMD-kit is asked, and what becomes of what it leaves. It is not here: a script stands for it."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aims_pax.committee.deepmd import installation
from aims_pax.committee.deepmd.checkpoint import DeepmdDesign, holds_committee
from aims_pax.committee.deepmd.committee import DeepmdCommittee
from aims_pax.committee.deepmd.family import load_frozen
from aims_pax.committee.deepmd.installation import OVERRIDE, Environment, environment_of, why_no_deepmd
from aims_pax.committee.deepmd.weights import holds_deepmd, read_models, told
from aims_pax.committee.family import load_committee
from aims_pax.errors import ModelError
from aims_pax.protocols import EpochPlan
from aims_pax.testing.contracts.structures import points

from .environments import Scripted, scripted

UNMEASURED = EpochPlan(valid_skip=10**9, validates_last=False)

INPUT = {
    "model": {"type_map": ["Cu"], "descriptor": {"type": "se_e2_a", "sel": [30], "rcut": 4.0}},
    "learning_rate": {"start_lr": 0.01, "stop_lr": 1e-4},
    "loss": {"start_pref_f": 100, "limit_pref_f": 10},
    "training": {"numb_steps": 300},
}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    monkeypatch.delenv(OVERRIDE, raising=False)
    return scripted(tmp_path / "env")


def design(environment: Scripted, *, epoch_steps: int | None = 50) -> DeepmdDesign:
    place = str(environment.folder)
    return DeepmdDesign("deep", (1, 2), json.dumps(INPUT), (29,), place, epoch_steps=epoch_steps)


def committee_of(environment: Scripted, *, epoch_steps: int | None = 50) -> DeepmdCommittee:
    asked = design(environment, epoch_steps=epoch_steps)
    return DeepmdCommittee.build(asked, points(3), atomic_energies_ev={29: -2.0})


def asked_of(call: dict[str, dict[str, dict[str, object]]], *keys: str) -> object:
    value: object = call["input"]
    for key in keys:
        assert isinstance(value, dict)
        value = value[key]
    return value


def test_epochs_go_on_from_the_checkpoint_of_the_last_and_begin_with_other_structures(environment: Scripted) -> None:
    committee = committee_of(environment)
    reports = committee.train(2, members=[0], plan=UNMEASURED)
    committee.train(1, members=[0], plan=UNMEASURED)
    first, second = environment.calls
    assert first["words"] == ["train", "input.json"]
    assert second["words"] == ["train", "input.json", "--restart", "start.pt"]
    assert [asked_of(one, "training", "numb_steps") for one in (first, second)] == [100, 150]
    assert asked_of(first, "training", "seed") != asked_of(second, "training", "seed")
    assert asked_of(first, "model", "descriptor", "seed") == asked_of(second, "model", "descriptor", "seed") == 1
    # rows of every fifth step, whose loss is the square of what stands there
    steps = range(5, 101, 5)
    expected = [sum(step**-2 for step in steps if (step > 50) is late) / 10 for late in (False, True)]
    assert [one.train_loss for one in reports] == pytest.approx(expected, rel=1e-2)


def test_what_is_learned_is_what_labels_are_more_than_their_atoms(environment: Scripted) -> None:
    committee_of(environment).train(1, members=[1], plan=UNMEASURED)
    labels = {point.frame.system: [] for point in points(3)}
    for point in points(3):
        labels[point.frame.system].append(point.label.energy + 2.0 * point.frame.n_atoms)
    [call] = environment.calls
    assert sorted(call["energies"]) == sorted(labels.values())


def test_an_optimizer_that_begins_afresh_and_a_rate_that_falls_are_said(environment: Scripted) -> None:
    committee = committee_of(environment)
    committee.train(1, members=[0], plan=UNMEASURED)
    committee.set_learning_rate(0, factor=0.5)
    committee.train(1, members=[0], plan=UNMEASURED)
    committee.reset_optimizer(0)
    committee.train(1, members=[0], plan=UNMEASURED)
    committee.train(1, members=[0], plan=UNMEASURED)
    calls = environment.calls
    assert [call["words"][2:3] for call in calls] == [[], ["--restart"], ["--init-model"], ["--restart"]]
    assert [asked_of(call, "training", "numb_steps") for call in calls] == [50, 100, 50, 100]
    assert [asked_of(call, "learning_rate", "start_lr") for call in calls] == [0.01, 0.005, 0.01, 0.01]
    assert asked_of(calls[1], "loss", "start_pref_f") == 55
    assert asked_of(calls[1], "loss", "limit_pref_f") == 55


def member_of(call: Any) -> int:
    """Whose training it is: the seed of its weights."""
    return int(asked_of(call, "model", "descriptor", "seed"))


def by_member(calls: Any) -> list[Any]:
    """Members are trained side by side, so that either may come first."""
    return sorted(calls, key=member_of)


def test_a_committee_that_was_saved_goes_on_where_it_was(environment: Scripted, tmp_path: Path) -> None:
    committee = committee_of(environment)
    committee.train(1, plan=UNMEASURED)
    committee.set_learning_rate(0, factor=0.5)
    committee.reset_optimizer(1)
    committee.save(tmp_path / "committee")
    assert holds_committee(tmp_path / "committee")
    loaded = load_committee(tmp_path / "committee")
    loaded.add(points(3))
    for one in (committee, loaded):
        one.train(1, plan=UNMEASURED)
    calls = environment.calls
    for one, other in zip(by_member(calls[2:4]), by_member(calls[4:6]), strict=True):
        assert one["words"] == other["words"]
        for part in ("learning_rate", "loss", "model"):
            assert asked_of(one, part) == asked_of(other, part)
        assert asked_of(one, "training", "seed") == asked_of(other, "training", "seed")


def test_trainings_from_random_weights_are_made_where_points_have_changed(
    environment: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    committee = committee_of(environment, epoch_steps=None)
    monkeypatch.setattr(DeepmdCommittee, "_loss_of_new", lambda *_: 1.0)
    committee.train(3, plan=UNMEASURED)
    committee.train(1, plan=UNMEASURED)
    committee.add([replace(one, member=0) for one in points(1, first_id=40)])
    committee.train(1, plan=UNMEASURED)
    calls = environment.calls
    assert [call["words"] for call in calls] == [["train", "input.json"]] * 3
    assert [asked_of(call, "training", "numb_steps") for call in calls] == [300] * 3
    assert [member_of(call) for call in (*by_member(calls[:2]), *calls[2:])] == [1, 2, 1]
    assert asked_of(calls[0], "learning_rate") == INPUT["learning_rate"]


def test_a_training_that_fails_says_what_deepmd_has_said_and_changes_nobody(
    environment: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And keeps its folder."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    committee = committee_of(environment)
    environment.break_down()
    with pytest.raises(ModelError, match=r"(?s)dp --pt train input.json has failed for deep_1 .*sel is too small"):
        committee.train(1, plan=UNMEASURED)
    assert (committee.generation, committee.n_epochs) == (0, 0)
    assert list(tmp_path.glob("aims-pax-deepmd-*/train.out"))


def test_processes_get_one_thread_each_and_nothing_of_this_environment(
    environment: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setenv("PYTHONPATH", "/this/one")
    monkeypatch.setenv("DEVICE", "cuda")
    committee = DeepmdCommittee.build(replace(design(environment), on_cpu=True), points(3), atomic_energies_ev={})
    committee.train(1, members=[0], plan=UNMEASURED)
    variables = environment.calls[0]["variables"]
    assert variables["DP_INTRA_OP_PARALLELISM_THREADS"] == variables["OMP_NUM_THREADS"] == "1"
    assert (variables["NUM_WORKERS"], variables["DEVICE"]) == ("0", "cpu")
    assert "PYTHONPATH" not in variables


# -- where it is --


def test_an_environment_is_a_folder_or_a_program_in_it(environment: Scripted, tmp_path: Path) -> None:
    folder = environment.folder
    (folder / "bin" / "dp").touch()
    assert Environment(str(folder)).python == Environment(str(folder / "bin" / "dp")).python == folder / "bin/python"
    assert why_no_deepmd(Environment(str(folder)), json.dumps(INPUT)) is None
    problem = why_no_deepmd(Environment(str(tmp_path / "none")), json.dumps(INPUT))
    assert problem is not None
    assert "pip install 'deepmd-kit[torch]'" in problem.advice


def test_an_environment_in_which_it_does_not_start_is_told_with_its_last_words(environment: Scripted) -> None:
    environment.break_down()
    problem = why_no_deepmd(Environment(str(environment.folder)), json.dumps(INPUT))
    assert problem is not None
    assert "ended with exit code 3: RuntimeError: sel is too small" in problem.found


def test_models_of_another_machine_are_read_in_the_environment_that_a_variable_names(
    environment: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match=f"(?s)there is no /elsewhere/dp/bin/python.*{OVERRIDE}"):
        environment_of("/elsewhere/dp", on_cpu=True)
    monkeypatch.setenv(OVERRIDE, str(environment.folder))
    assert environment_of("/elsewhere/dp", on_cpu=True).place == str(environment.folder)


def frozen_file(path: Path, environment: Scripted, *, type_map: tuple[str, ...] = ("O", "H")) -> Path:
    """An archive with the names that torch.jit.save gives."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("model/code/__torch__/deepmd/pt/model.py", "class EnergyModel: ...")
    facts = {"environment": str(environment.folder), "type_map": type_map, "cutoff_ang": 6.0}
    path.write_bytes(
        told(content.getvalue(), {**facts, "atomic_energies_ev": {"1": -13.0, "8": -2000.0, "29": -1600.0}})
    )
    return path


def test_a_models_file_says_where_it_is_read_and_what_its_atoms_are(environment: Scripted, tmp_path: Path) -> None:
    path = frozen_file(tmp_path / "water.model", environment)
    assert holds_deepmd(path)
    assert not holds_committee(path)
    [found] = read_models([path])
    assert (found.numbers, found.place, found.weights.cutoff_ang) == ((1, 8), str(environment.folder), 6.0)
    assert found.weights.is_frozen
    models = load_frozen([path, path], on_cpu=True)
    assert models.atomic_energies_ev == {1: -13.0, 8: -2000.0}
    other = frozen_file(tmp_path / "other.model", environment, type_map=("H",))
    with pytest.raises(ModelError, match=r"other\.model: has the elements H"):
        load_frozen([path, other], on_cpu=True)


def test_members_go_on_from_frozen_models_of_the_same_elements(environment: Scripted, tmp_path: Path) -> None:
    path = frozen_file(tmp_path / "copper.model", environment, type_map=("Cu",))
    committee = DeepmdCommittee.from_models(design(environment), [path])
    committee.add(points(3))
    committee.train(1, members=[0], plan=UNMEASURED)
    calls = environment.calls
    assert [call["asked"]["energies_ev"] for call in calls if "asked" in call] == [[1600.0]], "atoms are not learned"
    assert calls[-1]["words"] == ["train", "input.json", "--init-frz-model", "start.pth"]
    assert committee.atomic_energies_ev == {29: -1600.0}
    water = frozen_file(tmp_path / "water.model", environment)
    with pytest.raises(ModelError, match="with the type map Cu"):
        DeepmdCommittee.from_models(design(environment), [water])
    assert installation.HOST.is_file()
