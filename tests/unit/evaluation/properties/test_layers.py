"""Layers: where they are, and how they bind."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import graphene
from ase.lattice.hexagonal import Graphite

from aims_pax.evaluation.properties import Measured, Unmeasured, measured
from aims_pax.evaluation.properties.binding import BindingCurve
from aims_pax.evaluation.properties.shape import not_a_solid, solid_axes

from .crystals import copper, lennard_jones, numbers, specimen

PAIRS = {"sigma": 3.0, "epsilon": 0.003, "rc": 11.0}


def graphite() -> Atoms:
    return Graphite("C", latticeconstant={"a": 2.46, "c": 6.2})


def test_the_minimum_is_where_energies_of_stretched_cells_are_lowest() -> None:
    found = numbers(BindingCurve(), graphite(), lennard_jones(**PAIRS))
    distances = found["distance_ang"] + np.array([-0.05, 0.0, 0.05])
    energies = []
    for distance in distances:
        atoms = Graphite("C", latticeconstant={"a": 2.46, "c": 2 * distance})
        energies.append(specimen(atoms, lennard_jones(**PAIRS)).energy(atoms))
    assert energies[1] < min(energies[0], energies[2])
    far = Graphite("C", latticeconstant={"a": 2.46, "c": 2 * (3.1 + 6.0)})
    parted = specimen(far, lennard_jones(**PAIRS)).energy(far)
    assert found["binding_mev_per_atom"] == pytest.approx(1000 * (parted - energies[1]) / 4, rel=1e-3)


def test_it_does_not_matter_where_a_cell_begins_or_what_its_vectors_are_called() -> None:
    expected = numbers(BindingCurve(), graphite(), lennard_jones(**PAIRS))
    moved = graphite()
    moved.positions += [0.3, 0.2, 1.4]
    moved.wrap()
    cell, scaled = moved.cell.array, moved.get_scaled_positions()
    turned = Atoms(moved.numbers, cell=cell[[2, 0, 1]], scaled_positions=scaled[:, [2, 0, 1]], pbc=True)
    assert numbers(BindingCurve(), turned, lennard_jones(**PAIRS)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("atoms", [copper(), graphene(vacuum=10.0)], ids=["a metal", "one layer"])
def test_what_has_no_layers_has_no_curve(atoms: Atoms) -> None:
    atoms.pbc = True
    outcome = measured(BindingCurve(), specimen(atoms, lennard_jones(**PAIRS)))
    assert isinstance(outcome, Unmeasured)
    assert str(outcome).startswith("not for this structure: it has no layers")


def test_layers_that_repel_each_other_are_told() -> None:
    outcome = measured(BindingCurve(), specimen(graphite(), lennard_jones(sigma=3.0, epsilon=-0.003, rc=11.0)))
    assert isinstance(outcome, Unmeasured)
    assert "do not bind" in outcome.reason


def test_layers_whose_distance_is_below_all_that_were_looked_at_are_not_said_to_be_unbound() -> None:
    outcome = measured(BindingCurve(nearest=1.1), specimen(graphite(), lennard_jones(**PAIRS)))
    assert isinstance(outcome, Unmeasured)
    assert "bind at 3.41 Å or nearer, the nearest distance that was looked at" in outcome.reason


def test_vacuum_is_no_solid_also_where_the_cell_is_periodic() -> None:
    layer = graphene(vacuum=10.0)
    layer.pbc = True
    assert solid_axes(layer) == (True, True, False)
    assert "vacuum, along one direction" in (not_a_solid(layer) or "")
    assert not_a_solid(graphite()) is None


def test_curves_have_points_that_were_computed_and_a_line_through_them() -> None:
    outcome = measured(BindingCurve(n_distances=15), specimen(graphite(), lennard_jones(**PAIRS)))
    assert isinstance(outcome, Measured)
    points, line = outcome.panels[0].lines
    assert (points.marks, line.marks) == (True, False)
    assert len(points.x) == 15
    assert np.interp(points.x, line.x, line.y) == pytest.approx(points.y, abs=0.05)
