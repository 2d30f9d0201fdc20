"""What a setting means on the machine where it is read."""

import json

import pytest
import torch

from aims_pax.committee import devices_of, missing_gpus
from aims_pax.committee.device import told_by_pytorch


def machine(monkeypatch: pytest.MonkeyPatch, n_gpus: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n_gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)


@pytest.mark.parametrize(
    ("n_gpus", "setting", "devices"),
    [
        (0, "auto", ["cpu"]),
        (0, "cpu", ["cpu"]),
        (1, "auto", ["cuda:0"]),
        (2, "cpu", ["cpu"]),
        (2, "auto", ["cuda:0", "cuda:1"]),
        (2, "cuda", ["cuda:0", "cuda:1"]),
        (2, "cuda:1", ["cuda:1"]),
        (3, ("cuda:2", "cuda:0"), ["cuda:2", "cuda:0"]),
    ],
)
def test_all_gpus_are_meant_or_those_that_are_named(
    n_gpus: int, setting: str | tuple[str, ...], devices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, n_gpus)
    assert [str(device) for device in devices_of(setting)] == devices
    assert not missing_gpus(setting)


@pytest.mark.parametrize(
    ("n_gpus", "setting", "missing"),
    [
        (0, "cuda", ("cuda",)),
        (0, "cuda:0", ("cuda:0",)),
        (2, "cuda:2", ("cuda:2",)),
        (2, ("cuda:1", "cuda:5"), ("cuda:5",)),
    ],
)
def test_gpus_that_are_not_there_are_named(
    n_gpus: int, setting: str | tuple[str, ...], missing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, n_gpus)
    assert missing_gpus(setting) == missing


def test_what_pytorch_tells_of_itself_can_be_written_as_json() -> None:
    told = json.loads(json.dumps(told_by_pytorch()))
    assert told["version"] == torch.__version__
    assert told["auto"] == [str(device) for device in devices_of("auto")]
    assert told["build"].startswith("built for ")
    assert bool(told["gpus"]) == torch.cuda.is_available()
