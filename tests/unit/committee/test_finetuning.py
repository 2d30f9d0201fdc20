"""Committees that begin as a foundation model: a small one of several elements, trained here."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mace import modules
from mace.tools.scripts_utils import extract_config_mace_model

from aims_pax.committee import Committee, Foundation, load_models, read_foundation
from aims_pax.committee.mace.backend import MaceModel
from aims_pax.committee.mace.modelfile import save
from aims_pax.committee.mace.trained.network import Network
from aims_pax.errors import ModelError, ShapeError
from aims_pax.frame import LabelledFrame
from aims_pax.settings.committee.mace import MaceSettings

from .toys import crystals, ethanol, frame_of, molecules, settings

NUMBERS = {1, 6, 8}
FRAME = frame_of(ethanol(np.random.default_rng(3)))
# Named for its being there: `let_remember` gives what is replayed.
REPLAYED = Path(__file__).parents[3] / "examples" / "quickstart" / "conformers.xyz"
CHOICES = {
    "naive": {},
    "frozen": {"freeze_embedding": True, "freeze_interactions": True, "freeze_products": True},
    "lora": {"finetuning_choice": "lora", "lora_rank": 2},
    "multihead": {"finetuning_choice": "multihead", "pt_train_file": str(REPLAYED)},
}


def tuned(choice: str = "naive", **training: object) -> MaceSettings:
    begun = {"perform_finetuning": True, "pretrained_model": "foundation.model", **CHOICES[choice]}
    return settings(**begun, **{"lr": 1e-3, **training})


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of four elements that has learned of three."""
    folder = tmp_path_factory.mktemp("foundation")
    committee = Committee.build(
        settings(), [*molecules(4), *crystals(3, first_id=20)], seeds=(1,), atomic_energies_ev={7: -41.0}
    )
    committee.train(4)
    (path,) = committee.export(folder, "foundation")
    return path


@pytest.fixture(scope="module")
def foundation(file: Path) -> Foundation:
    return read_foundation("mace", str(file), NUMBERS)


def begun(foundation: Foundation, choice: str, *, seeds: tuple[int, ...] = (1, 2)) -> Committee:
    committee = Committee.fine_tuned(tuned(choice, batch_size=2), foundation, points(), seeds=seeds)
    let_remember(committee, foundation)
    return committee


def let_remember(committee: Committee, foundation: Foundation) -> None:
    if committee.remembers:
        committee.replay(foundation.pseudolabelled([one.frame for one in crystals(3)]))


def points() -> list[LabelledFrame]:
    return molecules(5, 2, first_id=40)


MAY_CHANGE = {
    "naive": lambda name: True,
    "frozen": lambda name: name.startswith("readouts"),
    "lora": lambda name: ".lora_" in name,
    "multihead": lambda name: True,
}


@pytest.mark.parametrize("choice", CHOICES)
def test_members_begin_as_the_foundation_model_and_learn(
    file: Path, foundation: Foundation, choice: str, tmp_path: Path
) -> None:
    """From the first prediction to files, and to what a later start and another reference make of them."""
    committee = begun(foundation, choice)
    (known,) = load_models([file], device="cpu", dtype="float64").predict([FRAME])
    for forces in committee.predict([FRAME])[0].forces:
        np.testing.assert_allclose(forces, known.forces[0], rtol=0, atol=1e-7)

    begin = {name: value.clone() for name, value in committee.models[0].named_parameters()}
    (before, _) = committee.errors()
    committee.train(8)
    (now, _) = committee.errors()
    assert before is not None
    assert now is not None
    assert now.loss < before.loss
    (prediction,) = committee.predict([FRAME])
    assert abs(prediction.forces[0] - prediction.forces[1]).max() > 1e-6
    changed = {name for name, value in committee.models[0].named_parameters() if not torch.equal(value, begin[name])}
    assert changed
    assert all(MAY_CHANGE[choice](name) for name in changed)

    files = committee.export(tmp_path, "tuned")
    (found,) = load_models(files, device="cpu").predict([FRAME])
    np.testing.assert_allclose(found.energies, prediction.energies, rtol=0, atol=1e-7)
    np.testing.assert_allclose(found.forces, prediction.forces, rtol=0, atol=1e-7)
    model = torch.load(files[0], weights_only=False)
    assert list(model.heads) == ["Default"]
    assert not any("lora" in name for name, _ in model.named_parameters())

    committee.save(tmp_path / "committee.pt")
    again = Committee.load(tmp_path / "committee.pt")
    again.add(points())
    let_remember(again, foundation)
    for one in (committee, again):
        one.train(1)
    (wanted,), (found,) = committee.predict([FRAME]), again.predict([FRAME])
    assert np.array_equal(wanted.forces, found.forces)
    assert np.array_equal(wanted.energies, found.energies)

    other = again.relabelled(points())
    np.testing.assert_allclose(other.predict([FRAME])[0].forces, wanted.forces, rtol=0, atol=1e-9)
    other.train(1)


@pytest.mark.parametrize("known", [{}, {1: -13.6, 6: -1030.0, 8: -2040.0}], ids=["own", "free-atoms"])
@pytest.mark.parametrize("fixed", [True, False])
def test_energies_of_atoms_are_estimated_anew(foundation: Foundation, known: dict[int, float], fixed: bool) -> None:
    """What the foundation model leaves of the labels vanishes in the mean."""
    mixed = [*points(), *crystals(2)]
    constants = foundation.constants(mixed, known=known, fixed=fixed)
    own, left = foundation.network.own, []
    for said in foundation.pseudolabelled([one.frame for one in mixed]):
        counts = np.array([np.sum(said.frame.numbers == number) for number in foundation.elements.numbers])
        moved = counts @ (np.array(constants.atomic_energies_ev) - own.atomic_energies_ev)
        moved += said.frame.n_atoms * (constants.shift_ev - own.shift_ev)
        left.append((mixed[-1 - said.label_id].label.energy - said.label.energy - moved) / said.frame.n_atoms)
    assert np.mean(left) == pytest.approx(0, abs=1e-6 if fixed else 0.05)
    if fixed and known:
        assert constants.atomic_energies_ev == tuple(known.values())
    else:
        assert constants.shift_ev == own.shift_ev or fixed


def test_half_of_what_lora_adds_can_be_frozen(foundation: Foundation) -> None:
    committee = Committee.fine_tuned(tuned("lora", lora_freeze_A=True), foundation, points(), seeds=(1,))
    begin = {name: value.clone() for name, value in committee.models[0].named_parameters()}
    committee.train(1)
    changed = {name for name, value in committee.models[0].named_parameters() if not torch.equal(value, begin[name])}
    assert changed
    assert all(".lora_B" in name for name in changed)


def test_a_second_head_remembers(foundation: Foundation) -> None:
    """After training on labels that contradict it, the head of the foundation model is nearer to what that says."""
    replayed = foundation.pseudolabelled([one.frame for one in crystals(3)])
    committee = Committee.fine_tuned(tuned("multihead"), foundation, points(), seeds=(1,))
    with pytest.raises(ShapeError, match="nothing to replay"):
        committee.train(1)
    committee.replay(replayed)
    plain = Committee.fine_tuned(tuned("naive"), foundation, points(), seeds=(1,))
    for one in (committee, plain):
        one.train(20)
    away = []
    for model, head in ((committee.models[0], 1), (plain.models[0], 0)):
        away.append(np.mean([abs(forces_of(model, one, head=head) - one.label.forces).mean() for one in replayed]))
    assert away[0] < 0.7 * away[1]


def forces_of(model: MaceModel, point: LabelledFrame, *, head: int) -> np.ndarray:
    from aims_pax.committee.mace.graph import LabelledGraph, join_graphs
    from aims_pax.committee.mace.model import frame_of as asked_by

    graph = LabelledGraph.build(point, asked_by(model), atomic_energies_ev=np.zeros(len(model.atomic_numbers)))
    data, _ = join_graphs([graph])
    return model({**data, "head": torch.tensor([head])})["forces"].detach().numpy()


def published(**more: object) -> MaceModel:
    """A network with what published models have, and ARCHITECTURE can't say."""
    (plain,) = Committee.build(settings(), molecules(3), seeds=(1,), atomic_energies_ev={7: -41.0}).models
    config = extract_config_mace_model(plain)
    torch.set_default_dtype(torch.float64)
    try:
        model = modules.ScaleShiftMACE(**{**config, **more})
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.5) if parameter.requires_grad else None
    finally:
        torch.set_default_dtype(torch.float32)
    return model


@pytest.mark.parametrize(
    ("more", "choice"),
    [
        ({"pair_repulsion": True, "distance_transform": "Agnesi"}, "multihead"),
        (
            {
                "interaction_cls": modules.interaction_classes["RealAgnosticDensityResidualInteractionBlock"],
                "interaction_cls_first": modules.interaction_classes["RealAgnosticDensityInteractionBlock"],
            },
            "naive",
        ),
    ],
    ids=["repulsion", "density"],
)
def test_networks_of_published_models(more: dict[str, object], choice: str, tmp_path: Path) -> None:
    save(published(**more), tmp_path / "published.model")
    foundation = read_foundation("mace", str(tmp_path / "published.model"), NUMBERS)
    again = Network(json.loads(json.dumps(foundation.network.arguments)), foundation.network.own)
    assert again == foundation.network
    (known,) = load_models([tmp_path / "published.model"], device="cpu").predict([FRAME])
    committee = begun(foundation, choice, seeds=(1,))
    np.testing.assert_allclose(committee.predict([FRAME])[0].forces[0], known.forces[0], rtol=0, atol=1e-6)
    committee.train(1)
    files = committee.export(tmp_path, "tuned")
    found = load_models(files, device="cpu").predict([FRAME])[0].forces
    np.testing.assert_allclose(found, committee.predict([FRAME])[0].forces, rtol=0, atol=1e-6)


def test_an_element_that_it_does_not_know(file: Path) -> None:
    with pytest.raises(ModelError, match=r"does not know the element\(s\) Si") as caught:
        read_foundation("mace", str(file), {1, 14})
    assert "H, C, N, O" in str(caught.value)
