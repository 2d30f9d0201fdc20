"""Figures for a paper: as wide as its columns, with ink on them, and small also where points are many."""

import struct
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from aims_pax.report.paper.angles import AnglesPanel, draw_angles
from aims_pax.report.paper.cloud import Cloud, cloud_of_counts
from aims_pax.report.paper.cumulative import CurvesPanel, draw_cumulative
from aims_pax.report.paper.groups import Dot, GroupsPanel, draw_groups
from aims_pax.report.paper.parity import ParityPanel, draw_parities
from aims_pax.report.paper.relaxation import DrawnRelaxation, draw_relaxations
from aims_pax.report.paper.sheet import PAGE_IN, PAPER_LOOK

DPI = 100
"""Enough to see that something is drawn, and a ninth of the time."""

RNG = np.random.default_rng(2)
SHARES = np.linspace(0.0, 100.0, 51)


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PAPER_LOOK, "savefig.dpi", DPI)


def points(n: int) -> Cloud:
    x = RNG.normal(0, 1, n)
    return Cloud(x, x + RNG.normal(0, 0.1, n))


def counted(n: int) -> Cloud:
    one, edges = points(n), np.linspace(-5, 5, 111)
    return cloud_of_counts(np.histogram2d(one.x, one.y, bins=(edges, edges))[0], edges, edges)


def parity(stem: Path, cloud: Cloud) -> None:
    panels = [ParityPanel("a.model", "label (eV/Å)", "predicted (eV/Å)", cloud, (-5.0, 5.0), ("R² 0.99",))] * 3
    draw_parities(panels, stem, n_columns=3)


def cumulative(stem: Path, methods: list[str]) -> None:
    curves = {name: np.percentile(np.abs(RNG.normal(0, 1 + n, 500)), SHARES) for n, name in enumerate(methods)}
    draw_cumulative([CurvesPanel("forces", "meV/Å", SHARES, curves)] * 3, stem, methods=methods, marks=(50, 80, 90, 95))


def relaxations(stem: Path, *, pressure: float) -> None:
    step = np.arange(30)
    forces = np.asarray(10.0 * 0.8**step, dtype=np.float64)
    one = DrawnRelaxation("a", np.where(step > 0, forces, np.nan), forces / 2, forces, np.full(30, pressure))
    draw_relaxations([one, one], stem)


DRAWINGS = {
    "parity of points": lambda stem: parity(stem, points(300)),
    "parity of counts": lambda stem: parity(stem, counted(100_000)),
    "cumulative of one": lambda stem: cumulative(stem, ["a.model"]),
    "cumulative of three": lambda stem: cumulative(stem, ["a.model", "b.model", "committee mean"]),
    "angles": lambda stem: draw_angles([AnglesPanel("a", counted(5000), np.ones(0), np.ones(0))] * 3, stem),
    "groups": lambda stem: draw_groups(
        [GroupsPanel("forces", "MAE", ["H", "O"], {"a": [Dot(1.0, 0.5, 1.5), None], "b": [Dot(2.0, None, None)] * 2})]
        * 2,
        stem,
        methods=["a", "b"],
    ),
    "relaxations": lambda stem: relaxations(stem, pressure=300.0),
}


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_figure_fits_a_page_as_png_and_pdf(drawing: str, tmp_path: Path) -> None:
    stem = tmp_path / "made" / "figure"
    DRAWINGS[drawing](stem)
    image = imread(stem.with_suffix(".png"))
    assert image.shape[1] <= PAGE_IN * DPI + 1
    assert 0.001 < (image[..., :3].mean(axis=-1) < 0.6).mean() < 0.5
    pdf = stem.with_suffix(".pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert len(pdf) < 400_000
    assert b"CreationDate" not in pdf, "the same numbers give the same file"


def test_relaxation_without_stress_has_no_panel_of_pressure(tmp_path: Path) -> None:
    relaxations(tmp_path / "with", pressure=1.0)
    relaxations(tmp_path / "without", pressure=float("nan"))
    widths = [struct.unpack(">I", (tmp_path / f"{name}.png").read_bytes()[16:20])[0] for name in ("with", "without")]
    assert widths[1] < widths[0]


def test_counts_keep_every_point_within_the_grid() -> None:
    one = counted(10_000)
    assert one.counts is not None
    assert one.counts.sum() == 10_000
    assert len(one.x) < 110 * 110
