"""What every integrator owes to a sampler, on atoms that springs tie to their places."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from aims_pax.protocols import Integrator
from aims_pax.units import AMU_ANG2_PER_FS2_EV, BOLTZMANN_EV_PER_K

FREQUENCY_PER_FS = 0.2
"""Of all springs; a C-H bond has 0.55."""


class IntegratorContract:
    """Derive from it, and give :meth:`make` and :attr:`TEMPERATURE_K`."""

    TEMPERATURE_K: float | None = None
    """What the ensemble holds constant; None where it is the energy."""

    def make(self, masses: Tensor, *, timestep_fs: float) -> Integrator:
        """An integrator for atoms with masses (N,) in eV fs²/Å²."""
        raise NotImplementedError("say how an integrator is made")

    def test_nothing_is_changed_in_place(self) -> None:
        """A step that goes wrong is not made, and is tried again from the same tensors."""
        masses, (positions, momenta, forces, noise) = atoms(5), drawn(5)
        integrator = self.make(masses, timestep_fs=1.0)
        before = [tensor.clone() for tensor in (positions, momenta, forces, noise)]
        _, kicked = integrator.before_forces(positions, momenta, forces, noise)
        halfway = kicked.clone()
        integrator.after_forces(kicked, forces)
        for tensor, same in zip((positions, momenta, forces, noise, kicked), (*before, halfway), strict=True):
            assert torch.equal(tensor, same)

    def test_some_of_the_atoms_move_as_they_do_among_all(self) -> None:
        """To the last bit: what a trajectory does must not depend on who moves with it."""
        masses, phase = atoms(7), drawn(7)
        some = torch.tensor([5, 0, 3])
        integrator = self.make(masses, timestep_fs=0.7)
        positions, momenta = integrator.before_forces(*phase)
        own_positions, own_momenta = integrator.select(some).before_forces(*(tensor[some] for tensor in phase))
        assert torch.equal(own_positions, positions[some])
        assert torch.equal(own_momenta, momenta[some])
        ended = integrator.after_forces(momenta, phase[2])
        assert torch.equal(integrator.select(some).after_forces(own_momenta, phase[2][some]), ended[some])

    def test_energy_is_conserved_to_second_order(self) -> None:
        """Half the step, a quarter of the error; and no drift over a thousand of them."""
        if self.TEMPERATURE_K is not None:
            pytest.skip("its energy is that of a thermostat")
        errors = []
        for timestep_fs in (1.0, 0.5):
            energies = self._energies(timestep_fs, n_steps=round(1000 / timestep_fs))
            errors.append(float((energies - energies[0]).abs().max() / energies[0]))
            half = len(energies) // 2
            assert float((energies[half:].mean() - energies[:half].mean()).abs() / energies[0]) < 1e-4
        assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.1)

    def test_positions_have_the_width_of_the_temperature(self) -> None:
        """As Boltzmann has it, kT over the stiffness; at a step of a tenth of the period, too."""
        if self.TEMPERATURE_K is None:
            pytest.skip("has no temperature of its own")
        squares: list[Tensor] = []
        masses = atoms(2000)
        self._run(masses, timestep_fs=3.0, n_steps=400, look=lambda positions, _: squares.append(positions.square()))
        stiffness = masses.unsqueeze(1) * FREQUENCY_PER_FS**2
        found = torch.stack(squares[100::25]) * stiffness / (BOLTZMANN_EV_PER_K * self.TEMPERATURE_K)
        # 6000 modes at 12 nearly independent times: a standard error of sqrt(2 / 72000) = 0.5 %.
        assert float(found.mean()) == pytest.approx(1.0, abs=0.03)

    def _energies(self, timestep_fs: float, *, n_steps: int) -> Tensor:
        """Of all atoms together, after each step."""
        masses, energies = atoms(20), list[Tensor]()

        def look(positions: Tensor, momenta: Tensor) -> None:
            kinetic = (momenta.square() / (2 * masses.unsqueeze(1))).sum()
            energies.append(kinetic + 0.5 * (masses.unsqueeze(1) * FREQUENCY_PER_FS**2 * positions.square()).sum())

        self._run(masses, timestep_fs=timestep_fs, n_steps=n_steps, look=look)
        return torch.stack(energies)

    def _run(self, masses: Tensor, *, timestep_fs: float, n_steps: int, look: Callable[[Tensor, Tensor], None]) -> None:
        """Springs of one frequency; whoever looks sees positions and momenta after each step."""
        integrator = self.make(masses, timestep_fs=timestep_fs)
        generator = torch.Generator().manual_seed(7)
        stiffness = masses.unsqueeze(1) * FREQUENCY_PER_FS**2
        positions = torch.zeros(len(masses), 3, dtype=torch.float64)
        momenta = masses.sqrt().unsqueeze(1) * 0.1 * drawn(len(masses))[1]
        forces = -stiffness * positions
        for _ in range(n_steps):
            noise = torch.randn(positions.shape, dtype=torch.float64, generator=generator)
            positions, momenta = integrator.before_forces(positions, momenta, forces, noise)
            forces = -stiffness * positions
            momenta = integrator.after_forces(momenta, forces)
            look(positions, momenta)


def atoms(n: int) -> Tensor:
    """Masses (n,) of light and heavy atoms in turn, eV fs²/Å²."""
    return torch.tensor([1.008, 12.011, 55.845], dtype=torch.float64).repeat(n)[:n] * AMU_ANG2_PER_FS2_EV


def drawn(n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Some positions, momenta, forces and noise of n atoms."""
    generator = torch.Generator().manual_seed(3)
    positions, momenta, forces, noise = torch.randn(4, n, 3, dtype=torch.float64, generator=generator)
    return positions, momenta, forces, noise
