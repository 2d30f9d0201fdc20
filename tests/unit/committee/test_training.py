"""Training goes on from where it was, learns, and averages."""

import copy
import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aims_pax.committee import Committee, EpochPlan, RandomSubset, load_models
from aims_pax.committee.mace.graph import LabelledGraph, ModelInput, join_graphs
from aims_pax.committee.mace.loss import Losses, WeightedLoss
from aims_pax.committee.mace.model import Outputs, run_model
from aims_pax.committee.mace.replay import points_of_epoch
from aims_pax.errors import ModelError, ShapeError
from aims_pax.frame import Split
from aims_pax.settings.committee.losses import LOSSES
from aims_pax.settings.committee.mace import TrainingSettings

from .toys import carbon, crystals, equal, ethanol, mixed_frames, molecules, point, settings, weights


@pytest.fixture(scope="module")
def untrained() -> Committee:
    return Committee.build(settings(batch_size=2), molecules(4), seeds=(1, 2))


@pytest.fixture
def committee(untrained: Committee) -> Committee:
    """A copy of its own for each test: building takes ten times as long."""
    return copy.deepcopy(untrained)


def test_training_lowers_the_error_on_points_never_trained_on() -> None:
    committee = Committee.build(settings(batch_size=2), [*molecules(6), *crystals(6)], seeds=(1,))
    before = committee.errors()[0]
    committee.train(15)
    after = committee.errors()[0]
    assert before is not None
    assert after is not None
    assert after.force_mae_ev_per_ang < 0.6 * before.force_mae_ev_per_ang


def test_continued_training_starts_from_the_weights_before_it(committee: Committee) -> None:
    committee.train(2)
    before = weights(committee)
    committee.add(molecules(1, 0, first_id=50))
    assert equal(before, weights(committee))
    for member in committee._members:
        member._optimizer.param_groups[0]["lr"] = member._optimizer.param_groups[1]["lr"] = 0.0
    committee.train(1)
    assert equal(before[: len(before) // 4], weights(committee)[: len(before) // 4])


def test_the_optimizer_remembers_until_it_is_reset(committee: Committee) -> None:
    committee.train(2)
    assert committee._members[0]._optimizer.state
    before = weights(committee)
    committee.reset_optimizer(0)
    assert not committee._members[0]._optimizer.state
    assert committee._members[1]._optimizer.state
    assert equal(before, weights(committee))


def test_every_training_is_a_new_generation(committee: Committee) -> None:
    assert committee.generation == 0
    committee.train(2)
    committee.train(1, members=[1])
    assert committee.generation == 2
    committee.train(0)
    assert committee.generation == 2


def test_structures_for_testing_are_nothing_to_a_committee() -> None:
    known = molecules(3, n_valid=1)
    unseen = [point(9, ethanol(np.random.default_rng(9)), Split.TEST)]
    one, other = (Committee.build(settings(), points, seeds=(1,)) for points in (known, [*known, *unseen]))
    other.add(unseen)
    assert (other.n_train(0), other.n_valid(0)) == (one.n_train(0), one.n_valid(0)) == (3, 1)
    for first, second in zip(weights(one), weights(other), strict=True):
        assert torch.equal(first, second)


def test_reports_come_by_epoch_and_member_and_the_last_is_validated(committee: Committee) -> None:
    reports = committee.train(3, plan=EpochPlan(valid_skip=2))
    assert [(report.epoch, report.member) for report in reports] == [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)]
    assert [report.errors is not None for report in reports] == [False, False, True, True, True, True]


def test_validation_runs_in_batches_of_its_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    points = molecules(4, n_valid=7)
    committee, other = (
        Committee.build(settings(batch_size=2, valid_batch_size=size), points, seeds=(1,)) for size in (3, 7)
    )
    sizes: list[int] = []
    member = committee._members[0]
    passes = member._passes

    def counted(model: Any, data: ModelInput, *, training: bool, want_virials: bool) -> Outputs:
        sizes.append(len(data["ptr"]) - 1)
        return passes(model, data, training=training, want_virials=want_virials)

    monkeypatch.setattr(member, "_passes", counted)
    (one,), (at_once,) = committee.errors(), other.errors()
    assert sizes == [3, 3, 1]
    assert one is not None
    assert at_once is not None
    assert one.loss == pytest.approx(at_once.loss, rel=1e-12)
    committee.train(1)
    assert sizes[3:] == [2, 2, 3, 3, 1]


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_is_lowered_by_training(committee: Committee, loss: str) -> None:
    training = TrainingSettings.model_validate({"loss": loss})
    for member in committee._members:
        member._losses = Losses.build(training, compute_stress=False, dtype=torch.float64)
    before = committee.errors()
    after = [report.errors for report in committee.train(6)][-2:]
    for start, end in zip(before, after, strict=True):
        assert start is not None
        assert end is not None
        assert end.loss < start.loss


def test_structures_weigh_what_their_names_say() -> None:
    """A structure of no weight moves nothing, in training and in the validation loss."""
    points = molecules(4, n_valid=2)
    odd = [replace(one, frame=replace(one.frame, config_type="odd")) for one in (points[0], points[4])]
    mixed = [odd[0], *points[1:4], odd[1], points[5]]
    named = settings(batch_size=4, config_type_weights={"odd": 0.0})
    committee = Committee.build(named, mixed, seeds=(1,))
    graphs = committee._members[0].train_graphs + committee._members[0].valid_graphs
    assert [float(graph.targets.weight) for graph in graphs] == [0.0, 1.0, 1.0, 1.0, 0.0, 1.0]
    before = committee.errors()[0]
    wrong = [replace(one, label=replace(one.label, forces=one.label.forces + 7.0)) for one in odd]
    other = Committee.build(named, mixed, seeds=(1,))
    for member in other._members:
        for graphs, point_there in ((member.train_graphs, wrong[0]), (member.valid_graphs, wrong[1])):
            forces = torch.as_tensor(point_there.label.forces)
            graphs[0] = replace(graphs[0], targets=replace(graphs[0].targets, forces=forces))
    after = other.errors()[0]
    assert before is not None
    assert after is not None
    assert before.loss == after.loss
    assert before.force_mae_ev_per_ang < after.force_mae_ev_per_ang
    committee.train(2)
    other.train(2)
    assert equal(weights(committee), weights(other))


def test_members_differ_by_seed_and_agree_with_it() -> None:
    points = molecules(2)
    first, second, again = (
        Committee.build(settings(), points, seeds=(seed,)).predict(mixed_frames()[:1])[0].forces for seed in (1, 2, 1)
    )
    assert np.array_equal(first, again)
    assert np.abs(first - second).max() > 1e-3


def test_points_go_to_their_member_or_to_all(committee: Committee) -> None:
    own = replace(molecules(1, 0, first_id=60)[0], member=1)
    committee.add([own, *molecules(1, 1, first_id=70)])
    assert [committee.n_train(member) for member in (0, 1)] == [5, 6]
    assert [committee.n_valid(member) for member in (0, 1)] == [3, 3]
    committee.add([own])
    assert committee.n_train(1) == 6


def test_a_member_without_points_is_not_trained_silently(committee: Committee) -> None:
    committee._members[1].train_graphs.clear()
    committee._members[1].valid_graphs.clear()
    with pytest.raises(ShapeError, match=r"members \[1\] have no training points"):
        committee.train(1)
    assert committee.errors()[1] is None


def test_averaged_weights_follow_the_trained_ones_with_the_growing_decay() -> None:
    committee = Committee.build(settings(batch_size=4, ema_decay=0.99), molecules(4), seeds=(1,))
    member = committee._members[0]
    average = [parameter.detach().clone() for parameter in member.averaged.model.parameters()]
    for n in range(1, 4):
        committee.train(1)
        decay = (1 + n) / (10 + n)
        average = [
            decay * old + (1 - decay) * new.detach()
            for old, new in zip(average, member.model.parameters(), strict=True)
        ]
    for expected, found in zip(average, member.averaged.model.parameters(), strict=True):
        torch.testing.assert_close(expected, found, rtol=1e-12, atol=1e-12)


def test_without_averaging_predictions_are_those_of_the_trained_weights() -> None:
    committee = Committee.build(settings(ema=False), molecules(3), seeds=(1,))
    committee.train(1)
    member = committee._members[0]
    assert equal([p.detach() for p in member.model.parameters()], list(member.averaged.model.parameters()))


def test_atomic_energies_scale_and_shift_come_from_the_data() -> None:
    points = [*molecules(3), *crystals(3)]
    fitted = Committee.build(settings(), points, seeds=(1,))
    assert abs(fitted.statistics.shift_ev) < 0.5
    isolated = {1: -40.0, 6: -40.0, 8: -40.0}
    given = Committee.build(settings(), points, seeds=(1,), atomic_energies_ev=isolated)
    assert given.statistics.atomic_energies_ev == (-40.0, -40.0, -40.0)
    residuals = [(one.label.energy + 40.0 * one.frame.n_atoms) / one.frame.n_atoms for one in points[:3] + points[5:8]]
    assert given.statistics.shift_ev == pytest.approx(np.mean(residuals))
    forces = np.concatenate([one.label.forces.ravel() for one in points if one.split is Split.TRAINING])
    assert given.statistics.scale == pytest.approx(np.sqrt(np.mean(forces**2)))
    energy = given.predict([points[0].frame])[0].energies[0]
    assert energy == pytest.approx(points[0].label.energy, abs=20.0)


def test_mean_number_of_neighbours_follows_the_training_set(committee: Committee) -> None:
    before = committee.statistics.avg_num_neighbors
    committee.add([point(200, carbon(np.random.default_rng(0)), member=0)])
    committee.train(1)
    assert committee.statistics.avg_num_neighbors > before
    assert committee._models[0].interactions[0].avg_num_neighbors == committee.statistics.avg_num_neighbors


def test_stress_is_learnt_where_it_is_known() -> None:
    points = [*molecules(2), *crystals(4)]
    committee = Committee.build(settings(stress=True, stress_weight=1e4, batch_size=3), points, seeds=(1,))
    before = committee.errors()[0]
    committee.train(10)
    after = committee.errors()[0]
    assert before is not None
    assert after is not None
    assert before.stress_mae_ev_per_ang3 is not None
    assert after.stress_mae_ev_per_ang3 is not None
    assert after.stress_mae_ev_per_ang3 < before.stress_mae_ev_per_ang3


def test_the_loss_is_maces(committee: Committee) -> None:
    from mace.modules.loss import WeightedEnergyForcesStressLoss

    graphs: list[LabelledGraph] = committee._members[0].train_graphs[:3]
    data, targets = join_graphs(graphs)
    outputs = run_model(committee._models[0], data, training=False, want_virials=False)
    ones = torch.ones(3, dtype=torch.float64)

    class Reference(dict[str, torch.Tensor]):
        ptr = data["ptr"]
        weight = energy_weight = forces_weight = stress_weight = ones

    reference = Reference(energy=targets.energy, forces=targets.forces, stress=targets.stress)
    predicted = {"energy": outputs.energy, "forces": outputs.forces, "stress": targets.stress}
    theirs = WeightedEnergyForcesStressLoss(2.0, 1000.0, 1.0)(reference, predicted)
    ours = WeightedLoss(energy_weight=2.0, forces_weight=1000.0, stress_weight=1.0)(outputs, targets)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-6)


def test_learning_rate_falls_on_a_plateau_and_only_when_scheduled() -> None:
    training = {"lr": 1e-6, "scheduler_patience": 0, "lr_factor": 0.5}
    committee = Committee.build(settings(**training), molecules(2), seeds=(1,))
    committee.train(3)
    assert committee.learning_rate(0) == 1e-6
    committee.train(3, plan=EpochPlan(schedule=True))
    assert committee.learning_rate(0) < 1e-6


def test_exponential_schedule_multiplies_the_learning_rate_each_epoch() -> None:
    training = {"scheduler": "ExponentialLR", "lr_scheduler_gamma": 0.5, "lr": 0.008}
    committee = Committee.build(settings(**training), molecules(2), seeds=(1,))
    committee.train(2, plan=EpochPlan(schedule=True))
    assert committee.learning_rate(0) == pytest.approx(0.002)


def test_convergence_ends_with_the_best_weights() -> None:
    committee = Committee.build(settings(lr=0.3, batch_size=1), molecules(3), seeds=(1,))
    committee.begin_convergence()
    start = committee.errors()[0]
    assert start is not None
    losses = [report.errors.loss for report in committee.train(6) if report.errors]
    committee.end_convergence()
    end = committee.errors()[0]
    assert end is not None
    assert end.loss == pytest.approx(min([start.loss, *losses]), rel=1e-12)


def test_a_random_subset_holds_every_fresh_point(committee: Committee) -> None:
    committee.add(molecules(4, 0, first_id=80))
    graphs = committee._members[0].train_graphs
    visits = {graph.label_id: 5 for graph in graphs[:-2]}
    generator = torch.Generator().manual_seed(0)
    drawn = [
        {graph.label_id for graph in points_of_epoch(graphs, RandomSubset(4, 1), generator, visits=visits)}
        for _ in range(20)
    ]
    fresh = {graph.label_id for graph in graphs[-2:]}
    assert all(len(epoch) == 4 and fresh <= epoch for epoch in drawn)
    assert set.union(*drawn) == {graph.label_id for graph in graphs}


def test_a_random_subset_grows_until_all_fresh_points_are_part_of_it(committee: Committee) -> None:
    graphs = committee._members[0].train_graphs
    generator = torch.Generator().manual_seed(0)
    epoch = points_of_epoch(graphs, RandomSubset(2, 1, fresh_epochs=2), generator, visits={graphs[0].label_id: 2})
    assert sorted(graph.label_id for graph in epoch) == [graph.label_id for graph in graphs[1:]]


def test_one_member_alone_trains_in_one_thread_while_its_batches_are_small(
    committee: Committee, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    member = committee._members[1]
    monkeypatch.setattr(member, "train", lambda *_args, **_kwargs: seen.append(torch.get_num_threads()) or [])
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        committee.train(1, members=[1])
        committee._points.largest_graph_bytes = 1e12
        committee.train(1, members=[1])
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 2]


def test_random_subset_trains_on_that_many_points(committee: Committee) -> None:
    committee.train(2)
    committee.train(3, plan=EpochPlan(replay=RandomSubset(2, 1)))
    assert sum(committee._members[0]._visits.values()) == 4 * 2 + 2 * 3


def test_a_step_without_finite_gradient_is_left_out_and_told(
    committee: Committee, caplog: pytest.LogCaptureFixture
) -> None:
    bad = molecules(1, 0, first_id=90)
    forces = bad[0].label.forces.copy()
    forces[0, 0] = np.inf
    bad[0] = replace(bad[0], label=replace(bad[0].label, forces=forces))
    committee.add(bad)
    with caplog.at_level(logging.WARNING):
        committee.train(1)
    assert re.search(r"not finite \(labels \[.*90", caplog.text)
    assert all(torch.isfinite(weight).all() for weight in weights(committee))


def test_elements_outside_the_models_are_refused(committee: Committee) -> None:
    silicon = carbon(np.random.default_rng(0))
    silicon.numbers[:] = 14
    with pytest.raises(ModelError, match=r"element\(s\) Si"):
        committee.add([point(300, silicon)])


def test_centred_energies_lose_their_constant_and_keep_their_forces(committee: Committee) -> None:
    points = molecules(4)  # what the committee was built from
    committee.train(2)
    frames = [point.frame for point in points]
    before = committee.predict(frames)
    committee.centre_energies()
    after = committee.predict(frames)
    trained_on = [
        (prediction, point.label)
        for prediction, point in zip(after, points, strict=True)
        if point.split is Split.TRAINING
    ]
    for member in range(committee.n_members):
        errors = [(found.energies[member] - label.energy) / len(label.forces) for found, label in trained_on]
        assert abs(np.mean(errors)) < 1e-9
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new.forces, old.forces, atol=1e-12)


def test_centred_energies_are_right_for_each_composition(tmp_path: Path) -> None:
    """Whatever a short training by forces leaves between them; also of models of files, and as training goes on."""
    points = [*molecules(4), *crystals(4, first_id=20)]
    committee = Committee.build(settings(), points, seeds=(1, 2))
    committee.train(3)
    frames = [point.frame for point in points]
    before = committee.predict(frames)
    committee.centre_energies()
    after = committee.predict(frames)
    for member in range(committee.n_members):
        for formula in (points[0].frame.n_atoms, points[-1].frame.n_atoms):
            errors = [
                (found.energies[member] - point.label.energy) / formula
                for found, point in zip(after, points, strict=True)
                if point.frame.n_atoms == formula and point.split is Split.TRAINING
            ]
            assert abs(np.mean(errors)) < 1e-9
    assert max(abs(old.energies - new.energies).max() for old, new in zip(before, after, strict=True)) > 0.1
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new.forces, old.forces, atol=1e-12)
    for member, measured in enumerate(committee.errors()):  # by the targets, which are told without the first E0
        wrong = [
            abs(found.energies[member] - point.label.energy) / point.frame.n_atoms
            for found, point in zip(after, points, strict=True)
            if point.split is Split.VALIDATION
        ]
        assert measured is not None
        assert measured.energy_mae_ev_per_atom == pytest.approx(np.mean(wrong), abs=1e-9)
    files = committee.export(tmp_path, "centred")
    exported = load_models(files, device="cpu")
    for new, read in zip(after, exported.predict(frames), strict=True):
        np.testing.assert_allclose(read.energies, new.energies, atol=1e-9)
    # those of free atoms that they were given are still known
    given = dict(zip(committee.numbers, committee.statistics.atomic_energies_ev, strict=True))
    assert exported.atomic_energies_ev == pytest.approx(given)
    first = settings()
    told = first.architecture.model_copy(update={"atomic_energies": given})
    goes_on = Committee.from_models(first.model_copy(update={"architecture": told}), files, seeds=(1, 2))
    assert goes_on.atomic_energies_ev == pytest.approx(given)
    np.testing.assert_allclose(goes_on.predict(frames)[0].energies, after[0].energies, atol=1e-9)
    committee.save(tmp_path / "centred.pt")
    again = Committee.load(tmp_path / "centred.pt")
    again.add(points)
    for one in (committee, again):
        one.add(molecules(1, first_id=60))
    assert committee.train(2) == again.train(2)
    for new, read in zip(committee.predict(frames), again.predict(frames), strict=True):
        np.testing.assert_array_equal(read.energies, new.energies)
