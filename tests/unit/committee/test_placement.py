"""Members and parts of batches on several devices.

Two stand-ins for GPUs. ``cpu:0`` and ``cpu:1`` are two devices to this package and one to PyTorch: what was given to
which is recorded, and numbers are compared to the last bit. ``meta`` is another device to PyTorch, too, which refuses
to mix it with the CPU: it computes no numbers, but shows that nothing is left behind.
"""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from aims_pax.batch import AtomBatch
from aims_pax.committee import Committee, EpochPlan, Prediction
from aims_pax.committee.checkpoint import _packed
from aims_pax.committee.mace.averaging import AveragedModel
from aims_pax.committee.mace.graph import ModelInput, join_graphs, model_input
from aims_pax.committee.mace.model import Outputs, run_model
from aims_pax.committee.member import Member
from aims_pax.committee.placement import Placement

from .toys import equal, mixed_frames, molecules, settings, weights

CPU, OTHER = torch.device("cpu"), torch.device("meta")
TWO = ("cpu:0", "cpu:1")
SEEDS = (1, 2, 3)


def built(device: str | tuple[str, ...] = "cpu", dtype: str = "float32") -> Committee:
    return Committee.build(settings(dtype=dtype, batch_size=2), molecules(4), seeds=SEEDS, device=device)


@pytest.fixture(scope="module")
def alone() -> Committee:
    """On one device, trained twice."""
    return twice_trained(built())


@pytest.fixture(scope="module")
def spread() -> Committee:
    return twice_trained(built(TWO))


def twice_trained(committee: Committee) -> Committee:
    committee.train(1, plan=EpochPlan(schedule=True))
    committee.add(molecules(2, first_id=50))
    committee.train(1, plan=EpochPlan(schedule=True))
    return committee


@pytest.fixture
def molecular() -> AtomBatch:
    frames = [point.frame for point in molecules(6, n_valid=0, first_id=200)]
    return AtomBatch.from_frames(frames, 4.0)


@pytest.fixture
def passes(spread: Committee, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The thread and the model of every pass that is made."""
    made: list[tuple[int, int]] = []

    def recorded(model: torch.nn.Module, data: ModelInput, *, training: bool, want_virials: bool) -> Outputs:
        made.append((threading.get_ident(), id(model)))
        return run_model(model, data, training=training, want_virials=want_virials)

    for owner in (spread, *spread._members):
        monkeypatch.setattr(owner, "_passes", recorded)
    return made


def test_members_take_turns_on_the_devices(spread: Committee, molecular: AtomBatch) -> None:
    calls = spread._placement.calls((0, 1, 2), [model_input(molecular, spread._for_model)], generation=2)
    assert [(call.member, str(call.device)) for call in calls] == [(0, "cpu:0"), (1, "cpu:1"), (2, "cpu:0")]
    assert [call.model for call in calls] == list(spread._models)


def test_each_device_has_a_thread_of_its_own(
    spread: Committee, molecular: AtomBatch, passes: list[tuple[int, int]]
) -> None:
    spread.evaluate(molecular)
    thread_of = {model: thread for thread, model in passes}
    first, second, third = (thread_of[id(model)] for model in spread._models)
    assert first == third != second
    passes.clear()
    spread.errors()
    thread_of = {model: thread for thread, model in passes}
    first, second, third = (thread_of[id(model)] for model in spread._models)
    assert first == third != second


def test_one_device_makes_no_copies(alone: Committee, molecular: AtomBatch) -> None:
    inputs = [model_input(molecular, alone._for_model)] * 3
    calls = alone._placement.calls((0, 1, 2), inputs, generation=alone.generation)
    assert all(call.data is inputs[call.part] and call.model is alone._models[call.member] for call in calls)
    assert alone._members[0].train_graphs[0] is alone._members[1].train_graphs[0]


def test_predictions_and_training_equal_those_of_one_device_bit_for_bit(alone: Committee, spread: Committee) -> None:
    assert equal(weights(spread), weights(alone))
    assert spread.errors() == alone.errors()
    batch = AtomBatch.from_frames(mixed_frames()[::2], alone.cutoff)
    one, other = alone.evaluate(batch, want_stress=True), spread.evaluate(batch, want_stress=True)
    assert torch.equal(one.forces, other.forces)
    assert torch.equal(one.energies, other.energies)


def test_trajectories_of_a_driving_member_are_spread(
    alone: Committee, spread: Committee, molecular: AtomBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread, "_budget", replace(spread._budget, least_bytes=0.0))
    parts = spread.parts(molecular, n_members=1)
    assert [part.n_structures for part in parts] == [3, 3]
    inputs = [model_input(part, spread._for_model) for part in parts]
    for member, places in ((0, ["cpu:0", "cpu:1"]), (1, ["cpu:1", "cpu:0"])):
        calls = spread._placement.calls((member,), inputs, generation=spread.generation)
        assert [str(call.device) for call in calls] == places
        assert len({id(call.model) for call in calls}) == 2
        said = spread.evaluate(molecular, members=(member,))
        expected = [alone.evaluate(part, members=(member,)).forces for part in parts]
        assert torch.equal(said.forces, torch.cat(expected, dim=1))


def test_copies_follow_the_generations(molecular: AtomBatch) -> None:
    committee = built(TWO)
    committee._budget = replace(committee._budget, least_bytes=0.0)
    before = committee.evaluate(molecular, members=(0,)).forces
    n_neighbors = committee.statistics.avg_num_neighbors
    committee.add([point for point in molecules(3, first_id=70) if point.frame.n_atoms])
    committee.train(1)
    assert committee.statistics.avg_num_neighbors != n_neighbors
    committee.centre_energies()
    after = committee.evaluate(molecular, members=(0,))
    parts = committee.parts(molecular, n_members=1)
    inputs = [model_input(part, committee._for_model) for part in parts]
    home, away = committee._placement.calls((0,), inputs, generation=committee.generation)
    assert home.model is not away.model
    assert equal(list(away.model.state_dict().values()), list(home.model.state_dict().values()))
    same = run_model(home.model, away.data, training=False, want_virials=False)
    assert torch.equal(run_model(away.model, away.data, training=False, want_virials=False).forces, same.forces)
    assert not torch.equal(after.forces, before)


def test_members_on_four_devices_each_take_half_of_the_batch(alone: Committee, molecular: AtomBatch) -> None:
    four = [torch.device(f"cpu:{index}") for index in range(4)]
    placement = Placement(alone._models[:2], four)
    budget = replace(alone._budget, least_bytes=0.0, n_devices=4)
    parts = molecular.runs(budget.ends(molecular, n_members=2))
    inputs = [model_input(part, alone._for_model) for part in parts]
    calls = placement.calls((0, 1), inputs, generation=0)
    assert len(parts) == 2
    assert sorted(str(call.device) for call in calls) == ["cpu:0", "cpu:1", "cpu:2", "cpu:3"]


def test_small_batches_are_not_spread(alone: Committee, molecular: AtomBatch) -> None:
    total = float(alone._budget.footprint.of(molecular).sum())
    budget = replace(alone._budget, n_devices=2)
    assert replace(budget, least_bytes=total).ends(molecular, n_members=1) == [6]
    assert replace(budget, least_bytes=total / 2).ends(molecular, n_members=1) == [3, 6]


@pytest.mark.parametrize("device", ["cpu", ("cpu", "cpu:1", "cpu:2")])
def test_checkpoints_go_on_with_another_number_of_devices(device: str | tuple[str, ...], tmp_path: Path) -> None:
    committee = built(TWO)
    committee.begin_convergence()
    committee.train(1)
    committee.save(tmp_path / "committee.pt")
    resumed = Committee.load(tmp_path / "committee.pt", device=device)
    resumed.add(molecules(4))
    assert committee.train(1) == resumed.train(1)
    committee.end_convergence()
    resumed.end_convergence()
    assert equal(weights(committee), weights(resumed))


def test_tensors_of_several_devices_are_not_put_together() -> None:
    tensors: dict = {}
    _packed([torch.zeros(2), torch.zeros(3, device=OTHER)], tensors)
    assert {part.device for long in tensors.values() for part in long.parts} == {CPU, OTHER}
    assert all(len({part.device for part in long.parts}) == 1 for long in tensors.values())


def elsewhere(committee: Committee) -> Placement:
    """The first two models on the CPU and on the device without numbers."""
    models = [AveragedModel(model, decay=None).model for model in committee._models[:2]]
    return Placement(models, (CPU, OTHER))


def devices_in(model: torch.nn.Module) -> set[torch.device]:
    return {tensor.device for tensor in model.state_dict().values()}


def test_a_pass_takes_place_on_its_device_alone(alone: Committee, molecular: AtomBatch) -> None:
    placement, data = elsewhere(alone), model_input(molecular, alone._for_model)
    for members, n_parts in (((0, 1), 1), ((0,), 2)):
        calls = placement.calls(members, [data] * n_parts, generation=0)
        assert {call.device for call in calls} == {CPU, OTHER}
        for call in calls:
            assert devices_in(call.model) == {tensor.device for tensor in call.data.values()} == {call.device}
            outputs = run_model(call.model, call.data, training=False, want_virials=True)
            assert {outputs.energy.device, outputs.forces.device, outputs.virials.device} == {call.device}


def test_a_part_is_sent_once_to_each_device(alone: Committee, molecular: AtomBatch) -> None:
    models = [AveragedModel(alone._models[0], decay=None).model for _ in range(4)]
    placement = Placement(models, (CPU, OTHER))
    calls = placement.calls(range(4), [model_input(molecular, alone._for_model)], generation=0)
    assert [call.device for call in calls] == [CPU, OTHER, CPU, OTHER]
    assert calls[0].data is calls[2].data
    assert calls[1].data is calls[3].data


def test_devices_can_not_be_mixed_unnoticed(alone: Committee, molecular: AtomBatch) -> None:
    """What makes the tests above worth something."""
    home, away = elsewhere(alone).calls((0, 1), [model_input(molecular, alone._for_model)], generation=0)
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        run_model(away.model, home.data, training=False, want_virials=False)


def test_a_training_step_takes_place_on_the_device_of_its_graphs(alone: Committee) -> None:
    of_cpu = alone._members[0]
    model = AveragedModel(of_cpu.model, decay=None).model.to(OTHER).requires_grad_(True)
    there = Member(model, settings().training, losses=of_cpu._losses, seed=1)
    data, targets = join_graphs([graph.on(OTHER) for graph in of_cpu.train_graphs[:2]])
    loss = there._loss(run_model(there.model, data, training=True, want_virials=False), targets)
    torch.autograd.backward(loss, inputs=there._parameters)
    there.averaged.update()
    assert {loss.device, *(parameter.grad.device for parameter in there._parameters)} == {OTHER}
    assert devices_in(there.averaged.model) == {OTHER}


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 1, reason="needs a GPU")
def test_a_committee_on_the_cpu_and_a_gpu_says_what_one_on_the_cpu_says(tmp_path: Path) -> None:
    """Spreading over two true devices needs one GPU only."""
    alone, both = (twice_trained(built(device, "float64")) for device in ("cpu", ("cpu", "cuda:0")))
    assert [devices_in(model) for model in both._models] == [{CPU}, {torch.device("cuda:0")}, {CPU}]
    batch = AtomBatch.from_frames(mixed_frames()[::2], alone.cutoff)
    assert_close(both.evaluate(batch), alone.evaluate(batch))
    both._budget = replace(both._budget, least_bytes=0.0)
    assert len(both.parts(batch, n_members=1)) == 2
    assert_close(both.evaluate(batch, members=(1,)), alone.evaluate(batch, members=(1,)))
    both.save(tmp_path / "committee.pt")
    saved = Committee.load(tmp_path / "committee.pt")
    assert equal(weights(saved), [weight.cpu() for weight in weights(both)])


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_a_committee_on_two_gpus_says_what_one_on_the_first_says() -> None:
    one, two = (twice_trained(built(device, "float64")) for device in ("cuda:0", ("cuda:0", "cuda:1")))
    batch = AtomBatch.from_frames(mixed_frames()[::2], one.cutoff, device="cuda:0")
    assert_close(two.evaluate(batch), one.evaluate(batch))


def assert_close(one: Prediction, other: Prediction) -> None:
    """Devices add in another order; a few training steps carry 1e-15 of the sums to less than 1e-8 of the forces."""
    assert one.forces.device == other.forces.device
    torch.testing.assert_close(one.forces, other.forces, rtol=1e-8, atol=1e-8)
