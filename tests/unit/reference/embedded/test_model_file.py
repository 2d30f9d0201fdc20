"""What a model file tells without PyTorch."""

import collections
from pathlib import Path

import pytest
import torch

from aims_pax.reference.embedded.model_file import elements_of, published_file, published_urls


def test_elements_of_a_mace_model_are_read_from_its_file(mace_model: Path) -> None:
    assert elements_of(mace_model) == (1, 6, 8)


def test_reading_elements_runs_nothing_of_the_pickle(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.write_text, (tmp_path / "sprung", "")

    torch.save({"trap": Trap()}, tmp_path / "trap.model")
    assert elements_of(tmp_path / "trap.model") is None
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_file_that_is_no_model_is_left_to_pytorch(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.model").write_bytes(content)
    assert elements_of(tmp_path / "broken.model") is None


def test_module_that_is_not_mace_is_left_to_pytorch(tmp_path: Path) -> None:
    linear = torch.nn.Linear(1, 1)
    linear.register_buffer("atomic_numbers", torch.tensor([1, 8]))
    torch.save(linear, tmp_path / "linear.model")
    assert elements_of(tmp_path / "linear.model") is None


def test_published_models_are_those_of_mace_torch() -> None:
    from mace.calculators import foundations_models

    assert published_urls("mace-mp") == foundations_models.mace_mp_urls
    assert published_urls("mace-off") == foundations_models.mace_off_urls
    assert published_urls("mace") == {}


def test_published_model_is_found_where_mace_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert published_file("mace-mp", "small") is None
    file = tmp_path / "mace" / "20231210mace128L0_energy_epoch249model"
    file.parent.mkdir()
    file.touch()
    assert published_file("mace-mp", "small") == file


def test_every_kind_of_foreign_object_is_passed_over(mace_model: Path, tmp_path: Path) -> None:
    """Models of other versions hold more than modules: what is between must not stop the reading."""
    model = torch.load(mace_model, weights_only=False)
    model.notes = collections.defaultdict(list, {"of": [torch.float32, Path("x"), {1, 2}, 3 + 1j]})
    torch.save(model, tmp_path / "noted.model")
    assert elements_of(tmp_path / "noted.model") == (1, 6, 8)
