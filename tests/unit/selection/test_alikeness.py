"""How far structures are from each other, in units of how far structures are from each other."""

import numpy as np
import pytest

from aims_pax.selection import distances, farthest_points, spread_of


def test_two_structures_of_the_set_are_one_apart_on_average() -> None:
    drawn = np.random.default_rng(0).normal(3.0, [0.1, 5.0, 2.0], (400, 3))
    spread = spread_of(drawn)
    squares = [np.square(distances(one, drawn, spread=spread)).mean() for one in drawn]
    assert np.sqrt(np.mean(squares)) == pytest.approx(1.0, rel=0.01)


def test_features_that_all_structures_share_tell_none_apart() -> None:
    drawn = np.column_stack([np.full(20, 7.0), np.arange(20.0)])
    spread = spread_of(drawn)
    assert np.isinf(spread[0])
    found = distances(drawn[0] + [1.0, 0.0], drawn[:2], spread=spread)
    assert found == pytest.approx([0.0, 1 / (np.sqrt(2) * drawn[:, 1].std())])
    assert distances(drawn[0], drawn, spread=np.full(2, np.inf)).tolist() == [0.0] * 20


def test_farthest_points_cover_every_group() -> None:
    rng = np.random.default_rng(0)
    groups = np.concatenate([rng.normal(centre, 0.1, (50, 3)) for centre in (0.0, 5.0, 10.0)])
    chosen = farthest_points(groups, 3)
    assert sorted(index // 50 for index in chosen) == [0, 1, 2]
