"""What is saved is what goes on."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import molecule

from aims_pax.committee import Committee, EpochPlan, load_foundation
from aims_pax.errors import ModelError
from aims_pax.frame import LabelledFrame

from .toys import crystals, equal, molecules, settings, weights


def points() -> list[LabelledFrame]:
    return molecules(4)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Committee, Path]:
    committee = Committee.build(settings(dtype="float32", batch_size=2), points(), seeds=(1, 2))
    committee.begin_convergence()
    committee.train(2, plan=EpochPlan(schedule=True))
    path = tmp_path_factory.mktemp("committee") / "committee.pt"
    committee.save(path)
    return committee, path


def test_resumed_training_equals_uninterrupted_bit_for_bit(saved: tuple[Committee, Path]) -> None:
    committee, path = saved
    resumed = Committee.load(path)
    resumed.add(points())
    assert resumed.generation == committee.generation
    assert equal(weights(committee), weights(resumed))
    plan = EpochPlan(schedule=True)
    assert committee.train(2, plan=plan) == resumed.train(2, plan=plan)
    assert equal(weights(committee), weights(resumed))
    committee.end_convergence()
    resumed.end_convergence()
    assert equal(weights(committee), weights(resumed))


@pytest.mark.parametrize("loss", ["ef", "forces_only", "virials", "universal", "l1l2energyforces"])
def test_training_by_any_loss_is_resumed_bit_for_bit(tmp_path: Path, loss: str) -> None:
    some = [*molecules(2), *crystals(2)]
    committee = Committee.build(settings(stress=True, loss=loss, batch_size=3), some, seeds=(1,))
    committee.train(1)
    committee.save(tmp_path / "committee.pt")
    resumed = Committee.load(tmp_path / "committee.pt")
    resumed.add(some)
    assert committee.train(2) == resumed.train(2)
    assert equal(weights(committee), weights(resumed))


def test_checkpoints_hold_no_code(saved: tuple[Committee, Path]) -> None:
    assert torch.load(saved[1], weights_only=True)["version"] == 2


def test_checkpoints_hold_weights_moments_and_no_constants(saved: tuple[Committee, Path]) -> None:
    """Two sets of weights, three moments of Adam with AMSGrad, and two sets of the best weights, for each member."""
    committee, path = saved
    n_weights = sum(parameter.numel() for member in committee._members for parameter in member.model.parameters())
    content = torch.load(path, weights_only=True)
    floats = sum(len(tensor) for tensor in content["tensors"].values() if tensor.is_floating_point())
    assert 7 * n_weights <= floats < 7.5 * n_weights


def test_checkpoints_of_the_first_version_are_read(saved: tuple[Committee, Path], tmp_path: Path) -> None:
    """They held every tensor by itself, and all buffers of the models."""
    path = saved[1]
    committee = Committee.load(path)
    content = torch.load(path, weights_only=True)
    del content["tensors"]
    content["version"] = 1
    content["members"] = [
        member.state() | {"model": member.model.state_dict(), "averaged": member.averaged.model.state_dict()}
        for member in committee._members
    ]
    torch.save(content, tmp_path / "old.pt")
    old = Committee.load(tmp_path / "old.pt")
    assert equal(weights(old), weights(committee))


def test_saving_leaves_one_file_and_replaces_it(saved: tuple[Committee, Path], tmp_path: Path) -> None:
    committee, _ = saved
    for _ in range(2):
        committee.save(tmp_path / "committee.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["committee.pt"]


def test_damaged_missing_and_newer_checkpoints_are_named(tmp_path: Path) -> None:
    path = tmp_path / "committee.pt"
    with pytest.raises(ModelError, match=r"committee\.pt: is missing"):
        Committee.load(path)
    path.write_bytes(b"\x80garbage")
    with pytest.raises(ModelError, match=r"committee\.pt: can't be read as a committee"):
        Committee.load(path)
    torch.save({"version": 99}, path)
    with pytest.raises(ModelError, match="is of version 99"):
        Committee.load(path)


def test_a_checkpoint_with_wrong_values_is_named(saved: tuple[Committee, Path], tmp_path: Path) -> None:
    """Readable, and yet nothing that a committee can be made of."""
    path = tmp_path / "committee.pt"
    wrong = {"settings": "{", "seeds": 1, "statistics": {}, "members": [], "tensors": {}}
    for key, value in wrong.items():
        content = torch.load(saved[1], weights_only=True)
        torch.save(content | {key: value}, path)
        with pytest.raises(
            ModelError, match=r"committee\.pt: can't be read as a committee.*\n  Restore it from a copy"
        ):
            Committee.load(path)


def test_a_full_disk_names_the_checkpoint_and_leaves_the_old_one(saved: tuple[Committee, Path], tmp_path: Path) -> None:
    path = tmp_path / "committee.pt"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match=rf"File too large: '{path}'"):
            saved[0].save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"


def test_exported_files_need_mace_alone(saved: tuple[Committee, Path], tmp_path: Path) -> None:
    committee, _ = saved
    path = committee.export(tmp_path, "water")[1]
    assert path.name == "water_2.model"
    script = (
        "import sys\nfrom ase.build import molecule\nfrom mace.calculators import MACECalculator\n"
        "atoms = molecule('CH3CH2OH')\n"
        "atoms.calc = MACECalculator(model_paths=sys.argv[1], device='cpu', default_dtype='float32')\n"
        "assert not any(name.startswith('aims_pax') for name in sys.modules)\n"
        "print('force', atoms.get_forces()[0, 0])\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    force = float(said.split("force")[-1])
    batch = [one.frame for one in points()][:1]
    ideal = molecule("CH3CH2OH")
    frame = type(batch[0])("ethanol", 0, 0, 0, np.array(ideal.numbers), ideal.positions)
    assert force == pytest.approx(committee.predict([frame])[0].forces[1, 0, 0], abs=1e-4)


def test_a_local_file_serves_as_foundation_model(saved: tuple[Committee, Path], tmp_path: Path) -> None:
    (path, _) = saved[0].export(tmp_path, "teacher")
    driver = load_foundation("mace-mp", str(path), device="cpu", dtype="float64")
    assert (driver.n_members, driver.dtype) == (1, torch.float64)


def test_unknown_foundation_models_are_told_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"mace-off has no model 'tiny'.*\n.*small, medium, large"):
        load_foundation("mace-off", "tiny", device="cpu")
    with pytest.raises(ModelError, match="'tiny' is not a file"):
        load_foundation("mace", "tiny", device="cpu")


def test_an_unreachable_foundation_model_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from mace.calculators import foundations_models

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(foundations_models.mace_off_urls, "small", "https://localhost:1/none.model")
    with pytest.raises(ModelError, match=r"mace-off 'small' is not on this machine.*\n.*give its path"):
        load_foundation("mace-off", "small", device="cpu")


def test_a_checkpoint_without_a_weight_is_refused(saved: tuple[Committee, Path], tmp_path: Path) -> None:
    content = torch.load(saved[1], weights_only=True)
    name = next(name for name in content["members"][0]["model"] if name.endswith("weight"))
    del content["members"][0]["model"][name]
    path = tmp_path / "committee.pt"
    torch.save(content, path)
    with pytest.raises(ModelError, match=f"holds no {name}"):
        Committee.load(path)
