"""Processes with quippy: what they are told, what they say, and what becomes of a run when one of them ends."""

import io
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from aims_pax.batch import AtomBatch
from aims_pax.committee.forces import CommitteeForces
from aims_pax.committee.gap import installation
from aims_pax.committee.gap.checkpoint import GapDesign
from aims_pax.committee.gap.committee import GapCommittee
from aims_pax.committee.gap.fitting import Task, fitted
from aims_pax.committee.gap.installation import LICENCE, why_no_gap
from aims_pax.committee.gap.potential import GapPotential
from aims_pax.committee.gap.predictor import QUIPPY, load_gaps
from aims_pax.committee.hosted.hosts import hosts_of
from aims_pax.committee.hosted.messages import MAGIC, read_block, write_block
from aims_pax.errors import ModelError
from aims_pax.frame import Frame, LabelledFrame
from aims_pax.protocols import GivesStress
from aims_pax.sampling import BatchedSampler, Segment, TrajectoryStart
from aims_pax.sampling.dynamics.langevin import Langevin
from aims_pax.testing.contracts.structures import cluster, crystal, points, rattled

pytest.importorskip("quippy", reason="GAP needs quippy-ase")
pytestmark = pytest.mark.process

OPTIONS = (
    "gap={distance_2b cutoff=4.0 cutoff_transition_width=1.0 n_sparse=6 covariance_type=ard_se delta=1.0 "
    "theta_uniform=1.0 sparse_method=uniform} default_sigma={0.001 0.01 0.01 0.0}"
)


@pytest.fixture(scope="module")
def committee() -> GapCommittee:
    """Two members that have learned six structures of copper."""
    design = GapDesign("gap", (1, 2), OPTIONS, (29,), learns_stress=True)
    committee = GapCommittee.build(design, points(6, 2), atomic_energies_ev={29: -1.5})
    committee.train(1)
    return committee


def batch_of(*frames: Frame) -> AtomBatch:
    return AtomBatch.from_frames(frames, 4.0)


def test_a_block_is_read_as_it_was_written_and_holds_no_objects() -> None:
    stream = io.BytesIO()
    write_block(stream, {"kind": "compute", "positions": np.eye(3)})
    stream.seek(0)
    found = read_block(stream)
    assert str(found["kind"]) == "compute"
    assert np.array_equal(found["positions"], np.eye(3))
    with pytest.raises(EOFError, match="has ended"):
        read_block(stream)
    stream = io.BytesIO(MAGIC + (99).to_bytes(8, "little") + (0).to_bytes(8, "little"))
    with pytest.raises(ValueError, match="version 1"):
        read_block(stream)


def test_a_process_that_ends_is_started_once_more(committee: GapCommittee) -> None:
    batch = batch_of(rattled(cluster(), 50))
    before = committee.evaluate(batch).forces
    for host in hosts_of(os.getpid(), QUIPPY)._hosts:
        if host._child is not None:
            os.kill(host._child.pid, signal.SIGKILL)
            host._child.wait()
    assert torch.equal(committee.evaluate(batch).forces, before)


def test_a_process_that_can_not_be_kept_is_told(committee: GapCommittee, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = hosts_of(os.getpid(), QUIPPY)
    for host in hosts._hosts:
        host._forget()
    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # so that no interpreter comes up
    with pytest.raises(ModelError, match="has ended twice"):
        committee.evaluate(batch_of(rattled(cluster(), 50)))


def test_a_structure_that_is_nowhere_gets_no_forces_and_the_others_theirs(committee: GapCommittee) -> None:
    sound, lost = rattled(cluster(), 50), replace(cluster(), positions=np.full((4, 3), np.nan))
    alone = committee.evaluate(batch_of(sound), want_stress=True)
    both = batch_of(sound, sound).at(torch.cat([batch_of(sound).positions, torch.as_tensor(lost.positions)]))
    said = committee.evaluate(both, want_stress=True)
    assert torch.equal(said.forces[:, :4], alone.forces)
    assert said.forces[:, 4:].isnan().all()
    assert said.energies[:, 1].isnan().all()


def test_stress_is_the_slope_of_the_energy_with_strain(committee: GapCommittee) -> None:
    frame, strain = rattled(crystal(), 51), 1e-4
    said = committee.predict([frame], want_stress=True)[0]
    assert said.stress is not None
    slopes = []
    for sign in (1, -1):
        deformed = np.eye(3) + sign * strain * np.diag([1.0, 0.0, 0.0])
        moved = replace(frame, positions=frame.positions @ deformed, cell=frame.cell @ deformed)
        slopes.append(sign * committee.predict([moved])[0].energies)
    slope = np.sum(slopes, axis=0) / (2 * strain) / np.linalg.det(frame.cell)
    np.testing.assert_allclose(said.stress[:, 0], slope, atol=1e-5)  # second order in the strain


def test_layers_see_no_images_across_the_vacuum(committee: GapCommittee) -> None:
    """However near the next cell would be along a direction that does not repeat."""
    pbc = np.array([True, True, False])
    near, far = (replace(rattled(crystal(), 5), pbc=pbc, cell=np.diag([3.6, 3.6, height])) for height in (3.6, 30.0))
    said = committee.predict([near, far])
    np.testing.assert_allclose(said[0].forces, said[1].forces, atol=1e-10)


def test_md_runs_by_a_committee_and_conserves_energy(committee: GapCommittee, tmp_path: Path) -> None:
    driver = CommitteeForces(load_gaps(committee.export(tmp_path, "gap")))
    assert isinstance(driver, GivesStress)
    nve = Segment(Langevin(0.0), timestep_fs=1.0, temperature_k=100.0)
    frames = [replace(cluster(), trajectory=0), replace(crystal(), trajectory=1)]
    starts = [TrajectoryStart(frame, (nve,), seed) for seed, frame in enumerate(frames)]
    sampler = BatchedSampler(starts, driver, device="cpu")
    before = [sampler.total_energy(one) for one in (0, 1)]
    sampler.advance([0, 1], 40)
    after = [sampler.total_energy(one) for one in (0, 1)]
    np.testing.assert_allclose(after, before, atol=5e-3)  # of four atoms at 100 K, some 0.1 eV of kinetic energy


def test_equal_seeds_and_points_are_equal_files(committee: GapCommittee, tmp_path: Path) -> None:
    again = GapCommittee.build(committee._design, points(6, 2)[::-1], atomic_energies_ev={29: -1.5})
    again.train(3)
    (tmp_path / "again").mkdir()
    pairs = zip(committee.export(tmp_path, "gap"), again.export(tmp_path / "again", "gap"), strict=True)
    texts = [[path.read_bytes() for path in pair] for pair in pairs]
    assert all(one == other for one, other in texts)
    assert texts[0][0] != texts[1][0]


def test_a_fit_is_made_where_points_have_changed_and_nowhere_else(
    committee: GapCommittee, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: list[str] = []

    def noted(task: Task, learned: Sequence[LabelledFrame]) -> GapPotential:
        fits.append(task.name)
        return fitted(task, learned)

    monkeypatch.setattr("aims_pax.committee.gap.committee.fitted", noted)
    again = GapCommittee.build(committee._design, points(4, 1), atomic_energies_ev={29: -1.5})
    again.train(3)
    again.train(2)
    assert sorted(fits) == ["gap_1", "gap_2"]
    again.add([replace(one, member=0) for one in points(1, first_id=40)])
    again.train(1)
    assert fits[2:] == ["gap_1"]


def test_a_fit_that_fails_says_what_gap_fit_has_said(
    committee: GapCommittee, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And keeps its folder."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    design = replace(committee._design, options=OPTIONS.replace("distance_2b", "distance_2c"))
    broken = GapCommittee.build(design, points(2), atomic_energies_ev={29: 0.0})
    with pytest.raises(ModelError, match="gap_fit has not fitted gap_1"):
        broken.train(1)
    assert list(tmp_path.glob("aims-pax-gap-*/gap_fit.out"))


def test_a_missing_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_package", lambda: None)
    problem = why_no_gap()
    assert problem is not None
    assert "aims-pax[gap]" in problem.advice
    with pytest.raises(ModelError, match="quippy-ase is not installed"):
        installation.gap_fit_program()
    assert "non-commercial" in LICENCE
