"""How figures look: names of what is drawn cover nothing of it."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text

from aims_pax.report.style import legend_above, raise_title, sheet


def bottom_of_title(axes: Axes, words: str) -> float:
    """In pixels."""
    (title,) = (one for one in axes.get_children() if isinstance(one, Text) and one.get_text() == words)
    return float(title.get_window_extent().y0)


@pytest.mark.parametrize("n_names", [1, 3, 7])
def test_names_stand_between_the_title_and_the_axes(n_names: int) -> None:
    with sheet(8.0, 3.8) as figure:
        axes, beside = figure.subplots(1, 2)
        for number in range(n_names):
            axes.scatter(*np.random.default_rng(number).random((2, 50)), label=f"{number}")
        axes.set_title("points")
        beside.set_title("nothing")
        legend_above(axes)
        raise_title(beside)
        figure.canvas.draw()
        legend = axes.get_legend()
        assert legend is not None
        names = legend.get_window_extent()
    assert names.y0 >= axes.bbox.y1 - 1, "pixels: no point lies beneath"
    assert names.y1 <= bottom_of_title(axes, "points") + 1
    if n_names <= 3:
        assert bottom_of_title(axes, "points") == pytest.approx(bottom_of_title(beside, "nothing"), abs=1)
