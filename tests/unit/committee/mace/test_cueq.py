"""Models run by cuEquivariance come to the numbers of models as they are built, while they learn.

Most tests need cuequivariance-torch, which runs on a CPU, too, if slowly.
"""

import importlib.util
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from aims_pax.committee import Committee, EpochPlan, Handling
from aims_pax.committee.hardware import why_no_cueq
from aims_pax.committee.mace import cueq
from aims_pax.committee.mace.model import Outputs
from aims_pax.errors import ModelError
from aims_pax.frame import LabelledFrame
from aims_pax.settings.committee.mace import CueqUse, DeviceSettings

from ..toys import crystals, equal, mixed_frames, molecules, settings, weights

installed = pytest.mark.skipif(
    importlib.util.find_spec("cuequivariance_torch") is None, reason="needs cuequivariance-torch"
)


def points() -> list[LabelledFrame]:
    return [*molecules(3), *crystals(2)]


def built(use: CueqUse, *, device: str = "cpu") -> Committee:
    return Committee.build(
        settings(stress=True, batch_size=3), points(), seeds=(1, 2), device=device, handling=Handling(cueq=use)
    )


def learned(committee: Committee) -> Committee:
    """After two generations, of which the second has other neighbours."""
    committee.train(2, plan=EpochPlan(schedule=True))
    committee.add(crystals(2, first_id=300))
    committee.train(1)
    committee.centre_energies()
    return committee


def assert_close(one: Committee, other: Committee) -> None:
    for first, second in zip(weights(one), weights(other), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-9)
    pairs = zip(*(committee.predict(mixed_frames(), want_stress=True) for committee in (one, other)), strict=True)
    for said, again in pairs:
        assert said.energies == pytest.approx(again.energies, abs=1e-8)
        assert said.forces == pytest.approx(again.forces, abs=1e-8)
        assert (said.stress is None) == (again.stress is None)
        assert said.stress is None or said.stress == pytest.approx(again.stress, abs=1e-8)


@installed
def test_models_by_cuequivariance_learn_and_predict_the_same(tmp_path: Path) -> None:
    handlers, precision = list(logging.getLogger().handlers), torch.get_default_dtype()
    plain, kernels = learned(built(CueqUse.NOTHING)), learned(built(CueqUse.EVERYTHING))
    assert_close(plain, kernels)
    assert (logging.getLogger().handlers, torch.get_default_dtype()) == (handlers, precision)
    files = [committee.export(tmp_path, str(index))[0] for index, committee in enumerate((plain, kernels))]
    one, other = (torch.load(file, weights_only=False) for file in files)
    assert list(one.state_dict()) == list(other.state_dict())


@installed
def test_a_committee_goes_on_with_cuequivariance_and_without(tmp_path: Path) -> None:
    committee = built(CueqUse.EVERYTHING)
    committee.train(1)
    committee.save(tmp_path / "committee.pt")
    again, plain = (
        Committee.load(tmp_path / "committee.pt", handling=Handling(cueq=use))
        for use in (CueqUse.EVERYTHING, CueqUse.NOTHING)
    )
    for one in (again, plain):
        one.add(points())
    assert committee.train(2) == again.train(2)
    assert equal(weights(committee), weights(again))
    plain.train(2)
    assert_close(committee, plain)


@installed
def test_passes_are_those_that_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    committee = built(CueqUse.EVERYTHING)
    seen: set[bool] = set()
    run = cueq._Skeleton.run

    def noted(*arguments: Any, training: bool, want_virials: bool) -> Outputs:
        seen.add(training)
        return run(*arguments, training=training, want_virials=want_virials)

    monkeypatch.setattr(cueq._Skeleton, "run", noted)
    for use in CueqUse:
        seen.clear()
        monkeypatch.setattr(committee._passes, "_use", use)
        committee.train(1)
        assert seen == {training for training in (True, False) if (use.trains if training else use.predicts)}


@installed
def test_a_conversion_that_says_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cueq, "_is_same", lambda *_: False)
    with pytest.raises(ModelError, match=r"what MACE converts them to predicts something else"):
        built(CueqUse.PREDICTIONS)


@installed
def test_models_that_mace_does_not_convert_are_refused() -> None:
    plain = settings()
    odd = plain.model_copy(update={"architecture": plain.architecture.model_copy(update={"correlation": 1})})
    with pytest.raises(ModelError, match=r"run by cuEquivariance \(NotImplementedError: Correlation 1"):
        Committee.build(odd, molecules(2), seeds=(1,), handling=Handling(cueq=CueqUse.TRAINING))


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"there is no cuequivariance_torch\."):
        built(CueqUse.PREDICTIONS)
    problem = why_no_cueq(["cuda", "cuda"])
    assert problem is not None
    assert "no cuequivariance_torch and no cuequivariance_ops_torch." in problem.found
    assert "pip install 'mace-torch[cueq,cueq-cuda-12]'" in problem.advice
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "ops" in name else object())
    assert why_no_cueq(["cpu"]) is None
    assert why_no_cueq(["cuda"]) is not None


@pytest.mark.parametrize(
    ("keys", "use"),
    [
        ({}, CueqUse.NOTHING),
        ({"enable_cueq": True}, CueqUse.PREDICTIONS),
        ({"enable_cueq_train": True}, CueqUse.TRAINING),
        ({"enable_cueq": True, "enable_cueq_train": True}, CueqUse.EVERYTHING),
    ],
)
def test_two_keys_say_what_it_is_used_for(keys: dict[str, bool], use: CueqUse) -> None:
    assert DeviceSettings.model_validate(keys).cueq is use


@installed
@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 1, reason="needs a GPU")
def test_models_on_a_gpu_learn_and_predict_the_same_by_cuequivariance() -> None:
    plain, kernels = (learned(built(use, device="cuda")) for use in (CueqUse.NOTHING, CueqUse.EVERYTHING))
    pairs = zip(*(one.predict(mixed_frames(), want_stress=True) for one in (plain, kernels)), strict=True)
    for said, again in pairs:  # sums over neighbours are in no fixed order on a GPU
        assert said.forces == pytest.approx(again.forces, abs=1e-5)
