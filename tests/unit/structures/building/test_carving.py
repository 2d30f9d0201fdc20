"""Parts that are cut out of structures."""

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from aims_pax.frame import Frame
from aims_pax.structures.building.carving import carved, opened
from aims_pax.structures.building.failure import NotBuilt
from aims_pax.structures.building.pieces import Piece
from aims_pax.structures.composition import formula

from .ingredients import collage, diamond, frame


def ice(n: int = 4) -> Frame:
    """Water molecules on a grid of 3.5 Å, split by the faces of the cell as they are wrapped."""
    one = molecule("H2O")
    one.set_cell([3.5, 3.5, 3.5])
    one.pbc = True
    atoms = one.repeat((n, n, n))
    atoms.positions += 0.3
    atoms.wrap()
    return frame(atoms)


def crystal(n: int = 3) -> Frame:
    return frame(bulk("Cu", a=3.6, cubic=True).repeat((n, n, n)))


def cut(structure: Frame, **said: Any) -> Piece:
    return carved(Piece.named(structure, "all"), collage(**said))


@pytest.mark.parametrize("axis", ["x", "y", "z", "c"])
def test_a_slab_has_whole_molecules_and_goes_on_in_its_plane(axis: str) -> None:
    slab = cut(ice(), part="slab", thickness=6.0, axis=axis).frame
    index = {"x": 0, "y": 1, "z": 2, "c": 2}[axis]
    assert formula(slab) == "H64O32", "two layers of sixteen"
    assert slab.pbc.tolist() == [other != index for other in range(3)]
    assert np.ptp(slab.positions[:, index]) < 6.0


@pytest.mark.parametrize(("thickness", "n_layers"), [(1.0, 1), (1.9, 2), (5.5, 4), (100.0, 6)])
def test_bonds_of_a_network_are_cut(thickness: float, n_layers: int) -> None:
    slab = cut(crystal(), part="slab", thickness=thickness).frame
    assert slab.n_atoms == 18 * n_layers
    assert np.ptp(slab.positions[:, 2]) == pytest.approx(1.8 * (n_layers - 1))


def test_a_slab_lies_where_it_is_asked_to_be_also_across_the_border() -> None:
    slab = cut(crystal(), part="slab", thickness=2.0, center=[0.5, 0.5, 0.0]).frame
    assert sorted(set(np.round(slab.positions[:, 2] % 10.8, 6))) == [0.0]
    across = cut(crystal(), part="slab", thickness=4.0, center=[0.5, 0.5, 0.0]).frame
    assert sorted(set(np.round(across.positions[:, 2] % 10.8, 6))) == [0.0, 1.8, 9.0]
    assert np.ptp(across.positions[:, 2]) == pytest.approx(3.6)


def test_without_a_center_a_slab_is_where_most_atoms_are() -> None:
    atoms = Atoms("He5", [[0, 0, z] for z in (1.0, 9.0, 14.0, 14.5, 15.0)], cell=[5, 5, 20], pbc=True)
    slab = cut(frame(atoms), part="slab", thickness=2.0).frame
    assert sorted(slab.positions[:, 2]) == pytest.approx([14.0, 14.5, 15.0])
    atoms.positions[:, 2] += 5.5
    atoms.wrap()
    assert cut(frame(atoms), part="slab", thickness=2.0).frame.n_atoms == 3, "though the border goes through them"


def test_a_slab_of_a_layer_in_vacuum_is_cut_from_the_layer() -> None:
    slab = cut(diamond(4), part="slab", thickness=2.6).frame
    assert slab.n_atoms == 12
    assert slab.pbc.tolist() == [True, True, False]


def test_a_whole_is_opened_at_its_widest_gap() -> None:
    atoms = Atoms("He4", [[0, 0, z] for z in (0.0, 2.0, 12.0, 14.0)], cell=[5, 5, 16], pbc=True)
    slab = opened(Piece.named(frame(atoms), "all"), 2).frame
    assert sorted(slab.positions[:, 2] - slab.positions[:, 2].min()) == pytest.approx([0, 2, 4, 6])
    assert slab.pbc.tolist() == [True, True, False]


def test_a_sphere_and_a_box_have_whole_molecules_and_no_cell() -> None:
    for said in ({"part": "sphere", "radius": 4.0}, {"part": "box", "size": [4.0, 8.0, 4.0]}):
        piece = cut(ice(), **said)
        found = piece.frame
        assert not found.pbc.any()
        assert not found.cell.any()
        assert (found.numbers == 1).sum() == 2 * (found.numbers == 8).sum() > 0
        bonds = [
            np.sort(np.linalg.norm(found.positions - one, axis=1))[1:3] for one in found.positions[found.numbers == 8]
        ]
        assert np.array(bonds) == pytest.approx(0.969, abs=1e-3)
        assert piece.parts == {"all": tuple(range(found.n_atoms))}
    assert cut(crystal(), part="sphere", radius=2.6).frame.n_atoms == 13, "an atom and its neighbours"


def test_parts_are_told_of_what_is_left() -> None:
    structure = crystal()
    upper = tuple(np.flatnonzero(structure.positions[:, 2] > 8.0).tolist())
    piece = carved(
        Piece(structure, {"upper": upper, "rest": (0,)}), collage(part="slab", thickness=2.0, center=[0, 0, 5 / 6])
    )
    assert piece.parts == {"upper": tuple(range(18))}


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"part": "sphere", "radius": 0.1, "center": [0.1, 0.1, 0.1]}, r"No atom of Phase0 lies in the sphere"),
        ({"part": "slab", "thickness": 0.1, "center": [0.1, 0.1, 0.1]}, r"No atom of Phase0 lies in the slab"),
    ],
)
def test_what_can_not_be_carved_is_told(said: dict[str, Any], match: str) -> None:
    with pytest.raises(NotBuilt, match=match):
        cut(crystal(), **said)


def test_an_axis_that_is_normal_to_no_plane_is_told() -> None:
    with pytest.raises(NotBuilt, match=r"z is not normal to lattice vector a of Phase0\. Write Axis: c"):
        cut(frame(bulk("Cu")), part="slab", thickness=2.0)
    assert cut(frame(bulk("Cu")), part="slab", thickness=1.0, axis="c").frame.n_atoms == 1
