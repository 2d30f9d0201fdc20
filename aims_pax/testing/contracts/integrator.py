"""What every integrator owes to a sampler, on atoms that springs tie to their places."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from aims_pax.protocols import Dynamics, Integrator
from aims_pax.sampling.dynamics import Crowd, Felt, Noise, Phase, Rows
from aims_pax.trajectory import StatisticalEnsemble
from aims_pax.units import AMU_ANG2_PER_FS2_EV, BOLTZMANN_EV_PER_K

FREQUENCY_PER_FS = 0.2
"""Of all springs; a C-H bond has 0.55."""

TEMPERATURE_K = 350.0


class IntegratorContract:
    """Derive from it, and give :meth:`dynamics`: settings of one kind, among which a batch mixes."""

    POSITIONS_ARE_EXACT = False
    """Whether harmonic positions have the right width at any step, as in BAOAB. Where velocity Verlet moves atoms of
    which the momenta have the temperature, they are wider by one over 1 - (w dt)²/4."""

    def dynamics(self) -> list[Dynamics]:
        """At least two, of one class; the first is looked at alone."""
        raise NotImplementedError("say which dynamics")

    @property
    def ensemble(self) -> StatisticalEnsemble:
        """Of the first."""
        return self.dynamics()[0].ensemble

    def test_nothing_is_changed_in_place(self) -> None:
        """A step that goes wrong is not made, and is tried again from the same tensors."""
        crowd, phase, felt, noise = drawn(3)
        integrator = self._together(crowd)
        phase = replace(phase, own=integrator.fresh())
        before = [tensor.clone() for tensor in _tensors(phase, felt, noise)]
        kicked = integrator.before_forces(phase, felt, noise)
        halfway = [tensor.clone() for tensor in _tensors(kicked)]
        integrator.after_forces(kicked, felt)
        for tensor, same in zip(_tensors(phase, felt, noise, kicked), before + halfway, strict=True):
            assert torch.equal(tensor, same)

    def test_some_of_the_structures_move_as_they_do_among_all(self) -> None:
        """To the last bit: what a trajectory does must not depend on who moves with it."""
        crowd, phase, felt, noise = drawn(5)
        integrator = self._together(crowd)
        phase = replace(phase, own=integrator.fresh())
        moved = phase
        for _ in range(3):
            moved = integrator.after_forces(integrator.before_forces(moved, felt, noise), felt)
        for structure in range(5):
            rows = rows_of(crowd, [structure])
            kind = self.dynamics()[structure % len(self.dynamics())]
            alone = type(kind).together([kind], crowd_of(crowd, rows))
            n_own = alone.n_own
            assert torch.equal(alone.fresh(), phase.own[rows.structures, :n_own])
            own = phase.select(rows, n_own=n_own)
            for _ in range(3):
                own = alone.after_forces(
                    alone.before_forces(own, felt.select(rows), noise.select(rows)), felt.select(rows)
                )
            for tensor, same in zip(_tensors(own), _tensors(moved.select(rows, n_own=n_own)), strict=True):
                assert torch.equal(tensor, same)

    def test_what_is_conserved_is_conserved_to_second_order(self) -> None:
        """Half the step, a quarter of the error; and no drift over a thousand of them."""
        errors = []
        for timestep_fs in (1.0, 0.5):
            energies = self._conserved(timestep_fs, n_steps=round(500 / timestep_fs))
            if not bool(energies.isfinite().all()):
                pytest.skip("nothing is conserved")
            errors.append(float((energies - energies.mean()).abs().max() / energies[0].abs()))
            if self.ensemble is StatisticalEnsemble.NVE:
                half = len(energies) // 2
                assert float((energies[half:].mean() - energies[:half].mean()).abs() / energies[0]) < 1e-4
        # With noise the two are not the same trajectory.
        is_one = not self.dynamics()[0].is_stochastic
        assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.15 if is_one else 0.5)

    def test_positions_have_the_width_of_the_temperature(self) -> None:
        """As Boltzmann has it, kT over the stiffness; at a step of a tenth of the period, too."""
        if self.ensemble is not StatisticalEnsemble.NVT:
            pytest.skip("has no temperature of its own")
        squares: list[Tensor] = []
        timestep_fs = 3.0
        crowd = one_structure(atoms(2000), timestep_fs=timestep_fs)
        self._run(crowd, n_steps=400, look=lambda _, phase, __: squares.append(phase.positions.square()))
        stiffness = crowd.masses.unsqueeze(1) * FREQUENCY_PER_FS**2
        found = torch.stack(squares[100::25]) * stiffness / (BOLTZMANN_EV_PER_K * TEMPERATURE_K)
        # 6000 modes at 12 nearly independent times: a standard error of sqrt(2 / 72000) = 0.5 %.
        expected = 1.0 if self.POSITIONS_ARE_EXACT else 1 / (1 - (FREQUENCY_PER_FS * timestep_fs) ** 2 / 4)
        assert float(found.mean()) == pytest.approx(expected, abs=0.03)

    def test_what_is_held_goes_on_at_its_own_velocity(self) -> None:
        """Forces, noise, friction and scaling reach the other components alone, which have the temperature."""
        if self.dynamics()[0].wants_stress or self.ensemble is StatisticalEnsemble.RELAXATION:
            pytest.skip("atoms are held in MD of cells that stay")
        held = torch.rand(3000, 3, generator=torch.Generator().manual_seed(1)) < 0.4
        held[:, 2] = False
        crowd = replace(one_structure(atoms(3000), timestep_fs=1.0), free=~held)
        seen, kinetic = list[Phase](), list[float]()

        def look(_: Integrator, phase: Phase, felt: Felt) -> None:
            seen.append(phase)
            kinetic.append(float(crowd.kinetic_energies(phase.momenta)[0]))

        self._run(crowd, n_steps=500, look=look)
        first, last = seen[0], seen[-1]
        assert torch.equal(last.momenta[held], first.momenta[held])
        moved = (499 * first.momenta / crowd.masses.unsqueeze(1))[held]
        torch.testing.assert_close((last.positions - first.positions)[held], moved, rtol=0, atol=1e-9)
        assert not torch.equal(last.momenta[~held], first.momenta[~held])
        # Along z nothing is held, and the whole has no say there where it never moves.
        assert int(crowd.n_moving[0] - crowd.n_degrees[0]) == 1
        if self.ensemble is StatisticalEnsemble.NVT:
            wanted = 0.5 * BOLTZMANN_EV_PER_K * TEMPERATURE_K * int((~held).sum())
            expected = wanted * (1 - (FREQUENCY_PER_FS * 1.0) ** 2 / 4 * self.POSITIONS_ARE_EXACT)
            # 6600 components at some 5 independent times: a standard error of 0.8 %.
            assert sum(kinetic[250:]) / 250 == pytest.approx(expected, rel=0.03)

    def test_the_temperature_can_be_changed_on_the_way(self) -> None:
        """As in a ramp: `at` another temperature is what was made for it."""
        crowd, phase, felt, noise = drawn(4)
        hotter = replace(crowd, temperature_k=2 * crowd.temperature_k, pressure=crowd.pressure + 0.01)
        changed = self._together(crowd).at(hotter.temperature_k, hotter.pressure)
        made = self._together(hotter)
        phase = replace(phase, own=self._together(crowd).fresh())
        one, other = (each.after_forces(each.before_forces(phase, felt, noise), felt) for each in (changed, made))
        for tensor, same in zip(_tensors(one), _tensors(other), strict=True):
            assert torch.equal(tensor, same)

    def _together(self, crowd: Crowd) -> Integrator:
        kinds = self.dynamics()
        each = [kinds[structure % len(kinds)] for structure in range(len(crowd.n_atoms))]
        return type(each[0]).together(each, crowd)

    def _conserved(self, timestep_fs: float, *, n_steps: int) -> Tensor:
        """After each step."""
        found = list[Tensor]()

        def look(integrator: Integrator, phase: Phase, felt: Felt) -> None:
            found.append(integrator.conserved(phase, felt)[0])

        self._run(one_structure(atoms(20), timestep_fs=timestep_fs), n_steps=n_steps, look=look)
        return torch.stack(found)

    def _run(self, crowd: Crowd, *, n_steps: int, look: Callable[[Integrator, Phase, Felt], None]) -> None:
        """Springs of one frequency; whoever looks does so after each step."""
        integrator = self._together(crowd)
        generator = torch.Generator().manual_seed(7)
        stiffness = crowd.masses.unsqueeze(1) * FREQUENCY_PER_FS**2
        shape = len(crowd.masses), 3
        begin = torch.Generator().manual_seed(3)
        start, places = torch.randn(2, *shape, dtype=torch.float64, generator=begin)
        momenta = crowd.masses.sqrt().unsqueeze(1) * 0.1 * start
        # At all phases of their swing: a thermostat of the whole would follow one swing of all.
        positions = 0.1 / FREQUENCY_PER_FS * places / crowd.masses.sqrt().unsqueeze(1)
        cells = 50 * torch.eye(3, dtype=torch.float64).expand(len(crowd.n_atoms), 3, 3)
        phase = Phase(positions, momenta, cells, integrator.fresh())

        def pulled(phase: Phase) -> Felt:
            energies = crowd.sums(0.5 * stiffness.squeeze(1) * phase.positions.square().sum(dim=1))
            forces = -stiffness * phase.positions
            # Springs do not know of the cell; but atoms ride on it.
            virials = crowd.sums(phase.positions[:, :, None] * forces[:, None, :])
            return Felt(energies, forces, -virials / torch.linalg.det(phase.cells).abs()[:, None, None])

        felt = pulled(phase)
        for _ in range(n_steps):
            noise = Noise(
                torch.randn(shape, dtype=torch.float64, generator=generator),
                torch.randn(cells.shape, dtype=torch.float64, generator=generator),
            )
            phase = integrator.before_forces(phase, felt, noise)
            felt = pulled(phase)
            phase = integrator.after_forces(phase, felt)
            look(integrator, phase, felt)


def atoms(n: int) -> Tensor:
    """Masses (n,) of light and heavy atoms in turn, eV fs²/Å²."""
    return torch.tensor([1.008, 12.011, 55.845], dtype=torch.float64).repeat(n)[:n] * AMU_ANG2_PER_FS2_EV


def one_structure(masses: Tensor, *, timestep_fs: float, temperature_k: float = TEMPERATURE_K) -> Crowd:
    """Atoms as one periodic structure under no pressure."""
    alone = crowd(masses, [len(masses)], timestep_fs=timestep_fs)
    return replace(alone, temperature_k=torch.full_like(alone.temperature_k, temperature_k))


def crowd(masses: Tensor, n_atoms: list[int], *, timestep_fs: float) -> Crowd:
    """Structures of so many atoms each, at one temperature."""
    counts, ones = torch.tensor(n_atoms), torch.ones(len(n_atoms), dtype=torch.float64)
    return Crowd(
        masses=masses,
        structure=torch.repeat_interleave(torch.arange(len(n_atoms)), counts),
        n_atoms=counts,
        pbc=torch.ones(len(n_atoms), 3, dtype=torch.bool),
        timestep_fs=timestep_fs * ones,
        temperature_k=TEMPERATURE_K * ones,
        pressure=0.0 * ones,
    )


def drawn(n: int) -> tuple[Crowd, Phase, Felt, Noise]:
    """So many structures of different size, somewhere in phase space; without an integrator's own numbers."""
    counts = [3 + 2 * index for index in range(n)]
    n_atoms, generator = sum(counts), torch.Generator().manual_seed(3)
    positions, momenta, forces, noise = torch.randn(4, n_atoms, 3, dtype=torch.float64, generator=generator)
    stress, cells, cell_noise = torch.randn(3, n, 3, 3, dtype=torch.float64, generator=generator)
    cells = 6 * torch.eye(3, dtype=torch.float64) + 0.3 * cells
    stress = 0.01 * (stress + stress.transpose(1, 2))
    many = crowd(atoms(n_atoms), counts, timestep_fs=0.7)
    phase = Phase(positions, momenta, cells, torch.zeros(n, 0, dtype=torch.float64))
    return many, phase, Felt(stress[:, 0, 0], forces, stress), Noise(noise, cell_noise)


def rows_of(many: Crowd, structures: list[int]) -> Rows:
    """Some of the structures, ascending."""
    chosen = torch.tensor(structures)
    return Rows(chosen, torch.isin(many.structure, chosen).nonzero().squeeze(1))


def crowd_of(many: Crowd, rows: Rows) -> Crowd:
    """What is known of them alone."""
    at = rows.structures
    found = crowd(many.masses[rows.atoms], many.n_atoms[at].tolist(), timestep_fs=1.0)
    return replace(
        found, timestep_fs=many.timestep_fs[at], temperature_k=many.temperature_k[at], pressure=many.pressure[at]
    )


def _tensors(*values: Phase | Felt | Noise) -> list[Tensor]:
    found = [getattr(value, name) for value in values for name in type(value).__slots__]
    return [one for one in found if one is not None]
