"""Structures of phases, seen from the side."""

import warnings
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk, fcc100, molecule
from matplotlib.image import imread

from aims_pax.atoms import frame_of
from aims_pax.frame import Frame
from aims_pax.page.figure import Figure, Panel
from aims_pax.report.table import Table
from aims_pax.report.workflows.phases import Gallery, Row, draw_gallery, draw_phases, view_of, wrapped


def slab() -> Frame:
    """Copper above z = 0, with vacuum."""
    atoms = fcc100("Cu", (2, 2, 3), vacuum=4.0)
    atoms.pbc = True
    atoms.positions[:, 2] -= atoms.positions[:, 2].min()
    return frame_of(atoms, system="copper")


def water() -> Frame:
    return frame_of(molecule("H2O"), system="water")


def test_atoms_that_have_left_the_cell_are_seen_within() -> None:
    frame = slab()
    moved = frame.positions + 3 * frame.cell[0] - 2 * frame.cell[1]
    again = wrapped(Frame("copper", 0, 0, 0, frame.numbers, moved, frame.cell, frame.pbc))
    assert again == pytest.approx(frame.positions, abs=1e-9)


def test_the_foot_of_a_slab_stays_where_it_vibrates() -> None:
    frame = slab()
    positions = frame.positions - np.array([0.0, 0.0, 0.3])
    assert wrapped(Frame("copper", 0, 0, 0, frame.numbers, positions, frame.cell, frame.pbc)) == pytest.approx(
        positions
    )


def test_atoms_below_the_upper_face_of_a_cell_stay_there() -> None:
    frame = frame_of(bulk("C", cubic=True), system="carbon")
    assert wrapped(frame) == pytest.approx(frame.positions, abs=1e-12)


def test_a_molecule_without_a_cell_is_left_alone() -> None:
    assert wrapped(water()) == pytest.approx(water().positions)
    assert view_of(water()).edges.shape == (0, 2, 2)


def test_a_view_goes_from_the_farthest_atom_to_the_nearest() -> None:
    """Towards the viewer is -y; x goes to the right, z up."""
    frame = slab()
    view = view_of(frame)
    assert view.edges.shape == (12, 2, 2)
    assert view.depths[0] == 0.0
    assert view.depths[-1] == 1.0
    assert (np.diff(view.depths) >= 0).all()
    nearest = frame.positions[frame.positions[:, 1].argmin()]
    assert view.places[-1][1] in frame.positions[np.isclose(frame.positions[:, 1], nearest[1]), 2]
    assert (view.low <= view.places.min(axis=0)).all()
    assert (view.high >= view.places.max(axis=0)).all()


def test_pictures_are_drawn_of_frames_and_of_what_has_words(tmp_path: Path) -> None:
    built = SimpleNamespace(frame=slab(), words="slab of Phase0 (12 atoms, 3.9 Å); " + 20 * "on it water ")
    rows: list[Row] = [("Phase0", slab(), slab()), ("Phase1", built, built), ("Phase2", water())]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_phases(tmp_path / "new" / "phases.png", rows)
    picture = imread(tmp_path / "new" / "phases.png")
    height, width = picture.shape[:2]
    assert width == 960, "two columns"
    assert height > 1000
    assert (picture[..., :3] != 1.0).any()


def shapes_of(rows: list[Row]) -> str:
    gallery = Gallery.of(rows)
    figure = Figure("phases", "", "", Table(), (Panel(partial(draw_gallery, gallery=gallery)),))
    (svg,) = figure.svg()
    return svg


def test_white_atoms_stay_white_on_a_dark_page() -> None:
    """White itself is the colour of the page's paper, which is a variable."""
    svg = shapes_of([("Phase0", water())])
    assert "var(--paper)" not in svg
    assert "#fefefe" in svg


def test_many_atoms_are_pixels_where_few_are_shapes() -> None:
    few = shapes_of([("Phase0", slab())])
    many = frame_of(bulk("Cu", cubic=True) * (8, 8, 8), system="copper")
    assert "<image" not in few
    svg = shapes_of([("Phase0", many)])
    assert "<image" in svg
    assert len(svg) < 500_000
