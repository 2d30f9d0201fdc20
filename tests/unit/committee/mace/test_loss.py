"""Losses by MACE's own classes, against their formulas written out by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from aims_pax.committee.mace.graph import Targets
from aims_pax.committee.mace.loss import MaceLoss, MolecularLoss, WeightedLoss, build_loss, member_errors
from aims_pax.committee.mace.model import Outputs
from aims_pax.frame import FloatArray
from aims_pax.settings.committee.losses import LOSSES
from aims_pax.settings.committee.mace import TrainingSettings

WEIGHTS = {"energy_weight": 2.0, "forces_weight": 30.0, "stress_weight": 5.0, "virials_weight": 7.0}
DELTA = 0.2
N_ATOMS = np.array([3, 2, 4])
VOLUME = np.array([60.0, 1.0, 45.0])
"""The second structure is a molecule, of which no stress is known."""

KNOWN = np.array([True, False, True])
STRUCTURES = np.array([0.0, 3.0, 0.5])
"""Weights of the structures, where they have any."""


def numbers(seed: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Energies, forces and stress; some forces are larger than what `universal` calls large."""
    rng = np.random.default_rng(seed)
    forces = rng.normal(size=(9, 3))
    forces[:3] *= np.array([[150.0], [250.0], [400.0]])
    return rng.normal(size=3), forces, rng.normal(scale=0.05, size=(3, 3, 3))


LABELLED, PREDICTED = numbers(1), numbers(2)


def targets(dtype: torch.dtype = torch.float64, *, weighted: bool = False) -> Targets:
    energy, forces, stress = (torch.tensor(one, dtype=dtype) for one in LABELLED)
    known = torch.tensor(KNOWN)
    return Targets(
        energy=energy,
        forces=forces,
        stress=stress * known[:, None, None],
        stress_is_known=known,
        volume=torch.tensor(VOLUME, dtype=dtype),
        n_atoms=torch.tensor(N_ATOMS),
        weight=torch.tensor(STRUCTURES if weighted else np.ones(3), dtype=dtype),
        has_stress=True,
        has_weights=weighted,
    )


def outputs(*, virials: bool, dtype: torch.dtype = torch.float64) -> Outputs:
    energy, forces, stress = (torch.tensor(one, dtype=dtype, requires_grad=True) for one in PREDICTED)
    return Outputs(energy, forces, -stress * torch.tensor(VOLUME, dtype=dtype)[:, None, None] if virials else None)


def squared(error: FloatArray) -> FloatArray:
    return error**2


def huber(error: FloatArray, delta: float | FloatArray = DELTA) -> FloatArray:
    size = np.abs(error)
    return np.where(size < delta, 0.5 * size**2, delta * (size - 0.5 * delta))


def per_atom() -> FloatArray:
    return (PREDICTED[0] - LABELLED[0]) / N_ATOMS


def of_forces() -> FloatArray:
    return PREDICTED[1] - LABELLED[1]


def of_stress() -> FloatArray:
    return (PREDICTED[2] - LABELLED[2]) * KNOWN[:, None, None]


def of_virials() -> FloatArray:
    return of_stress() * (VOLUME / N_ATOMS)[:, None, None]


def energy_forces(energy_weight: float, forces_weight: float) -> float:
    return float(energy_weight * squared(per_atom()).mean() + forces_weight * squared(of_forces()).mean())


def gentle_forces() -> FloatArray:
    """Large forces count less: 100, 200 and 300 eV/Å are the steps (MACE-MP's loss)."""
    sizes = np.linalg.norm(LABELLED[1], axis=1)
    deltas = DELTA * np.choose(np.searchsorted([100.0, 200.0, 300.0], sizes, side="right"), [1.0, 0.7, 0.4, 0.1])
    return huber(of_forces(), deltas[:, None])


FORMULAS: dict[str, Callable[[], float]] = {
    "weighted": lambda: energy_forces(2.0, 30.0) + 5.0 * float(squared(of_stress()).mean()),
    "ef": lambda: energy_forces(1.0, 1.0),
    "forces_only": lambda: energy_forces(0.0, 30.0),
    "weighted_stress": lambda: energy_forces(2.0, 30.0) + 5.0 * float(squared(of_stress()).mean()),
    "stress": lambda: energy_forces(2.0, 30.0) + 5.0 * float(squared(of_stress()).mean()),
    "virials": lambda: energy_forces(2.0, 30.0) + 7.0 * float(squared(of_virials()).mean()),
    "huber": lambda: float(
        2.0 * huber(per_atom()).mean() + 30.0 * huber(of_forces()).mean() + 5.0 * huber(of_stress()).mean()
    ),
    "universal": lambda: float(
        2.0 * huber(per_atom()).mean() + 30.0 * gentle_forces().mean() + 5.0 * huber(of_stress()).mean()
    ),
    "l1l2energyforces": lambda: float(
        2.0 * np.abs(per_atom()).mean() + 30.0 * np.linalg.norm(of_forces(), axis=1).mean()
    ),
    "intermol": lambda: energy_forces(2.0, 30.0) + 5.0 * float(squared(of_stress()).mean()),
}
"""Of molecules `intermol` counts nothing until it is told to."""


def training(loss: str) -> TrainingSettings:
    """With weights of their own, but for the loss that has none."""
    weights = {} if loss.lower() == "ef" else WEIGHTS
    return TrainingSettings.model_validate({"loss": loss, "huber_delta": DELTA, **weights})


def test_every_loss_has_a_formula_and_a_name_that_may_be_written() -> None:
    assert set(FORMULAS) == set(LOSSES)
    assert [training(name.upper()).loss for name in LOSSES] == list(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_is_its_formula(name: str) -> None:
    loss = build_loss(training(name), LOSSES[name], compute_stress=True, dtype=torch.float64)
    kinds: dict[str, type] = {"weighted": WeightedLoss, "intermol": MolecularLoss}
    assert isinstance(loss, kinds.get(name, MaceLoss))
    found = loss(outputs(virials=loss.wants_virials(targets())), targets())
    assert float(found.detach()) == pytest.approx(FORMULAS[name](), rel=1e-12)


def of_weighted_structures(energy_weight: float, forces_weight: float, stress_weight: float = 0.0) -> float:
    atoms = np.repeat(STRUCTURES, N_ATOMS)[:, None]
    energy, forces = (STRUCTURES * squared(per_atom())).mean(), (atoms * squared(of_forces())).mean()
    stress = (STRUCTURES[:, None, None] * squared(of_stress())).mean()
    return float(energy_weight * energy + forces_weight * forces + stress_weight * stress)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("weighted", (2.0, 30.0, 5.0)),
        ("stress", (2.0, 30.0, 5.0)),
        ("ef", (1.0, 1.0)),
        ("forces_only", (0.0, 30.0)),
    ],
)
def test_errors_of_a_structure_count_by_its_weight(name: str, weights: tuple[float, ...]) -> None:
    loss = build_loss(training(name), LOSSES[name], compute_stress=True, dtype=torch.float64)
    labelled = targets(weighted=True)
    found = loss(outputs(virials=loss.wants_virials(labelled)), labelled)
    assert float(found.detach()) == pytest.approx(of_weighted_structures(*weights), rel=1e-12)


MOLECULES = np.array([0, 0, -1, 1, 2, -1, 3, 3, 3])
"""Of the nine atoms: the first structure has one of two atoms, the second two of one, the third one of three."""


@pytest.mark.parametrize("weighted", [False, True])
def test_forces_on_molecules_count_once_they_are_weighed(weighted: bool) -> None:
    loss = build_loss(training("intermol"), LOSSES["intermol"], compute_stress=True, dtype=torch.float64)
    assert isinstance(loss, MolecularLoss)
    labelled = targets(weighted=weighted)
    plain = float(loss(outputs(virials=True), labelled).detach())
    told = replace(labelled, molecule=torch.tensor(MOLECULES), n_molecules=4)
    assert float(loss(outputs(virials=True), told).detach()) == plain, "nobody has weighed them"
    loss.weight = 11.0
    assert float(loss(outputs(virials=True), labelled).detach()) == plain, "there are none"
    whole = np.array([of_forces()[number == MOLECULES].sum(axis=0) for number in range(4)])
    of_structures = (STRUCTURES if weighted else np.ones(3))[[0, 1, 1, 2]]
    expected = plain + 11.0 * (of_structures[:, None] * squared(whole)).mean()
    said = loss(outputs(virials=True), told)
    assert float(said.detach()) == pytest.approx(expected, rel=1e-12)
    assert said.requires_grad


def test_molecules_are_counted_through_a_batch() -> None:
    one = targets()
    first = replace(one, molecule=torch.tensor(MOLECULES), n_molecules=4)
    joined = Targets.join([first, one, first])
    assert joined.n_molecules == 8
    assert joined.molecule is not None
    again = [number + 4 if number >= 0 else -1 for number in MOLECULES]
    assert joined.molecule.tolist() == [*MOLECULES, *[-1] * 9, *again]
    assert Targets.join([one, one]).molecule is None


def test_weights_of_one_change_no_bit_of_the_loss() -> None:
    loss = build_loss(training("weighted"), LOSSES["weighted"], compute_stress=True, dtype=torch.float32)
    plain = targets(torch.float32)
    ones = replace(plain, has_weights=True)
    said = [float(loss(outputs(virials=True, dtype=torch.float32).detached(), one)) for one in (plain, ones)]
    assert said[0] == said[1]


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_stress_want_virials_and_others_do_not(name: str) -> None:
    loss = build_loss(training(name), LOSSES[name], compute_stress=True, dtype=torch.float64)
    assert loss.wants_virials(targets()) is (name not in ("ef", "forces_only", "l1l2energyforces"))


@pytest.mark.parametrize("name", ["weighted", "huber", "universal"])
def test_losses_that_leave_it_open_learn_no_stress_without_compute_stress(name: str) -> None:
    loss = build_loss(training(name), LOSSES[name], compute_stress=False, dtype=torch.float64)
    assert not loss.wants_virials(targets())
    without = build_loss(
        training(name).model_copy(update={"stress_weight": 0.0}),
        LOSSES[name],
        compute_stress=True,
        dtype=torch.float64,
    )
    predicted = outputs(virials=False).detached()
    assert float(loss(predicted, targets())) == float(without(predicted, targets()))


@pytest.mark.parametrize("name", ["weighted", "stress", "virials", "huber", "universal"])
def test_nothing_is_learned_of_a_stress_that_is_not_known(name: str) -> None:
    loss = build_loss(training(name), LOSSES[name], compute_stress=True, dtype=torch.float64)
    predicted = outputs(virials=True)
    assert predicted.virials is not None
    predicted.virials.retain_grad()
    loss(predicted, targets()).backward()
    assert predicted.virials.grad is not None
    moved = predicted.virials.grad.abs().sum(dim=(1, 2)) > 0
    assert moved.tolist() == KNOWN.tolist()


def test_weights_are_not_rounded_to_the_default_precision() -> None:
    weights = {"energy_weight": 0.1, "forces_weight": 0.3}
    settings = TrainingSettings.model_validate({"loss": "l1l2energyforces", **weights})
    loss = build_loss(settings, LOSSES[settings.loss], compute_stress=False, dtype=torch.float64)
    expected = 0.1 * np.abs(per_atom()).mean() + 0.3 * np.linalg.norm(of_forces(), axis=1).mean()
    assert float(loss(outputs(virials=False), targets()).detach()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_keeps_the_precision_of_the_models(name: str) -> None:
    loss = build_loss(training(name), LOSSES[name], compute_stress=True, dtype=torch.float32)
    labelled = targets(torch.float32)
    found = loss(outputs(virials=loss.wants_virials(labelled), dtype=torch.float32), labelled)
    assert found.dtype is torch.float32
    assert float(found.detach()) == pytest.approx(FORMULAS[name](), rel=1e-5)


def test_reported_errors_do_not_depend_on_the_loss() -> None:
    said = {
        name: member_errors(
            outputs(virials=True).detached(),
            targets(),
            loss=build_loss(training(name), LOSSES[name], compute_stress=True, dtype=torch.float64),
        )
        for name in LOSSES
    }
    assert len({errors.force_mae_ev_per_ang for errors in said.values()}) == 1
    assert len({errors.energy_mae_ev_per_atom for errors in said.values()}) == 1
    assert [errors.loss for errors in said.values()] == pytest.approx([FORMULAS[name]() for name in said], rel=1e-12)
