"""Refits of real, small models: by this program, and by a function of the user's own."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from ase.build import molecule

from aims_pax.committee import Committee
from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.errors import CampaignStopped, ReferenceUnavailable
from aims_pax.frame import LabelledFrame, Split
from aims_pax.settings.committee.mace import MaceSettings
from aims_pax.settings.stages.fly import RefitSettings
from aims_pax.stages.fly.refitting import Refitting

from ...committee.toys import equal, point, weights

SEEDS = (3, 4)
N_FIRST, N_LATER = 4, 2
TINY: dict[str, Any] = {
    "general": {"name_exp": "tiny", "default_dtype": "float64"},
    "architecture": {
        "num_channels": 4,
        "max_L": 0,
        "max_ell": 1,
        "correlation": 1,
        "r_max": 3.0,
        "num_interactions": 1,
        "num_radial_basis": 4,
        "radial_MLP": [8],
        "MLP_irreps": "4x0e",
    },
}
"""Models that are built in a tenth of the time of those that a committee is tried with."""


def settings() -> MaceSettings:
    return MaceSettings.model_validate(TINY)


def molecules(n_train: int, n_valid: int = 0, *, of: str = "H2O") -> list[LabelledFrame]:
    rng, points = np.random.default_rng(1), list[LabelledFrame]()
    for number in range(n_train + n_valid):
        atoms = molecule(of)
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        points.append(point(number + 1, atoms, Split.TRAINING if number < n_train else Split.VALIDATION))
    return points


def built(labelled: Sequence[LabelledFrame], seeds: Sequence[int] = SEEDS) -> Committee:
    """Models of random weights that have all points."""
    return Committee.build(settings(), labelled, seeds=seeds)


def said(committee: Committee, points: Sequence[LabelledFrame]) -> list[float]:
    """Energies by each member, by which committees are told apart."""
    return [float(energy) for one in committee.predict([each.frame for each in points]) for energy in one.energies]


def refitting(folder: Path, **changes: Any) -> Refitting:
    usual = {} if "function_name" in changes else {"first_epochs": N_FIRST, "epochs": N_LATER}
    return Refitting(RefitSettings.model_validate(usual | changes), folder / "refits")


# -- by this program --------------------------------------------------------------------------------------------


def test_the_first_training_is_longer_and_later_ones_go_on_from_its_weights(tmp_path: Path) -> None:
    refits, points = refitting(tmp_path), molecules(5)
    first, reports = refits.learn(None, points[:4], lambda: built(points[:4]))
    assert [report.epoch for report in reports] == [epoch for epoch in range(1, N_FIRST + 1) for _ in SEEDS]
    assert [report.errors is not None for report in reports[-2:]] == [False, False], "nothing validates among four"
    before = weights(first)
    later, reports = refits.learn(first, points, lambda: built(points))
    assert later is first
    assert [report.epoch for report in reports[::2]] == [N_FIRST + 1, N_FIRST + 2]
    assert (later.n_train(0), later.n_epochs) == (5, N_FIRST + N_LATER)
    assert not equal(before, weights(later))


def test_a_refit_from_scratch_begins_with_other_weights_and_counts_on(tmp_path: Path) -> None:
    refits, points = refitting(tmp_path, from_scratch=True), molecules(5)
    first, _ = refits.learn(None, points[:4], lambda: built(points[:4]))
    generation = first.generation
    new, reports = refits.learn(first, points, lambda: built(points))
    assert new is not first
    assert new.generation > generation
    assert (new.n_train(0), new.n_epochs) == (5, 2 * N_FIRST)
    assert [report.epoch for report in reports[::2]] == list(range(N_FIRST + 1, 2 * N_FIRST + 1))


def test_a_refit_measures_errors_and_leaves_no_mean_error_of_energies(tmp_path: Path) -> None:
    points = molecules(4, 2)
    made, reports = refitting(tmp_path).learn(None, points, lambda: built(points))
    assert [report.errors is not None for report in reports] == [False] * 2 * (N_FIRST - 1) + [True, True]
    training = points[:4]
    predicted = made.predict([one.frame for one in training])
    off = [one.energies - point.label.energy for one, point in zip(predicted, training, strict=True)]
    np.testing.assert_allclose(np.mean(off, axis=0), 0.0, atol=1e-8)


# -- by a function of the user's own ----------------------------------------------------------------------------


class Mine:
    """What a user's own function was called with, and what it does."""

    calls: ClassVar[list[tuple[Path, list[Path], Path]]] = []
    does: ClassVar[Callable[[Path, list[Path], Path], object]]
    made: ClassVar[list[Committee]] = []
    """What :func:`learned` began with, and has trained."""


def train(labels: Path, models: Sequence[Path], folder: Path) -> object:
    """Import path: that of this module."""
    Mine.calls.append((labels, list(models), folder))
    return Mine.does(labels, list(models), folder)


OWN = f"{__name__}:train"


def learned(labels: Path, models: list[Path], folder: Path) -> list[Path]:
    """Models that go on from those that there are, or begin, and know what is in the file."""
    points = [
        LabelledFrame(number, frame, label, Split.TRAINING)
        for number, (frame, label) in enumerate(read_extxyz(labels), start=1)
    ]
    committee = Committee.from_models(settings(), models, seeds=SEEDS) if models else built(points)
    committee.add(points)
    committee.train(1)
    Mine.made.append(committee)
    return committee.export(folder, "mine")


@pytest.fixture
def mine() -> type[Mine]:
    Mine.calls, Mine.does, Mine.made = [], learned, []
    return Mine


@pytest.fixture(scope="module")
def likeness() -> Committee:
    """Models that nobody trains: a function of the user's own gives others in their place."""
    return built(molecules(4))


def test_it_is_given_labels_and_goes_on_from_the_models_that_there_are(
    likeness: Committee, mine: type[Mine], tmp_path: Path
) -> None:
    refits, points = refitting(tmp_path, function_name=OWN), molecules(4, 1)
    first, reports = refits.learn(None, points[:4], lambda: likeness)
    assert reports == []
    assert said(first, points) == pytest.approx(said(mine.made[0], points))
    first.succeed(first.generation, n_epochs=9)
    second, _ = refits.learn(first, points, lambda: likeness)
    assert said(second, points) == pytest.approx(said(mine.made[1], points))
    assert said(second, points) != pytest.approx(said(first, points)), "it was trained"
    assert (second.seeds, second.n_train(0), second.n_valid(0), second.n_epochs) == (SEEDS, 4, 1, 9)
    assert second.generation > first.generation > likeness.generation

    refits_in = tmp_path / "refits"
    earlier = [refits_in / f"before_{seed}.model" for seed in SEEDS]
    assert mine.calls == [(refits_in / "labels.xyz", [], refits_in), (refits_in / "labels.xyz", earlier, refits_in)]
    found = read_extxyz(refits_in / "labels.xyz")
    np.testing.assert_allclose([label.energy for _, label in found], [point.label.energy for point in points])
    np.testing.assert_allclose(found[2][1].forces, points[2].label.forces, atol=1e-7)


def test_a_single_model_need_not_be_a_list(mine: type[Mine], tmp_path: Path) -> None:
    points = molecules(4)
    alone = built(points, seeds=SEEDS[:1])
    mine.does = lambda _labels, _models, folder: str(alone.export(folder, "mine")[0])
    made, _ = refitting(tmp_path, function_name=OWN).learn(None, points, lambda: alone)
    assert said(made, points) == pytest.approx(said(alone, points))


def raises(error: BaseException) -> Callable[..., object]:
    def does(*_: object) -> object:
        raise error

    return does


@pytest.mark.parametrize(
    ("does", "words"),
    [
        (
            raises(ValueError("no GPU was found")),
            r"has not made models from .*labels\.xyz: ValueError: no GPU was found",
        ),
        (raises(CampaignStopped("the queue is closed")), r"labels\.xyz: the queue is closed\. Mend it"),
        (lambda *_: None, "TypeError"),
        (lambda *_: [], "it gave 0 models, and ensemble_size is 2"),
        (lambda *_: "one.model", "it gave 1 models, and ensemble_size is 2"),
        (lambda *_: ["one.model", "two.model"], r"one\.model"),
        (lambda labels, *_: [labels, labels], r"labels\.xyz"),
    ],
    ids=["error", "words", "nothing", "none", "too few", "no file", "no model"],
)
def test_a_function_that_makes_no_models_stops_the_campaign(
    does: Callable[..., object], words: str, likeness: Committee, mine: type[Mine], tmp_path: Path
) -> None:
    mine.does = does
    with pytest.raises(CampaignStopped, match=words) as stopped:
        refitting(tmp_path, function_name=OWN).learn(None, molecules(4), lambda: likeness)
    assert f"refit.function_name ({OWN})" in str(stopped.value)
    assert "then the same command goes on" in str(stopped.value)


def test_models_that_lack_an_element_stop_the_campaign(likeness: Committee, mine: type[Mine], tmp_path: Path) -> None:
    mine.does = lambda _labels, _models, folder: built(molecules(4, of="CH4")).export(folder, "mine")
    with pytest.raises(CampaignStopped, match=r"refit.function_name .* do not know the element\(s\) O of"):
        refitting(tmp_path, function_name=OWN).learn(None, molecules(4), lambda: likeness)


@pytest.mark.parametrize("error", [KeyboardInterrupt("now"), SystemExit(3)], ids=["ctrl-c", "exit"])
def test_who_interrupts_a_function_is_obeyed(
    error: BaseException, likeness: Committee, mine: type[Mine], tmp_path: Path
) -> None:
    mine.does = raises(error)
    with pytest.raises(type(error), match=str(error)):
        refitting(tmp_path, function_name=OWN).learn(None, molecules(4), lambda: likeness)


def test_a_function_that_is_not_there_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(ReferenceUnavailable, match=r"refit.function_name.* has no untrain"):
        refitting(tmp_path, function_name=f"{__name__}:untrain")
