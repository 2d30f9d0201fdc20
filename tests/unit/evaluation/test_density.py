"""Densities of cells, and the bins that they are told in."""

import numpy as np
import pytest

from aims_pax.evaluation.density import density_of, edges_of, has_density, places_in, words_of
from aims_pax.frame import Frame


def cell_of(side_ang: float, *, pbc: tuple[bool, bool, bool] = (True, True, True)) -> Frame:
    numbers = np.array([6] * 8)
    return Frame("diamond", 0, 0, 0, numbers, np.zeros((8, 3)), cell=side_ang * np.eye(3), pbc=np.array(pbc))


def test_density_of_diamond_is_that_of_the_textbook() -> None:
    assert density_of(cell_of(3.567)) == pytest.approx(3.515, abs=1e-3)  # CRC Handbook: 3.513 at 25 °C


def test_slabs_and_molecules_have_no_density() -> None:
    assert has_density(cell_of(3.567))
    assert not has_density(cell_of(3.567, pbc=(True, True, False)))
    assert not has_density(cell_of(0.0))


def test_densities_of_fixed_cells_have_a_bin_each() -> None:
    values = np.repeat([1.5, 2.0, 2.5, 3.0, 3.5], 4)
    edges = edges_of(values)
    assert places_in(edges, values).tolist() == np.repeat(range(5), 4).tolist()
    assert words_of(edges, values) == ("1.5", "2", "2.5", "3", "3.5")


def test_densities_that_all_differ_are_in_bins_of_equal_numbers() -> None:
    values = np.random.default_rng(0).uniform(1.0, 2.0, 60)
    edges = edges_of(values)
    assert np.bincount(places_in(edges, values)).tolist() == [10] * 6
    words = words_of(edges, values)
    assert words[0] == f"{values.min():.4g} to {np.sort(values)[9]:.4g}"


def test_temperatures_of_four_digits_are_written_without_powers() -> None:
    values = np.repeat([300.0, 12000.0], 3)
    assert words_of(edges_of(values), values) == ("300", "12000")
