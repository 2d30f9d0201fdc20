"""Distances of k points that meshes may have been made of."""

import numpy as np
import pytest

from aims_pax.gathering.meshes import Density, common_spacing, density_of_mesh, empty_directions

FULL = np.zeros(3, dtype=np.bool_)


def test_a_mesh_tells_its_spacing() -> None:
    found = density_of_mesh((4, 4, 4), np.diag([5.0, 5.0, 5.0]), FULL)
    assert found is not None
    assert found.spacing == pytest.approx(2 * np.pi / 20)
    assert (found.least, found.most) == (pytest.approx(2 * np.pi / 25), pytest.approx(2 * np.pi / 15))


@pytest.mark.parametrize("spacing", [0.15, 0.2, 0.3])
@pytest.mark.parametrize("rounding", [np.ceil, np.round])
def test_what_one_spacing_gives_by_any_rounding_is_of_one_density(spacing: float, rounding: np.ufunc) -> None:
    rng = np.random.default_rng(0)
    densities = []
    for _ in range(50):
        cell = np.diag(rng.uniform(3, 15, 3)) + rng.uniform(-0.5, 0.5, (3, 3))
        vectors = 2 * np.pi * np.linalg.norm(np.linalg.inv(cell), axis=0)
        mesh = np.maximum(1, rounding(vectors / spacing)).astype(int).tolist()
        densities.append(density_of_mesh((mesh[0], mesh[1], mesh[2]), cell, FULL))
    known = [one for one in densities if one is not None]
    common = common_spacing(known, [1] * len(known))
    assert all(one.holds(common) for one in known)


def test_the_spacing_of_most_structures_is_found() -> None:
    sparse, dense = Density(0.5, 0.7, 0.6), Density(0.1, 0.2, 0.15)
    assert dense.holds(common_spacing([sparse, dense, dense], [1, 1, 1]))
    assert sparse.holds(common_spacing([sparse, dense, dense], [5, 1, 1]))


def test_vacuum_is_found_across_a_slab_whatever_cell_it_lies_in() -> None:
    cell = np.array([[3.0, 0, 0], [0, 3.0, 0], [1.0, 0, 20.0]])
    for shift in (0.0, 9.0, 19.5):
        positions = np.array([[0, 0, shift], [1.5, 1.5, shift + 1.5]])
        assert empty_directions(positions, cell).tolist() == [False, False, True]
