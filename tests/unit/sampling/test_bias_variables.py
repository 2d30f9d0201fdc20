"""Collective variables are what ASE says, in any cell, and pull nowhere where they have no direction."""

import itertools

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.errors import ShapeError
from aims_pax.frame import Frame
from aims_pax.protocols import Variable
from aims_pax.sampling.bias import Angle, Coordination, Dihedral, Distance, MeanPosition
from aims_pax.sampling.bias.images import nearest_shifts
from aims_pax.sampling.bias.measurement import Measurement, Reading

N_ATOMS = 9

EVERYWHERE = list(itertools.product((False, True), repeat=3))
"""All ways to be periodic."""


def random_frames(seed: int) -> list[Frame]:
    """Atoms anywhere, also far outside of a sheared cell, periodic along every choice of directions."""
    rng = np.random.default_rng(seed)
    frames = []
    for index, pbc in enumerate(EVERYWHERE):
        cell = 6 * np.eye(3) + rng.uniform(-1.5, 1.5, (3, 3))
        places = rng.uniform(-8, 8, (N_ATOMS, 3))
        frames.append(Frame("random", index, 0, 0, np.full(N_ATOMS, 6), places, cell, np.array(pbc)))
    return frames


def ase_of(frame: Frame) -> Atoms:
    return Atoms(numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)


def read(frames: list[Frame], variables: list[Variable]) -> tuple[Reading, AtomBatch]:
    """All variables of the first structure, then all of the second."""
    batch = AtomBatch.from_frames(frames, None)
    each = [(structure, variable) for structure in range(len(frames)) for variable in variables]
    return Measurement.of(each, n_atoms=[frame.n_atoms for frame in frames], pbc=batch.pbc).read(batch), batch


def felt(reading: Reading, slopes: Tensor, batch: AtomBatch) -> tuple[Tensor, Tensor]:
    """Forces and virials of a potential with these derivatives."""
    pulls = reading.pulls(slopes)
    return reading.forces(pulls, batch), reading.virials(pulls, batch)


def molecule(*places: tuple[float, float, float]) -> Frame:
    return Frame("molecule", 0, 0, 0, np.full(len(places), 6), np.array(places))


@pytest.mark.parametrize("seed", range(8))
def test_values_are_those_of_ase_by_the_nearest_images(seed: int) -> None:
    # ASE 3.29 does not find the nearest image in sheared cells that are periodic along one direction (seed 0).
    frames = [frame for frame in random_frames(seed) if frame.pbc.sum() != 1]
    chosen = np.random.default_rng(seed).permutation(N_ATOMS).tolist()
    i, j, k, m = chosen[:4]
    variables: list[Variable] = [
        Dihedral((i, j, k, m)),
        Distance((i, k)),
        Coordination((i, j), (j, k, m), 2.5),
        Angle((i, j, k)),
        MeanPosition((i, m), (0.0, 0.6, 0.8)),
    ]
    values = read(frames, variables)[0].values.reshape(len(frames), -1).numpy()
    for frame, found in zip(frames, values, strict=True):
        atoms = ase_of(frame)
        degrees = atoms.get_dihedral(i, j, k, m, mic=True)
        assert found[0] == pytest.approx(np.deg2rad(degrees - 360 if degrees > 180 else degrees), abs=1e-9)
        assert found[1] == pytest.approx(atoms.get_distance(i, k, mic=True), abs=1e-12)
        pairs = ((i, j), (i, k), (i, m), (j, k), (j, m))
        ratios = np.array([atoms.get_distance(*pair, mic=True) / 2.5 for pair in pairs])
        assert found[2] == pytest.approx(((1 - ratios**6) / (1 - ratios**12)).sum(), rel=1e-10)
        assert found[3] == pytest.approx(np.deg2rad(atoms.get_angle(i, j, k, mic=True)), abs=1e-9)
        assert found[4] == pytest.approx(frame.positions[[i, m]].mean(axis=0) @ [0.0, 0.6, 0.8], abs=1e-12)


def test_nearest_images_are_the_nearest_of_all_that_there_are() -> None:
    generator = torch.Generator().manual_seed(2)
    cells = (
        6 * torch.eye(3, dtype=torch.float64) + 4 * torch.rand(8, 3, 3, dtype=torch.float64, generator=generator) - 2
    )
    pbc, structure = torch.tensor(EVERYWHERE), torch.arange(8).repeat_interleave(500)
    vectors = 30 * torch.randn(4000, 3, dtype=torch.float64, generator=generator)
    nearest = vectors + nearest_shifts(vectors, cells, pbc, structure)
    images = torch.tensor(list(itertools.product(range(-3, 4), repeat=3)), dtype=torch.float64)
    around = (images * pbc.unsqueeze(1)) @ cells
    lengths = (nearest.unsqueeze(1) + around[structure]).norm(dim=2).amin(dim=1)
    torch.testing.assert_close(nearest.norm(dim=1), lengths, rtol=0, atol=1e-12)


def test_a_whole_turn_changes_no_dihedral_but_its_sign_at_the_seam() -> None:
    # On both sides of trans, at it, and in all quadrants.
    angles = np.concatenate((np.linspace(-np.pi, np.pi, 721), [np.pi - 1e-13, -np.pi + 1e-13, 1e-13, -1e-13]))
    frames = [
        molecule((1.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.3), (np.cos(angle), np.sin(angle), 1.3))
        for angle in angles
    ]
    values = read(frames, [Dihedral((0, 1, 2, 3))])[0].values.numpy()
    assert ((values > -np.pi - 1e-15) & (values < np.pi + 1e-15)).all()
    off = (values - angles) - 2 * np.pi * np.round((values - angles) / (2 * np.pi))
    np.testing.assert_allclose(off, 0.0, atol=1e-13)


@pytest.mark.parametrize(
    ("places", "variable"),
    [
        (((0, 0, 0), (0, 0, 0)), Distance((0, 1))),
        (((1, 0, 0), (0, 0, 0), (-1.3, 0, 0)), Angle((0, 1, 2))),
        (((1, 0, 0), (0, 0, 0), (1.3, 0, 0)), Angle((0, 1, 2))),
        (((0, 0, 0), (0, 0, 0), (1.3, 0, 0)), Angle((0, 1, 2))),
        (((1, 0, 0), (0, 0, 0), (-1.3, 0, 0), (-1.3, 1, 0)), Dihedral((0, 1, 2, 3))),
        (((0, 1, 0), (0, 0, 0), (-1.3, 0, 0), (-2.1, 0, 0)), Dihedral((0, 1, 2, 3))),
        (((1, 0, 0), (0, 0, 0), (0, 0, 0), (0, 1, 0)), Dihedral((0, 1, 2, 3))),
        (((0, 0, 0), (0, 0, 0), (0, 0, 0)), Coordination((0,), (1, 2), 2.0)),
    ],
)
def test_forces_are_finite_where_there_is_no_direction(
    places: tuple[tuple[float, float, float], ...], variable: Variable
) -> None:
    rng = np.random.default_rng(1)
    # The last one stands at the very place, the others closer and closer to it.
    for size in (1e-3, 1e-6, 1e-9, 1e-13, 1e-200, 0.0):
        frame = molecule(*(np.array(places) + size * rng.normal(size=(len(places), 3))))
        reading, batch = read([frame], [variable])
        forces, virials = felt(reading, torch.ones(1, dtype=torch.float64), batch)
        assert reading.values.isfinite().all()
        assert forces.isfinite().all()
        assert virials.isfinite().all()
    assert float(forces.abs().max()) < 1e-6, "at the place itself nothing says in which direction"


def test_forces_of_an_angle_near_a_line_are_those_of_geometry() -> None:
    """The arccosine would have lost them: a bent by 1e-5 turns by one over the length of a bond."""
    reading, batch = read([molecule((1.0, 1e-5, 0.0), (0.0, 0.0, 0.0), (-1.25, 0.0, 0.0))], [Angle((0, 1, 2))])
    forces, _ = felt(reading, torch.ones(1, dtype=torch.float64), batch)
    expected = torch.tensor([[-1e-5, 1.0, 0.0], [1e-5, -1.8, 0.0], [0.0, 0.8, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(forces, expected, rtol=0, atol=1e-9)


def test_what_is_measured_does_not_depend_on_what_else_is() -> None:
    """To the last bit, values and forces, in batches of any size."""
    frames = random_frames(7) * 5
    everything: list[Variable] = [
        Coordination(tuple(range(4)), tuple(range(N_ATOMS)), 3.0),
        Dihedral((0, 1, 2, 3)),
        Angle((4, 2, 0)),
        Distance((3, 8)),
        MeanPosition((1, 2, 3), (1.0, 1.0, 0.0)),
    ]
    reading, batch = read(frames, everything)
    slopes = torch.linspace(-1, 1, len(reading.values), dtype=torch.float64)
    forces, virials = felt(reading, slopes, batch)
    values, slopes = reading.values.reshape(len(frames), -1), slopes.reshape(len(frames), -1)
    for k, frame in enumerate(frames):
        alone, one = read([frame], everything)
        assert torch.equal(alone.values, values[k])
        own_forces, own_virials = felt(alone, slopes[k], one)
        assert torch.equal(own_forces, forces[batch.structure == k])
        assert torch.equal(own_virials[0], virials[k])


def test_an_atom_is_no_partner_of_itself() -> None:
    assert Coordination((0, 1), (1, 2), 1.0).pairs == ((0, 1), (0, 2), (1, 2))


def test_a_mean_position_needs_atoms_and_a_direction() -> None:
    with pytest.raises(ShapeError, match=r"along \(0.0, 0.0, 0.0\)"):
        MeanPosition((0,), (0.0, 0.0, 0.0))
    with pytest.raises(ShapeError, match="0 atoms have no mean position"):
        MeanPosition((), (0.0, 0.0, 1.0))


def test_variables_pull_as_their_values_change() -> None:
    """Forces beside central differences of the values, each kind in every cell."""
    frames = random_frames(3)
    variables: list[Variable] = [
        Distance((0, 1)),
        Angle((1, 2, 3)),
        Dihedral((4, 5, 6, 7)),
        Coordination((0, 8), (1, 2, 3), 4.0),
        MeanPosition((0, 8), (0.3, -1.0, 0.2)),
    ]
    reading, batch = read(frames, variables)
    for number in range(len(variables)):
        slopes = torch.zeros(len(frames), len(variables), dtype=torch.float64)
        slopes[:, number] = 1
        forces, _ = felt(reading, slopes.flatten(), batch)
        measurement, step = reading.measurement, 1e-5

        def value(positions: Tensor, number: int = number, measurement: Measurement = measurement) -> Tensor:
            return measurement.read(batch.at(positions)).values.reshape(len(frames), -1)[:, number]

        for atom in range(N_ATOMS):
            for axis in range(3):
                moved = torch.zeros_like(batch.positions)
                moved[atom::N_ATOMS, axis] = step
                change = value(batch.positions + moved) - value(batch.positions - moved)
                torch.testing.assert_close(-change / (2 * step), forces[atom::N_ATOMS, axis], rtol=1e-5, atol=1e-8)
        reading = measurement.read(batch)
