"""Figures as parts of a page."""

import re

import numpy as np
import pytest

from aims_pax.errors import UserError
from aims_pax.page.figure import Figure, Panel
from aims_pax.page.svg import VARIABLES
from aims_pax.report.style import BLUE, INK
from aims_pax.report.table import Table


def figure(n_points: int = 4) -> Figure:
    x = np.arange(float(n_points))
    return Figure(
        name="line",
        title="A line",
        good="A good one is straight.",
        table=Table(x=x, name=np.array(["a,b"] * n_points, dtype=object)),
        panels=(
            Panel(lambda axes: axes.scatter(x, x, color=BLUE, label="dots", rasterized=n_points > 100) and None),
            Panel(lambda axes: axes.set(title="empty & <plain>") and None, width_in=3.0),
        ),
    )


def test_colours_follow_the_page_and_words_stay_words() -> None:
    first, second = figure().svg()
    assert f"var({VARIABLES[BLUE]})" in first
    assert f"var({VARIABLES[INK]})" in first
    assert not [colour for colour in VARIABLES if colour.lower() in first.lower()]
    assert "empty &amp; &lt;plain&gt;" in second
    assert first.startswith("<svg viewBox=")
    assert "<metadata" not in first
    assert "<style" not in first  # it would hold for the whole page


def test_names_within_do_not_meet_those_of_other_figures() -> None:
    one, other = figure().svg(prefix="f1-")[0], figure().svg(prefix="f2-")[0]
    names = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (one, other)]
    assert names[0]
    assert not names[0] & names[1]
    assert set(re.findall(r"url\(#([^)]+)\)", one)) <= names[0]
    assert set(re.findall(r'href="#([^"]+)"', one)) <= names[0]


def test_dense_points_are_pixels() -> None:
    few, many = figure(90).svg()[0], figure(20_000).svg()[0]
    assert "data:image/png" not in few
    assert "data:image/png" in many
    assert len(many) < 200_000


def test_a_figure_is_saved_as_picture_and_table_by_its_name(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path)) / "new"
    assert figure().save(folder / "line.png").read_bytes().startswith(b"\x89PNG")
    assert figure().save(folder / "line.csv").read_text() == 'x,name\n0.0,"a,b"\n1.0,"a,b"\n2.0,"a,b"\n3.0,"a,b"\n'
    assert b"<svg" in figure().save(folder / "line.svg").read_bytes()
    with pytest.raises(UserError, match=r"no kind of file for a figure.*\n.*\.png, \.svg, \.csv"):
        figure().save(folder / "line.jpg")
