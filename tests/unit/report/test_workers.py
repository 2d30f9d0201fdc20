from pathlib import Path

import numpy as np
from matplotlib.image import imread

from aims_pax.report.workers import PlanCurve, draw_plan


def curve(name: str, loss: float) -> PlanCurve:
    n_workers = np.array([1, 2, 4, 8])
    ideal_h = 80.0 / n_workers
    busy = 1 - loss * np.arange(4)
    return PlanCurve(name, n_workers, ideal_h / busy, ideal_h, busy)


def test_every_curve_is_drawn(tmp_path: Path) -> None:
    one, two = tmp_path / "one.png", tmp_path / "new" / "two.png"
    draw_plan([curve("8 trajectories", 0.1)], one, title="240 labels", well_used=0.9)
    draw_plan([curve("8 trajectories", 0.1), curve("16 trajectories", 0.02)], two, title="240 labels", well_used=0.9)
    first, second = imread(one), imread(two)
    assert first.shape == second.shape
    assert np.any(first != second)
