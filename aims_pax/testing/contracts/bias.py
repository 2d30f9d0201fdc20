"""What every bias owes to a sampler, in sheared cells, slabs and molecules."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.frame import Frame
from aims_pax.phase import Felt
from aims_pax.protocols import Bias, LearningBias
from aims_pax.sampling.bias.overlay import Memory, Overlay

N_ATOMS = 8
"""Of every structure."""


class BiasContract:
    """Derive from it, and give :meth:`biases`."""

    HAS_STRESS = True
    """Whether it pulls along with a strained cell; what holds to a place in space does not."""

    def biases(self) -> list[Bias]:
        """At least two of one class, with their variables in every way that they may have, over atoms 0 to 7."""
        raise NotImplementedError("say which biases")

    def test_it_is_a_value(self) -> None:
        """Two that are written alike are one: what one has learned, the other goes on with."""
        for one, same in zip(self.biases(), self.biases(), strict=True):
            assert one == same
            assert hash(one) == hash(same)
        assert len(set(self.biases())) == len(self.biases())

    def test_forces_are_derivatives_of_the_energy(self) -> None:
        """Of each of them in each structure, with what it has learned."""
        for bias in self.biases():
            batch = batch_of(structures())
            overlay = self._taught([(bias,)] * batch.n_structures, batch)
            forces = overlay.laid_over(nothing(batch), batch).forces
            slopes = differences(overlay, batch, step=1e-5)
            assert float(forces.abs().max()) > 1e-3
            assert torch.allclose(forces, -slopes, rtol=1e-6, atol=1e-8)

    def test_stress_is_the_derivative_by_a_strain(self) -> None:
        """Where the cell has a volume; molecules and slabs get theirs as their driver says it, too."""
        step = 1e-5
        for bias in self.biases():
            batch = batch_of(structures())
            overlay = self._taught([(bias,)] * batch.n_structures, batch)
            felt = overlay.laid_over(nothing(batch), batch)
            assert felt.stress is not None
            assert torch.equal(felt.stress, felt.stress.transpose(1, 2))
            volumes = torch.linalg.det(batch.cells)
            for row, column in ((0, 0), (1, 2), (0, 1), (2, 2)):
                strain = torch.zeros(3, 3, dtype=torch.float64)
                strain[row, column] = strain[column, row] = step if row == column else step / 2
                up, down = (self._energies(overlay, batch, sign * strain) for sign in (1, -1))
                slopes = (up - down) / (2 * step)
                expected = torch.where(volumes > 0, slopes / volumes.clamp(min=1.0), 0.0)
                if not self.HAS_STRESS:
                    expected = torch.zeros_like(expected)
                assert torch.allclose(felt.stress[:, row, column], expected, rtol=1e-6, atol=1e-10)

    def test_one_structure_feels_the_same_among_others(self) -> None:
        """To the last bit, whatever the others have learned; where the driver gives no stress, there is none."""
        frames = structures() * 3
        batch = batch_of(frames)
        under = [tuple(self.biases()[: 1 + k % len(self.biases())]) for k in range(len(frames))]
        among = self._taught(under, batch)
        felt = among.laid_over(replace(nothing(batch), stress=None), batch)
        assert felt.stress is None
        for k, frame in enumerate(frames):
            alone = batch_of([frame])
            taught = self._taught([under[k]], alone)
            own = taught.laid_over(nothing(alone), alone)
            assert torch.equal(own.energies[0], felt.energies[k])
            assert torch.equal(own.forces, felt.forces[batch.structure == k])

    def test_what_it_learns_moves_nothing_where_it_stands(self) -> None:
        """Forces that are known stay right, and the energy is what it would be if it were computed anew."""
        batch = batch_of(structures())
        for bias in self.biases():
            overlay = overlay_of([(bias,)] * batch.n_structures, batch)
            felt = overlay.laid_over(nothing(batch), batch)
            for _ in range(40):
                felt = overlay.after_step(felt, batch)
            again = overlay.laid_over(nothing(batch), batch)
            assert torch.allclose(again.energies, felt.energies, rtol=1e-12, atol=1e-14)
            assert torch.allclose(again.forces, felt.forces, rtol=0, atol=1e-14)
            learns = isinstance(bias, LearningBias)
            assert learns == bool((again.energies != overlay_energies(bias, batch)).any())

    def _taught(self, under: Sequence[tuple[Bias, ...]], batch: AtomBatch) -> Overlay:
        """With what biases have learned near where structures are."""
        overlay = overlay_of(under, batch)
        generator = torch.Generator().manual_seed(1)
        for _ in range(30):
            away = 0.2 * torch.randn(N_ATOMS, 3, dtype=torch.float64, generator=generator)
            moved = batch.at(batch.positions + away.repeat(batch.n_structures, 1))
            overlay.after_step(nothing(moved), moved)
        return overlay

    @staticmethod
    def _energies(overlay: Overlay, batch: AtomBatch, strain: Tensor) -> Tensor:
        matrix = torch.eye(3, dtype=torch.float64) + strain
        strained = batch.at(batch.positions @ matrix).in_cells(batch.cells @ matrix)
        return overlay.laid_over(nothing(batch), strained).energies


def structures() -> list[Frame]:
    """A sheared cell, a molecule and a slab, with atoms far outside of their cells."""
    rng = np.random.default_rng(5)
    places = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * 1.9 + rng.normal(0, 0.2, (8, 3))
    cell = np.array([[5.1, 0.4, -0.3], [2.2, 4.9, 0.2], [-1.5, 1.7, 5.3]])
    images = rng.integers(-2, 3, (8, 3))
    numbers = np.full(N_ATOMS, 29, dtype=np.int64)
    along = np.array([True, True, False])
    return [
        Frame("sheared", 0, 0, 0, numbers, places + images @ cell, cell, np.ones(3, dtype=np.bool_)),
        Frame("molecule", 0, 0, 0, numbers, places),
        Frame("slab", 0, 0, 0, numbers, places + (images * along) @ cell, cell, along),
    ]


def batch_of(frames: Sequence[Frame]) -> AtomBatch:
    """Structures without pairs; the k-th is trajectory k."""
    return AtomBatch.from_frames([replace(frame, trajectory=k) for k, frame in enumerate(frames)], None)


def nothing(batch: AtomBatch) -> Felt:
    """What a driver says that does nothing."""
    stress = torch.zeros(batch.n_structures, 3, 3, dtype=torch.float64)
    return Felt(torch.zeros(batch.n_structures, dtype=torch.float64), torch.zeros_like(batch.positions), stress)


def overlay_of(under: Sequence[tuple[Bias, ...]], batch: AtomBatch) -> Overlay:
    """Biases of each structure, that have learned nothing."""
    memory = Memory()
    places: list[dict[Bias, int]] = [
        {bias: memory.add(bias) for bias in each if isinstance(bias, LearningBias)} for each in under
    ]
    return Overlay(dict(enumerate(under)), places, memory, n_atoms=batch.n_atoms.tolist(), pbc=batch.pbc)


def overlay_energies(bias: Bias, batch: AtomBatch) -> Tensor:
    """Of one bias on each structure, when it has learned nothing, (B,), eV."""
    overlay = overlay_of([(bias,)] * batch.n_structures, batch)
    return overlay.laid_over(nothing(batch), batch).energies


def differences(overlay: Overlay, batch: AtomBatch, *, step: float) -> Tensor:
    """Derivatives of the energies by positions, (N, 3), eV/Å, by central differences."""
    slopes = torch.zeros_like(batch.positions)
    for atom in range(N_ATOMS):
        for axis in range(3):
            moves = torch.zeros_like(batch.positions)
            moves[atom::N_ATOMS, axis] = step
            up, down = (
                overlay.laid_over(nothing(batch), batch.at(batch.positions + sign * moves)).energies for sign in (1, -1)
            )
            slopes[atom::N_ATOMS, axis] = (up - down) / (2 * step)
    return slopes
