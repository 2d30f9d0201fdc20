"""Models that PyTorch has compiled come to the numbers of models as they are built, while they learn.

Compiled are models with one layer without products of messages: those of :func:`toys.settings` take three minutes.
Each kind of pass is compiled by itself: training or not, with stress or not. One test stands for all from day to day;
those that need the rest are slow.
"""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._inductor.config as inductor
from ase import Atoms

from aims_pax.batch import AtomBatch
from aims_pax.committee import Committee, EpochPlan, Handling, load_foundation
from aims_pax.committee.mace.compiled import why_nothing_compiles
from aims_pax.committee.mace.graph import model_input
from aims_pax.committee.mace.model import run_model
from aims_pax.errors import ModelError
from aims_pax.settings.committee.mace import MaceSettings

from ..toys import crystals, frame_of, mixed_frames, molecules, settings, weights

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="PyTorch's compiler needs g++")

EPOCHS = EpochPlan(schedule=True)


def small(*, stress: bool) -> MaceSettings:
    flat = {"num_interactions": 1, "max_L": 0, "max_ell": 1, "correlation": 1, "num_channels": 2}
    template = settings(stress=stress, batch_size=2)
    return template.model_copy(update={"architecture": template.architecture.model_copy(update=flat)})


def built(*, compiled: bool, stress: bool) -> Committee:
    points = [*molecules(4), *crystals(2)] if stress else molecules(4)
    return Committee.build(small(stress=stress), points, seeds=(1, 2), handling=Handling(compiled=compiled))


@pytest.fixture(scope="module")
def pair() -> tuple[Committee, Committee]:
    """The same committee, as built and compiled, after two generations with different neighbours."""
    both = built(compiled=False, stress=True), built(compiled=True, stress=True)
    for committee in both:
        committee.train(2, plan=EPOCHS)
        committee.add(crystals(2, first_id=300))
        committee.train(1, plan=EPOCHS)
        committee.centre_energies()
    return both


def close(first: torch.Tensor, second: torch.Tensor) -> bool:
    return torch.allclose(first, second, rtol=1e-9, atol=1e-9, equal_nan=True)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_compiled_models_learn_the_same(pair: tuple[Committee, Committee]) -> None:
    plain, compiled = pair
    assert all(close(*two) for two in zip(weights(plain), weights(compiled), strict=True))
    for one, other in zip(plain.errors(), compiled.errors(), strict=True):
        assert dataclasses.astuple(one) == pytest.approx(dataclasses.astuple(other), rel=1e-8)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("n_frames", [1, 2, 4])
def test_compiled_models_predict_the_same(pair: tuple[Committee, Committee], n_frames: int) -> None:
    batch = AtomBatch.from_frames(mixed_frames()[:n_frames], pair[0].cutoff)
    for want_stress in (False, True):
        plain, compiled = (committee.evaluate(batch, want_stress=want_stress) for committee in pair)
        assert close(plain.energies, compiled.energies)
        assert close(plain.forces, compiled.forces)
        assert not compiled.forces.requires_grad
        if want_stress:
            assert close(plain.stress, compiled.stress)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_compiled_models_predict_atoms_without_neighbours(pair: tuple[Committee, Committee]) -> None:
    apart = frame_of(Atoms("CO", [(0.0, 0.0, 0.0), (20.0, 0.0, 0.0)]))
    plain, compiled = (committee.evaluate(AtomBatch.from_frames([apart], committee.cutoff)) for committee in pair)
    assert close(plain.energies, compiled.energies)
    assert not compiled.forces.any()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_passes_with_several_threads_are_made_as_built(
    pair: tuple[Committee, Committee], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = pair[1]
    monkeypatch.setattr(compiled._passes, "_forces", None)  # whoever calls it fails
    model, batch = compiled._models[0], AtomBatch.from_frames(mixed_frames(), compiled.cutoff)
    data = model_input(batch, compiled._for_model)
    torch.set_num_threads(2)
    try:
        said = compiled._passes(model, data, training=False, want_virials=False)
        expected = run_model(model, data, training=False, want_virials=False)
    finally:
        torch.set_num_threads(1)
    assert torch.allclose(said.forces, expected.forces, rtol=1e-13, atol=1e-16)
    assert (said.virials, expected.virials) == (None, None)


@pytest.mark.parametrize(
    ("learns", "moves_cells", "predictions", "training"),
    [
        (False, False, ["_forces"], "_forces"),
        (False, True, ["_forces", "_forces_and_virials"], "_forces"),
        (True, False, ["_forces", "_forces_and_virials"], "_forces_and_virials"),
    ],
)
def test_all_passes_that_md_asks_for_are_made_at_the_start(
    learns: bool, moves_cells: bool, predictions: list[str], training: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, bool]] = []

    def compiled(program: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        def called(_: Any, tensors: dict[str, torch.Tensor], positions: torch.Tensor, rest: Any) -> Any:
            made.append((program.__name__, torch.is_grad_enabled()))
            weights = sum(one.sum() for one in tensors.values() if one.requires_grad)
            n_structures = len(rest["ptr"]) - 1
            return torch.zeros(n_structures), torch.zeros_like(positions) + weights, torch.zeros(n_structures, 3, 3)

        return called

    monkeypatch.setattr(torch, "compile", compiled)
    points = [*molecules(2), *crystals(2)]
    Committee.build(
        small(stress=learns), points, seeds=(1, 2), handling=Handling(compiled=True, moves_cells=moves_cells)
    )
    assert made == [*((name, False) for name in predictions), (training, True)]


@pytest.mark.timeout(1200)
def test_a_committee_compiled_from_its_checkpoint_on_learns_and_says_the_same(tmp_path: Path) -> None:
    plain = built(compiled=False, stress=False)
    plain.save(tmp_path / "committee.pt")
    compiled = Committee.load(tmp_path / "committee.pt", handling=Handling(compiled=True))
    compiled.add(molecules(4))
    for committee in (plain, compiled):
        committee.train(1, plan=EPOCHS)
    assert all(close(*two) for two in zip(weights(plain), weights(compiled), strict=True))
    batch = AtomBatch.from_frames(mixed_frames(), plain.cutoff)
    built_says, compiled_says = (committee.evaluate(batch, want_stress=False) for committee in (plain, compiled))
    assert close(built_says.forces, compiled_says.forces)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_compiled_models_are_written_as_mace_builds_them(pair: tuple[Committee, Committee], tmp_path: Path) -> None:
    plain, compiled = (torch.load(committee.export(tmp_path, name)[0], weights_only=False)
                       for name, committee in zip(("plain", "compiled"), pair, strict=True))  # fmt: skip
    assert list(plain.state_dict()) == list(compiled.state_dict())
    assert type(compiled.interactions[0].avg_num_neighbors) is float


def test_what_keeps_pytorch_from_compiling_is_told() -> None:
    assert why_nothing_compiles(torch.device("cpu")) is None
    torch.compiler.reset()
    with inductor.patch({"cpp.cxx": ("/nowhere/g++",)}):
        problem = why_nothing_compiles(torch.device("cpu"))
        assert problem is not None
        assert "MISC.compile" in problem.where
        with pytest.raises(ModelError, match="compile: false"):
            built(compiled=True, stress=False)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_foundation_model_that_is_compiled_says_what_its_file_says(tmp_path: Path) -> None:
    """Of several structures and of one, with their stress."""
    (path, _) = built(compiled=False, stress=True).export(tmp_path, "foundation")
    handling = Handling(compiled=True, moves_cells=True)
    plain = load_foundation("mace", str(path), device="cpu")
    compiled = load_foundation("mace", str(path), device="cpu", handling=handling)
    for frames in (mixed_frames(), mixed_frames()[:1]):
        batch = AtomBatch.from_frames(frames, plain.cutoff)
        said, expected = (one.evaluate(batch, want_stress=True) for one in (compiled, plain))
        assert close(said.energies, expected.energies)
        assert close(said.forces, expected.forces)
        assert said.stress is not None
        assert expected.stress is not None
        assert close(said.stress, expected.stress)


def test_a_foundation_model_that_the_compiler_cannot_follow_runs_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of two heads, here, as some published models are."""
    (path, _) = built(compiled=False, stress=False).export(tmp_path, "foundation")
    model = torch.load(path, weights_only=False)
    model.heads = ["default", "other"]
    torch.save(model, path)
    with caplog.at_level("WARNING"):
        driver = load_foundation("mace", str(path), device="cpu", handling=Handling(compiled=True))
    assert any("is not compiled: " in message for message in caplog.messages)
    assert driver._passes is run_model
