"""The labels that one way needs over those of another, and the table that outlives an interruption."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
LABELS = (20, 40, 80, 160)


@pytest.fixture(scope="module")
def curves() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        module = importlib.import_module("curves")
    sys.modules.pop("curves")
    return module


def errors(share: float, *, n_seeds: int = 3, noise: float = 0.0) -> np.ndarray:
    """Of a way that needs this share of the labels: errors fall as the square root of their number."""
    rng = np.random.default_rng(4)
    exact = 200.0 / np.sqrt(np.array(LABELS) / share)
    return exact * np.exp(noise * rng.normal(size=(n_seeds, len(LABELS))))


@pytest.mark.parametrize("share", [0.5, 0.8, 1.0, 1.7])
def test_the_ratio_is_the_share_of_labels_that_give_the_same_error(curves: ModuleType, share: float) -> None:
    # Both curves are straight in logarithms, where they are joined by straight lines: it is exact.
    assert curves.ratio(LABELS, errors(share), errors(1.0)) == pytest.approx(share, rel=1e-9)


def test_the_ratio_of_curves_that_rise_now_and_then_is_that_of_their_nearest_falling_ones(curves: ModuleType) -> None:
    np.testing.assert_allclose(curves.falling(np.array([4.0, 1.0, 3.0, 2.0, 0.5])), [4.0, 2.0, 2.0, 2.0, 0.5])
    np.testing.assert_allclose(curves.falling(np.array([1.0, 2.0, 3.0])), [2.0, 2.0, 2.0])
    noisy = curves.ratio(LABELS, errors(0.5, n_seeds=40, noise=0.3), errors(1.0))
    assert noisy == pytest.approx(0.5, rel=0.15)  # two standard errors of the mean at each number are 0.1


def test_ways_that_never_reach_the_same_error_have_no_ratio(curves: ModuleType) -> None:
    assert curves.ratio(LABELS, errors(0.01), errors(1.0)) is None
    assert curves.interval(LABELS, errors(0.01), errors(1.0)) is None


def test_the_interval_is_that_of_seeds_and_contains_the_ratio(curves: ModuleType) -> None:
    mine, theirs = errors(0.7, noise=0.1), errors(1.0, noise=0.0)
    low, high = curves.interval(LABELS, mine, theirs)
    each = [curves.ratio(LABELS, mine[[seed]], theirs[[seed]]) for seed in range(3)]
    assert min(each) * 0.98 <= low < curves.ratio(LABELS, mine, theirs) < high <= max(each) * 1.02
    assert curves.interval(LABELS, mine[:1], theirs[:1]) is None
    many = curves.interval(LABELS, errors(0.7, n_seeds=8, noise=0.1), errors(1.0, n_seeds=8))
    assert many[0] < 0.7 < many[1]


def test_what_is_common_to_both_ways_moves_no_interval(curves: ModuleType) -> None:
    easy_and_hard = np.array([[0.7], [1.0], [1.5]])
    low, high = curves.interval(LABELS, easy_and_hard * errors(0.6), easy_and_hard * errors(1.0))
    assert (low, high) == pytest.approx((0.6, 0.6))


def test_a_line_that_was_cut_off_is_no_cell_and_the_next_one_takes_its_place(
    curves: ModuleType, tmp_path: Path
) -> None:
    table = tmp_path / "results" / "table.jsonl"
    records = [curves.Record("ethanol", 1, number, "random", 30.0, 200.0, 400.0, 60.0, "so") for number in LABELS]
    assert curves.read_table(table) == []
    for record in records[:2]:
        curves.append(table, record)
    whole = table.read_bytes()
    for n_kept in range(len(whole.splitlines()[0]) + 1, len(whole)):
        table.write_bytes(whole[:n_kept])
        assert curves.read_table(table) == records[:1]
    curves.append(table, records[2])
    assert curves.read_table(table) == [records[0], records[2]]
    table.write_text("{}\n" + table.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"table\.jsonl, line 1: is no finished cell .*Remove the line"):
        curves.read_table(table)


def test_the_table_is_printed_at_any_time(curves: ModuleType) -> None:
    def record(seed: int, number: int, way: str, error: float) -> object:
        return curves.Record("ethanol", seed, number, way, error, 4 * error, 9 * error, 60.0, "so")

    shares = {"random": 1.0, "threshold": 0.5}
    found = [
        record(seed, number, way, error)
        for way, share in shares.items()
        for seed, row in enumerate(errors(share), start=1)
        for number, error in zip(LABELS, row.tolist(), strict=True)
    ]
    text = "\n".join(curves.lines_of("ethanol", found))
    assert (
        "labels of threshold over those of random at equal error: 0.50 (95 %: 0.50 to 0.50; 3 seeds, 20 to 160" in text
    )
    assert "44.7 ± 0.0 (3)" in text
    some = [one for one in found if one.cell.seed < 3 and not (one.cell.seed == 2 and one.cell.labels > 20)]
    assert "0.50 (no interval; 1 seed, 20 to 160 labels)" in "\n".join(curves.lines_of("ethanol", some))
    assert "not known yet" in "\n".join(curves.lines_of("ethanol", [one for one in found if one.cell.labels == 20]))
    thin = [one for one in found if (one.cell.labels, one.cell.way) != (20, "random")]
    assert f"{20:8d}{'-':>20s}" in "\n".join(curves.lines_of("ethanol", thin))
