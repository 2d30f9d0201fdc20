"""Molecules packed by Packmol itself."""

import sys
from pathlib import Path

import numpy as np
import pytest
from ase.geometry import get_distances

from aims_pax.atoms import atoms_of, frame_of
from aims_pax.structures.building import packing, packmol
from aims_pax.structures.building.failure import NotBuilt
from aims_pax.structures.building.packing import Packed, Region, closest_contact, packed
from aims_pax.structures.spacing import has_overlaps

from .ingredients import compound, diamond, recipe

LIQUID = recipe(compound("h2o"), compound("argon"), compound("methanol"))
COUNTS = (20, 3, 5)
TOLERATED = 2.0 - packing.PRECISION_ANG


def pack(region: Region, seed: int = 0) -> Packed:
    return packed(LIQUID, COUNTS, region, tolerance_ang=2.0, rng=np.random.default_rng(seed))


def test_molecules_keep_their_distance_through_the_faces_of_the_box() -> None:
    found = pack(Region.box((11.0, 10.0, 12.0)))
    frame = found.piece.frame
    assert frame.pbc.all()
    assert frame.cell == pytest.approx(np.diag([11.0, 10.0, 12.0]))
    assert closest_contact(found) > TOLERATED
    assert not has_overlaps(frame, 0.5)


def test_compounds_follow_one_another_and_molecules_keep_their_shape() -> None:
    found = pack(Region.box((12.0, 12.0, 12.0)))
    frame = found.piece.frame
    assert found.piece.parts == {
        "h2o": tuple(range(60)),
        "argon": (60, 61, 62),
        "methanol": tuple(range(63, 93)),
    }
    assert [len(one) for one in found.molecules] == [3] * 20 + [1] * 3 + [6] * 5
    assert frame.numbers[:60].tolist() == [8, 1, 1] * 20
    for atoms in found.molecules[:20]:
        places = frame.positions[list(atoms)]
        # Six decimals are what Packmol writes.
        assert np.linalg.norm(places[1:] - places[0], axis=1) == pytest.approx([0.96856] * 2, abs=1e-5)


def test_the_same_numbers_pack_the_same_and_others_differ() -> None:
    box = Region.box((12.0, 12.0, 12.0))
    first, again, other = pack(box), pack(box), pack(box, seed=1)
    assert first.piece.frame.positions.tobytes() == again.piece.frame.positions.tobytes()
    assert not np.allclose(first.piece.frame.positions, other.piece.frame.positions)


def test_molecules_are_packed_onto_what_is_there() -> None:
    slab = atoms_of(diamond()).repeat((2, 3, 1))
    slab.positions[:, 2] -= slab.positions[:, 2].min()
    below = frame_of(slab, system="slab")
    top = float(below.positions[:, 2].max())
    cell = np.diag([*slab.cell.lengths()[:2], 30.0])
    found = pack(Region(cell, top, top + 10.0, below))
    positions = found.piece.frame.positions
    assert found.piece.frame.n_atoms == 93, "what was there before is not among them"
    # A hundredth is Packmol's precision at walls.
    assert positions[:, 2].min() > top - 0.1
    assert positions[:, 2].max() < top + 10.1
    _, apart = get_distances(positions, below.positions, cell=cell, pbc=True)
    assert apart.min() > TOLERATED
    assert closest_contact(found) > TOLERATED


@pytest.mark.parametrize("angle", [60.0, 120.0])
def test_cells_without_right_angles_are_filled_to_the_density_of_water(angle: float) -> None:
    turn = np.radians(angle)
    cell = np.array([[11.0, 0.0, 0.0], [11.0 * np.cos(turn), 11.0 * np.sin(turn), 0.0], [0.0, 0.0, 30.0]])
    region = Region(cell, 3.0, 15.0)
    only = recipe(compound("h2o"), density=1.0, max_atoms=1000)
    counts = only.counts_in(region.volume_ang3)
    found = packed(only, counts, region, tolerance_ang=2.0, rng=np.random.default_rng(0))
    assert sum(counts) == 42
    assert closest_contact(found) > TOLERATED


def test_what_does_not_fit_is_told_with_its_density_and_a_way_out() -> None:
    match = r"8 argon can't be packed into 3\.5 x 3\.5 x 3\.5 Å \(12\.38 g/cm³\) with 2 Å.*Lower Density or Tolerance"
    with pytest.raises(NotBuilt, match=match):
        packed(
            recipe(compound("argon")),
            (8,),
            Region.box((3.5, 3.5, 3.5)),
            tolerance_ang=2.0,
            rng=np.random.default_rng(0),
        )


def test_a_molecule_that_meets_itself_in_a_box_is_told() -> None:
    with pytest.raises(NotBuilt, match=r"come nearer than 2 Å to images of their own.*Enlarge Box"):
        packed(
            recipe(compound("ethanol")),
            (1,),
            Region.box((4.5, 4.5, 4.5)),
            tolerance_ang=2.0,
            rng=np.random.default_rng(0),
        )


def test_a_missing_packmol_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotBuilt, match=r"Packmol, which is not installed.*pip install 'aims-pax\[workflows\]'"):
        pack(Region.box((12.0, 12.0, 12.0)))


def test_packing_that_takes_too_long_is_ended() -> None:
    kind = packmol.Group(compound("h2o").frame.numbers, compound("h2o").frame.positions, 400, ())
    ending = packmol.packed_positions([kind], ["tolerance 2.0", "pbc 15.0 15.0 15.0"], seed=1, limit_s=1.0)
    assert ending is packmol.Ending.TIMED_OUT
