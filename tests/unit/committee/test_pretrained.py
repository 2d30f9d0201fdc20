"""Committees that go on from trained models."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from aims_pax.committee import Committee
from aims_pax.committee.mace.model import Outputs
from aims_pax.errors import ModelError
from aims_pax.settings.committee.mace import MaceSettings

from .toys import ethanol, frame_of, molecules, settings

FRAME = frame_of(ethanol(np.random.default_rng(3)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Committee, list[Path]]:
    """Two members of one committee, and a third of another one, with other atomic energies; and their files."""
    folder = tmp_path_factory.mktemp("models")
    two = Committee.build(settings(), molecules(3), seeds=(1, 2))
    other = Committee.build(settings(), molecules(4, first_id=50), seeds=(3,))
    for committee in (two, other):
        committee.train(2)
    return two, [*two.export(folder, "t"), *other.export(folder, "u")]


def differing(**architecture: object) -> MaceSettings:
    changed = settings().architecture.model_copy(update=architecture)
    return settings().model_copy(update={"architecture": changed})


def test_members_predict_what_their_models_predict(trained: tuple[Committee, list[Path]]) -> None:
    committee, paths = trained
    again = Committee.from_models(settings(), paths[:2], seeds=(5, 6))
    (wanted,), (found,) = committee.predict([FRAME]), again.predict([FRAME])
    np.testing.assert_allclose(found.energies, wanted.energies, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.forces, wanted.forces, rtol=0, atol=1e-9)
    assert again.names == ("test_5", "test_6")


def test_rounding_beside_steep_forces_is_no_other_network() -> None:
    """Well trained models say 20 000 eV/Å of atoms too near to one another; small forces are differences of such."""
    said = Outputs(energy=torch.tensor([900.0]), forces=torch.tensor([[2e4, 0.01, 0.0]]), virials=None)
    assert said.is_like(replace(said, forces=said.forces + 0.006), 1e-4)
    for other in (replace(said, forces=1.1 * said.forces), replace(said, energy=said.energy + 10.0)):
        assert not said.is_like(other, 1e-4)


def test_all_members_go_on_from_one_model(trained: tuple[Committee, list[Path]]) -> None:
    committee, paths = trained
    again = Committee.from_models(settings(dtype="float32", batch_size=1), paths[1:2], seeds=(1, 2, 3))
    again.add(molecules(3))
    (prediction,) = again.predict([FRAME])
    # Single precision keeps seven digits of forces of some eV/Å, and sums of them lose one.
    np.testing.assert_allclose(prediction.forces[0], committee.predict([FRAME])[0].forces[1], atol=1e-5)
    assert (prediction.forces[0] == prediction.forces[1]).all()
    again.train(1)  # each in an order of its own
    (prediction,) = again.predict([FRAME])
    assert (prediction.forces[0] != prediction.forces[1]).any()


def test_members_of_other_atomic_energies_have_errors_of_their_own(trained: tuple[Committee, list[Path]]) -> None:
    """Targets are kept without atomic energies, and once for all members."""
    _, paths = trained
    mixed = Committee.from_models(settings(), [paths[0], paths[2]], seeds=(1, 3))
    alone = Committee.from_models(settings(), paths[2:], seeds=(3,))
    for committee in (mixed, alone):
        committee.add(molecules(3))
    (_, found), (wanted,) = mixed.errors(), alone.errors()
    assert found is not None
    assert wanted is not None
    assert found.energy_mae_ev_per_atom == pytest.approx(wanted.energy_mae_ev_per_atom, abs=1e-9)
    mixed.centre_energies()
    (point,) = molecules(1, 0)
    (prediction,) = mixed.predict([point.frame])
    assert abs(prediction.energies - point.label.energy).max() / point.frame.n_atoms < 1.0


def test_such_a_committee_is_saved_with_all_its_constants(
    trained: tuple[Committee, list[Path]], tmp_path: Path
) -> None:
    _, paths = trained
    mixed = Committee.from_models(settings(), [paths[0], paths[2]], seeds=(1, 3))
    mixed.add(molecules(3))
    mixed.train(1)
    mixed.save(tmp_path / "committee.pt")
    resumed = Committee.load(tmp_path / "committee.pt")
    resumed.add(molecules(3))
    assert resumed.errors() == mixed.errors()
    for committee in (mixed, resumed):
        committee.train(1)
    assert resumed.errors() == mixed.errors()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_channels": 8, "max_L": 0}, "ARCHITECTURE.num_channels is 8, and the model has 4"),
        ({"r_max": 5.0}, "ARCHITECTURE.r_max is 5.0, and the model has 4.0"),
        ({"gate": "tanh"}, "holds a network that MACE would not build from ARCHITECTURE"),
        ({"MLP_irreps": "8x0e"}, "holds a network that MACE would not build from ARCHITECTURE"),
        ({"atomic_energies": {1: -20.0}}, "ARCHITECTURE.atomic_energies has -20.000 eV for Z = 1"),
    ],
)
def test_models_of_another_architecture_are_refused(
    trained: tuple[Committee, list[Path]], changes: dict[str, object], words: str
) -> None:
    _, paths = trained
    with pytest.raises(ModelError, match=r"t_1\.model") as caught:
        Committee.from_models(differing(**changes), paths[:2], seeds=(1, 2))
    assert words in str(caught.value)
    assert "t_2.model" in str(caught.value)
