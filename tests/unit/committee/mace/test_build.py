"""Every option of the architecture is honoured, or refused in the words of mace.yaml."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from aims_pax.committee import Committee
from aims_pax.committee.mace.elements import Elements
from aims_pax.committee.mace.statistics import (
    corrected_atomic_energies,
    fit_atomic_energies,
    mean_residual_energy,
    rms_force,
)
from aims_pax.errors import ModelError, ShapeError
from aims_pax.frame import FloatArray, Frame, Label, LabelledFrame, Split
from aims_pax.settings.committee.mace import MaceSettings

from ..toys import crystals, molecules, settings


def with_architecture(**changed: object) -> MaceSettings:
    values: dict[str, Any] = settings().model_dump()
    return MaceSettings.model_validate({**values, "architecture": {**values["architecture"], **changed}})


def test_the_model_is_what_the_settings_say() -> None:
    asked = with_architecture(
        r_max=3.5,
        num_channels=3,
        max_L=0,
        num_interactions=1,
        num_radial_basis=5,
        num_cutoff_basis=6,
        radial_MLP=[6, 7],
        radial_type="gaussian",
        gate="tanh",
        interaction_first="RealAgnosticDensityInteractionBlock",
        compute_avg_num_neighbors=False,
        scaling="no_scaling",
        atomic_energies={1: -1.0, 6: -2.0, 8: -3.0},
    )
    committee = Committee.build(asked, molecules(1), seeds=(1,), atomic_energies_ev={1: -7.0})
    model = committee._models[0]
    assert committee.cutoff == 3.5
    assert committee.statistics.atomic_energies_ev == (-1.0, -2.0, -3.0)
    assert (committee.statistics.scale, committee.statistics.avg_num_neighbors) == (1.0, 1.0)
    assert str(model.products[0].linear.irreps_out) == "3x0e"
    assert len(model.interactions) == 1
    assert type(model.interactions[0]).__name__ == "RealAgnosticDensityInteractionBlock"
    assert model.interactions[0].conv_tp_weights.hs[:3] == [5, 6, 7]
    assert type(model.radial_embedding.bessel_fn).__name__ == "GaussianBasis"
    assert int(model.radial_embedding.cutoff_fn.p) == 6
    assert torch.isfinite(torch.tensor(committee.train(1)[0].train_loss))


def test_an_architecture_that_mace_can_not_build_is_refused() -> None:
    with pytest.raises(ModelError, match=r"mace\.yaml: ARCHITECTURE: gives no MACE model .*non-scalar"):
        Committee.build(with_architecture(MLP_irreps="4x1o"), molecules(1), seeds=(1,))


def test_a_committee_needs_points_and_distinct_seeds() -> None:
    with pytest.raises(ShapeError, match="needs labelled points and distinct seeds"):
        Committee.build(settings(), [], seeds=(1, 2))
    with pytest.raises(ShapeError, match="needs labelled points and distinct seeds"):
        Committee.build(settings(), molecules(1), seeds=(1, 1))


def test_building_leaves_the_default_precision_and_random_state_alone() -> None:
    state = torch.random.get_rng_state()
    Committee.build(settings(dtype="float64"), molecules(1), seeds=(1,))
    assert torch.get_default_dtype() == torch.float32
    assert torch.equal(torch.random.get_rng_state(), state)


def test_free_atoms_are_known_energies_and_do_not_spoil_shift_and_scale() -> None:
    points, elements = molecules(4), Elements((1, 6, 8))
    atoms = [free_atom(z, energy) for z, energy in ((1, -13.0), (6, -1030.0), (8, -2040.0))]
    known = {1: -13.0, 6: -1030.0, 8: -2040.0}
    e0 = fit_atomic_energies([*atoms, *points], elements, known={})
    assert e0 == tuple(known.values())
    assert mean_residual_energy([*atoms, *points], elements, e0) == mean_residual_energy(points, elements, e0)
    assert rms_force([*atoms, *points]) == rms_force(points)
    assert fit_atomic_energies([*atoms, *points], elements, known={6: -41.0})[1] == -41.0
    assert fit_atomic_energies(atoms, elements, known={}) == e0


def shifts(numbers: Sequence[tuple[int, ...]], by_element: FloatArray) -> FloatArray:
    return np.array([[some.count(z) for z in (1, 6, 8)] for some in numbers]) @ by_element


def molecule_of(numbers: tuple[int, ...], energy: float) -> LabelledFrame:
    frame = Frame("molecule", 0, 0, 0, np.array(numbers), np.zeros((len(numbers), 3)))
    return LabelledFrame(1, frame, Label(energy, np.zeros((len(numbers), 3)), None, "x", 0.0), Split.TRAINING)


def free_atom(number: int, energy: float) -> LabelledFrame:
    frame = Frame("atom", 0, 0, 0, np.array([number]), np.zeros((1, 3)))
    return LabelledFrame(1, frame, Label(energy, np.zeros((1, 3)), None, "x", 0.0), Split.TRAINING)


def test_trained_models_hear_of_what_they_leave_of_other_labels() -> None:
    """Of labels that differ from theirs by a constant for each element they find these, whatever the bonds."""
    elements, own, moved = Elements((1, 6, 8)), (-13.0, -1030.0, -2040.0), np.array([0.5, -2.0, 3.0])
    numbers = [(6, 1, 1, 1, 1), (8, 1, 1), (6, 8), (6, 6, 1, 1), (6, 8, 8)]
    said = np.array([-1100.0 * len(some) - 0.3 * len(some) ** 2 for some in numbers])
    points = [molecule_of(some, energy) for some, energy in zip(numbers, said + shifts(numbers, moved), strict=True)]
    e0 = corrected_atomic_energies(points, elements, own=own, said_ev=said, known={})
    assert e0 == pytest.approx(np.array(own) + moved, abs=1e-6)
    free = [free_atom(6, -1032.0), *points]
    known = corrected_atomic_energies(free, elements, own=own, said_ev=np.array([0.0, *said]), known={8: -2037.0})
    assert known[1:] == (-1032.0, -2037.0)
    assert known[0] == pytest.approx(-12.5, abs=1e-6)
    assert corrected_atomic_energies(free[:1], elements, own=own, said_ev=np.zeros(1), known={}) == (
        own[0],
        -1032.0,
        own[2],
    )


def test_known_atomic_energies_stay_and_the_others_are_fitted() -> None:
    points = [*molecules(2), *crystals(2)]
    e0 = fit_atomic_energies(points, Elements((1, 6, 8)), known={6: -41.0})
    assert e0[1] == -41.0
    mean = points[0].label.energy
    assert 6 * e0[0] + 2 * e0[1] + e0[2] == pytest.approx(mean, abs=2.0)
