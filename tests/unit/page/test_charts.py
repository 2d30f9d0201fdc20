"""Every figure of a run: its numbers are the store's, and it can be drawn."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from matplotlib import figure as mpl_figure

from aims_pax.atoms import frame_of
from aims_pax.dataset.store import RunStore
from aims_pax.evaluation.density import density_of
from aims_pax.evaluation.structure import compare
from aims_pax.frame import Frame
from aims_pax.learner.exploration import Beyond, Exploration, Missed, Round, Truth
from aims_pax.outcome.explored import JudgedFrame
from aims_pax.page.charts import figures_of
from aims_pax.page.charts.calibration import _course, _scatter
from aims_pax.page.charts.forecast import error_forecast
from aims_pax.page.charts.map import N_BINS, pair_distances
from aims_pax.page.charts.moving import structures_in_motion
from aims_pax.page.charts.properties import properties
from aims_pax.page.charts.seen import descriptor_map
from aims_pax.page.charts.stages.judged import errors_by_deviation
from aims_pax.page.charts.timeline import lanes_by_worker, lanes_of, timeline
from aims_pax.page.figure import Absent, Figure
from aims_pax.page.material import read_material
from aims_pax.selection.calibration import Amounts
from aims_pax.selection.components import principal

from .runs import N_LABELS, N_TRAJECTORIES, write_run

ALL = (
    *(
        "learning_by_labels",
        "learning_by_time",
        "error_forecast",
        "scores",
        "parity",
        "cumulative",
        "errors_by_set",
        "errors_by_group",
        "errors_by_density",
        "calibration",
    ),
    *("error_estimates", "coverage", "detection"),
    *("composition", "map", "descriptor_map", "timeline", "activities"),
)

NEED_MORE = ("error_estimates", "coverage", "detection")
"""For these the run here has too few random structures; see test_estimates.py."""

DRAWN = tuple(name for name in ALL if name not in NEED_MORE)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def figures(run: Path) -> dict[str, Figure]:
    found = figures_of(read_material(run, name="run"))
    return {one.name: one for one in found if isinstance(one, Figure)}


def test_a_finished_run_has_all_figures_each_with_a_sentence_and_data(figures: dict[str, Figure]) -> None:
    assert tuple(figures) == DRAWN
    for figure in figures.values():
        assert figure.good.endswith(".")
        assert figure.table.n_rows
        assert len({len(column) for column in figure.table.values()}) == 1


def test_scores_and_epochs_are_those_of_the_store(run: Path, figures: dict[str, Figure]) -> None:
    with RunStore.open_readonly(run) as store:
        scores, epochs = store.scores(), store.epochs()
    np.testing.assert_array_equal(figures["scores"].table["score"], scores["score"])
    np.testing.assert_array_equal(figures["scores"].table["threshold"], scores["threshold"])
    np.testing.assert_array_equal(figures["learning_by_labels"].table["n_train"], epochs["n_train"])
    assert len(figures["scores"].panels) == N_TRAJECTORIES
    assert figures["learning_by_time"].table.n_rows == N_LABELS


def test_parity_holds_every_component_of_the_labels(run: Path, figures: dict[str, Figure]) -> None:
    table = figures["parity"].table
    with RunStore.open_readonly(run) as store:
        labels = {point.label_id: point.label for point in store.labelled()}
    forces = table["quantity"] == "force"
    ids = list(dict.fromkeys(table["label_id"].tolist()))
    np.testing.assert_array_equal(table["reference"][forces], np.concatenate([labels[i].forces.ravel() for i in ids]))
    assert table["prediction"][forces] - table["reference"][forces] == pytest.approx(0.04)
    assert (table["quantity"] == "stress").sum() == 6 * len(ids)
    assert figures["cumulative"].table["percent_below"].tolist() == 3 * [50, 80, 90, 95]


def test_groups_are_elements_temperatures_systems_and_origins(figures: dict[str, Figure]) -> None:
    table = figures["errors_by_group"].table
    said = set(zip(table["kind"].tolist(), table["name"].tolist(), strict=True))
    assert {("element", "H"), ("element", "C"), ("element", "O"), ("system", "ethanol")} < said
    assert ("origin", "from the MD at random") in said
    assert ("temperature", "300 K") in said
    assert table["force_mae_ev_per_ang"] == pytest.approx(0.04)


def test_errors_before_learning_stand_beside_deviations_in_the_same_measure(figures: dict[str, Figure]) -> None:
    table = figures["calibration"].table
    assert table.n_rows == N_LABELS
    # every component is off by one number, and the members by half of it
    assert table["max_atomic_error_ev_per_ang"] == pytest.approx(2 * table["max_atomic_deviation_ev_per_ang"])
    assert "correlation 1.00" in figures["calibration"].note


@pytest.mark.parametrize(
    ("unbiased", "words"),
    [
        ([False, False], ["picked"]),
        ([True, True], ["not picked for it"]),
        ([False, True], ["picked", "not picked for it"]),
    ],
)
def test_only_groups_that_have_labels_are_named_beside_the_deviations(unbiased: list[bool], words: list[str]) -> None:
    axes = mpl_figure.Figure().subplots()
    _scatter(axes, np.array([0.1, 0.2]), np.array([0.2, 0.1]), np.array(unbiased))
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == words


@pytest.mark.parametrize("n_labels", [5, 3000])
def test_names_beside_true_errors_cover_no_points(n_labels: int) -> None:
    """However these lie: here everywhere."""
    deviation, error = np.exp(np.random.default_rng(1).uniform(-3.0, 1.0, (2, n_labels)))
    drawn = mpl_figure.Figure(figsize=(10, 4))
    for place, draw in enumerate((partial(_scatter, unbiased=deviation > 0.2), _course), start=1):
        axes = drawn.add_subplot(1, 2, place)
        draw(axes, deviation, error)
        drawn.canvas.draw()
        legend = axes.get_legend()
        assert legend is not None
        assert legend.get_window_extent().y0 >= axes.bbox.y1 - 1, "pixels"


def test_every_attempt_has_a_lane_and_failed_ones_are_told(figures: dict[str, Figure]) -> None:
    table = figures["timeline"].table
    assert table.n_rows == N_LABELS + 1
    assert table["label_id"][~table["gave_label"]].tolist() == [6]


def test_a_worker_has_a_lane_in_the_order_in_which_they_began() -> None:
    workers, begins = np.array(["b 2", "a 1", "b 2", "c 3"]), np.array([1.0, 5.0, 9.0, 3.0])
    assert lanes_by_worker(workers, begins).tolist() == [0, 2, 0, 1]


def test_an_attempt_whose_worker_was_lost_leaves_the_others_their_lanes(run: Path) -> None:
    material = read_material(run, name="run")
    attempts = material.attempts.copy()
    whose = np.char.add("node", (attempts["label_id"] % 2).astype(str))
    attempts["worker"] = np.where(attempts["gave_label"], whose, "")
    figure = timeline(replace(material, attempts=attempts))
    assert isinstance(figure, Figure)
    assert figure.note.startswith("2 workers; ")
    assert set(figure.table["lane"].tolist()) == {1, 2, 3}


def test_nothing_of_one_lane_overlaps() -> None:
    rng = np.random.default_rng(0)
    begins = rng.uniform(0, 100, 200)
    ends = begins + rng.uniform(0, 10, 200)
    lanes = lanes_of(begins, ends)
    for lane in range(lanes.max() + 1):
        order = np.argsort(begins[lanes == lane])
        assert (begins[lanes == lane][order][1:] >= ends[lanes == lane][order][:-1]).all()
    most = max(((begins <= at) & (ends > at)).sum() for at in begins)
    assert lanes.max() + 1 == most  # the least number that can be


def test_a_map_does_not_feel_turns_moves_and_the_order_of_atoms() -> None:
    rng = np.random.default_rng(0)
    positions = rng.uniform(0, 4, (5, 3))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = rng.permutation(5)
    numbers = np.array([1, 1, 6, 8, 8])
    one = Frame("a", 0, 0, 0, numbers, positions)
    same = Frame("a", 0, 0, 0, numbers[order], positions[order] @ turn + 3.0)
    found = pair_distances([one, same])
    assert found.shape == (2, 6 * N_BINS)
    assert found[0] == pytest.approx(found[1])
    assert found.any()


def test_principal_components_are_ordered_by_what_they_hold() -> None:
    rng = np.random.default_rng(0)
    places, shares = principal(rng.normal(size=(500, 4)) * [1.0, 5.0, 2.0, 0.1])
    assert places.std(axis=0) == pytest.approx([5.0, 2.0], rel=0.1)  # the standard error of each is 3 %
    assert shares == pytest.approx([25 / 30.01, 4 / 30.01], abs=0.04)  # of a variance the error is 6 %


def test_errors_by_density_are_root_mean_squares_of_the_structures_there(run: Path, figures: dict[str, Figure]) -> None:
    table = figures["errors_by_density"].table
    everywhere = table["temperature"] == "all"
    (density,) = {density_of(row.frame) for row in read_material(run, name="run").comparison.rows}
    assert density == pytest.approx((12.011 + 15.999 + 1.008) / 216 * 1.66053906660, rel=1e-4)
    assert table["density_from_g_per_cm3"][everywhere][0] < density < table["density_to_g_per_cm3"][everywhere][0]
    assert table["force_rmse_ev_per_ang"][everywhere][0] == pytest.approx(0.04), "what the product is off, everywhere"
    assert table["n_structures"][everywhere].sum() == table["n_structures"][~everywhere].sum() == 4


def test_errors_by_set_have_each_member_and_the_mean(figures: dict[str, Figure]) -> None:
    table = figures["errors_by_set"].table
    assert list(zip(table["set"].tolist()[::3], table["n_structures"].tolist()[::3], strict=True)) == [
        ("training", 16),
        ("validation", 4),
        ("test", 4),
    ]
    assert set(table["model"].tolist()) == {"tiny_1", "tiny_2", "committee mean"}
    assert figures["errors_by_set"].note.startswith("16 training structures, 4 validation structures, 4 test")


def test_the_map_of_descriptors_tells_stages_and_tests(figures: dict[str, Figure]) -> None:
    table = figures["descriptor_map"].table
    assert set(table["stage"].tolist()) == {"active"}
    assert set(table["round"].tolist()) == {0}, "learn has none"
    assert table["split"].tolist().count("test") == 4
    assert len(table["first"]) == N_LABELS


def test_the_map_of_descriptors_tells_rounds_of_an_exploration_apart(run: Path, tmp_path: Path) -> None:
    rounds = (Round(0), Round(1, n_trajectories=1), Round(2, n_trajectories=N_TRAJECTORIES - 1))
    state = Exploration(rounds[-1], over=rounds[:-1])
    material = read_material(run, name="run")
    figure = descriptor_map(replace(material, explorations={"active": state}))
    assert isinstance(figure, Figure)
    of = {point.label_id: point.frame.trajectory for point in material.labelled}
    wanted = [1 if of[number] == 0 else 2 for number in figure.table["label_id"].tolist()]
    assert figure.table["round"].tolist() == wanted
    assert set(wanted) == {1, 2}
    figure.save(tmp_path / "map.svg")
    drawn = (tmp_path / "map.svg").read_text("utf-8")
    assert f"active, round 1 ({wanted.count(1)})" in drawn
    assert f"active, round 2 ({wanted.count(2)})" in drawn


def test_labels_of_an_exploration_lie_by_their_deviations_with_slope_and_rates(run: Path, tmp_path: Path) -> None:
    beyond = (
        Beyond("forces", "eV/Å", 0.1, 0.5, 20, 0.05, 3, 0.2),
        Beyond("stress", "eV/Å³", 0.1, None, 0, 0.1, 0, None),
    )
    judged = tuple(
        JudgedFrame(number, "explore", number % 2 + 1, number == 3, Amounts(0.1, 0.02 * number), Amounts(0.1, 0.04))
        for number in range(1, 5)
    )
    truth = Truth("forces", "eV/Å", 3, 2, 0.1, 0.1)
    last = Round(2, beyond=beyond, truths=(truth,))
    state = Exploration(last, over=(Round(0), Round(1, beyond=beyond, truths=(truth,))))
    material = replace(read_material(run, name="run"), explorations={"explore": state}, judged=judged)
    figure = errors_by_deviation(material)
    assert isinstance(figure, Figure)
    assert len(figure.panels) == 1, "of the stress nothing is known"
    assert figure.table["forces_deviation_ev_per_ang"].tolist() == [0.02, 0.04, 0.06, 0.08]
    assert figure.table["at_random"].tolist() == [False, False, True, False]
    assert "forces 4 of 6" in figure.note
    figure.save(tmp_path / "judged.svg")
    drawn = (tmp_path / "judged.svg").read_text("utf-8")
    assert "round 1" in drawn
    assert "round 2" in drawn
    told = replace(state, present=replace(last, missed=(Missed("forces", 4, 2, 2, 1),)))
    figure = errors_by_deviation(replace(material, explorations={"explore": told}))
    assert isinstance(figure, Figure)
    assert "forces of 4 random frames: 2 truly beyond the tolerance, 1 of them found; 1 false alarm" in figure.note
    assert isinstance(errors_by_deviation(replace(material, judged=())), Absent)
    assert errors_by_deviation(replace(material, explorations={})) is None


def test_figures_of_trajectories_that_learn_on_the_way_are_left_out_of_rounds_alone(run: Path) -> None:
    material = read_material(run, name="run")
    empty = replace(material, scores=material.scores[:0], trainings=material.trainings[:0])
    names = {"scores", "learning_by_time"}
    assert names <= {one.name for one in figures_of(empty) if isinstance(one, Absent)}, "a run that has not begun"
    rounds = figures_of(replace(empty, explorations={"explore": Exploration(Round(1))}))
    assert not names & {one.name for one in rounds}


def test_properties_that_no_model_has_leave_no_empty_figure(run: Path) -> None:
    row = {
        "property": "cohesive",
        "structure": "ethanol",
        "quantity": "cohesive_energy_ev_per_atom",
        "words": "",
        "unit": "",
    }
    rows = [{**row, "values": {}, "reference": 4.7, "deviation_percent": {}}]
    found = {"models": ["tiny.model"], "reference": "GFN2-xTB", "titles": {"cohesive": "Cohesive energy"}}
    found |= {"comparison": rows, "sentences": [], "results": []}
    figure = properties(replace(read_material(run, name="run"), validated={"validate": found}))
    assert isinstance(figure, Absent)
    assert figure.why.startswith("No number is known by a model and the reference")


def test_a_new_run_says_why_there_is_nothing_to_see(tmp_path: Path) -> None:
    RunStore.open(tmp_path).close()
    found = figures_of(read_material(tmp_path, name="new"))
    assert {one.name for one in found} == {*ALL, "properties", "structures_in_motion"}
    assert all(isinstance(one, Absent) and one.why.endswith(".") for one in found)


def test_predictions_that_are_not_finite_spoil_no_figure(tmp_path: Path) -> None:
    from aims_pax.frame import CommitteePrediction, Label

    folder = write_run(tmp_path / "run", finished=False)
    with RunStore.open(folder) as store:
        frame = Frame("ethanol", 0, 9999, 1, np.array([6, 8, 1]), np.eye(3))
        label_id = store.add_job(frame, "active", source="moving threshold")
        store.add_prediction(label_id, CommitteePrediction(1, np.nan, 0.0, np.full((3, 3), np.nan), np.zeros((3, 3))))
        store.add_label(label_id, Label(-1.0, np.ones((3, 3)), None, "none", 1.0))
    material = read_material(folder, name="run")
    assert material.before is not None
    assert len(material.before.rows) == N_LABELS


def test_the_forecast_of_a_run_that_is_over_is_set_against_what_came(figures: dict[str, Figure]) -> None:
    figure = figures["error_forecast"]
    table = figure.table
    assert set(table["for_training_structures"].tolist()) == {float(N_LABELS)}
    assert table["foretold_with_training_structures"].tolist() == [float(n) for n in range(8, N_LABELS)]
    last = table["force_mae_likely_ev_per_ang"][-1]
    assert last == pytest.approx(0.3 / N_LABELS, rel=0.05), "the run's error is a power"
    n_shown = int((table["force_mae_high_ev_per_ang"] <= 3 * table["force_mae_low_ev_per_ang"]).sum())
    assert figure.note.startswith(f"Of {n_shown} forecasts for the newest error, looked back at, {n_shown} held")
    assert "that of the converged models is lower" in figure.note


def test_the_forecast_of_a_run_under_way_is_for_its_goal(run: Path) -> None:
    material = read_material(run, name="run")
    found = error_forecast(replace(material, train_goal=40))
    assert isinstance(found, Figure)
    assert found.note.startswith("Foretold with 24 structures: 7.")
    assert "at the goal, 40." in found.note
    early = error_forecast(replace(material, train_goal=90))
    assert isinstance(early, Absent)
    assert "from a third of the 90" in early.why


def in_motion(a_ang: float, seed: int) -> list[list[Frame]]:
    """Six runs of rattled rock salt."""
    rng, found = np.random.default_rng(seed), []
    for trajectory in range(6):
        atoms = bulk("NaCl", "rocksalt", a=a_ang, cubic=True)
        atoms.positions += rng.normal(scale=0.08, size=atoms.positions.shape)
        found.append([frame_of(atoms, system="salt", trajectory=trajectory)])
    return found


def test_structures_that_verify_has_compared_have_their_differences_and_curves(run: Path) -> None:
    comparison = compare(in_motion(5.64, 0), in_motion(5.72, 1), methods=("a.model", "truth"))
    told = json.loads(json.dumps({"system": "salt", "temperature_k": 300.0, **comparison.record()}, allow_nan=False))
    material = replace(read_material(run, name="run"), verified={"structures": [told]})
    figure = structures_in_motion(material)
    assert isinstance(figure, Figure)
    assert len(figure.panels) == 1 + len(comparison.curves)
    assert figure.table["likeness"][figure.table["quantity"] == "na-cl_first_peak_ang"].tolist() == ["different"]
    assert figure.note == f"salt at 300 K: {comparison.sentence()}"
    assert figure.png().startswith(b"\x89PNG")
    without = replace(material, verified={"structures": [{key: told[key] for key in told if key != "curves"}]})
    older = structures_in_motion(without)
    assert isinstance(older, Figure)
    assert len(older.panels) == 1, "verify.json of an earlier version has no curves"


def test_without_a_comparison_of_structures_it_is_said_what_makes_one(run: Path) -> None:
    absent = structures_in_motion(read_material(run, name="run"))
    assert isinstance(absent, Absent)
    assert "verify --structure" in absent.why
