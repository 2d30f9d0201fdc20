"""Real density-functional theory through the pool: several labels at once, each what its engine gives alone."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from aims_pax.atoms import frame_of
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.labelling.workers.configuration import local_config
from aims_pax.labelling.workers.parsl import ParslPool
from aims_pax.protocols import LabelDone, LabelJob
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.dispersion import DispersionSettings
from aims_pax.settings.methods.engines import AbinitSettings, EspressoSettings, NwchemSettings
from aims_pax.settings.methods.reference import PyscfSettings, ReferencesBySystem, ReferenceSettings

from .. import programs

N_WORKERS = 2
N_EACH = 2
"""Labels of each reference."""

PYSCF = PyscfSettings(basis="sto-3g", grid_level=0, dispersion=DispersionSettings(xc="pbe"))

REFERENCES: dict[str, ReferenceSettings] = {
    "silicon-espresso": programs.espresso(),
    "silicon-gpaw": programs.gpaw(),
    "water-pyscf": PYSCF,
}


def structure(system: str, seed: int) -> Frame:
    atoms: Atoms = molecule("H2O") if system.startswith("water") else bulk("Si")
    atoms.rattle(0.03, seed=seed)
    return frame_of(atoms, system=system)


@pytest.mark.timeout(600)
def test_pool_labels_crystals_and_molecules_by_real_dft_side_by_side(tmp_path: Path) -> None:
    pytest.importorskip("pyscf")
    pytest.importorskip("dftd3")
    if (reason := programs.missing(programs.espresso())) is not None:
        pytest.skip(reason)
    installed = [system for system in REFERENCES if "gpaw" not in system or programs.missing(programs.gpaw()) is None]
    systems = [system for system in installed for _ in range(N_EACH)]
    jobs = [
        LabelJob(label_id, structure(system, label_id), tmp_path / "labels" / str(label_id))
        for label_id, system in enumerate(systems)
    ]
    pool = ParslPool(
        ReferencesBySystem(REFERENCES),
        local_config(N_WORKERS),
        want_stress=True,
        run_dir=tmp_path / "parsl",
        keep_files=True,
    )
    done: dict[int, LabelDone] = {}
    try:
        for job in jobs:
            pool.submit(job)
        while pool.n_in_flight:
            done |= {one.label_id: one for one in pool.collect(timeout_s=300.0)}
    finally:
        pool.close()
    assert sorted(done) == list(range(len(jobs)))
    for job in jobs:
        label = done[job.label_id].result
        assert isinstance(label, Label), label
        assert (label.stress is not None) == job.frame.pbc.all()
        assert np.abs(label.forces.sum(axis=0)).max() < 0.02  # what the grids of these coarse settings leave
    # Engines that write files leave them here, in folders that bear the worker's process number.
    workers = {folder.name.split("-")[-2] for folder in (tmp_path / "labels").glob("*/attempt-*")}
    assert len(workers) == N_WORKERS
    for job in jobs[::N_EACH]:
        alone = build_reference(REFERENCES[job.frame.system]).label(
            job.frame, folder=tmp_path / "alone" / str(job.label_id), want_stress=True
        )
        pooled = done[job.label_id].result
        assert isinstance(alone, Label)
        assert isinstance(pooled, Label)
        assert pooled.reference == alone.reference
        assert pooled.energy == pytest.approx(alone.energy, abs=1e-6)
        np.testing.assert_allclose(pooled.forces, alone.forces, atol=1e-4)


@pytest.mark.parametrize(
    "settings", [programs.espresso(), programs.abinit(), programs.nwchem()], ids=lambda one: one.type
)
def test_copies_that_a_launcher_of_another_mpi_starts_are_no_label(
    settings: EspressoSettings | AbinitSettings | NwchemSettings, tmp_path: Path
) -> None:
    """Each of them ends well, and takes as long as all of the work."""
    if (reason := programs.missing(settings)) is not None:
        pytest.skip(reason)
    launcher = tmp_path / "launcher.sh"  # does what that launcher does
    launcher.write_text('#!/bin/bash\nshift 2\n"$@" &\n"$@"\nwait\n', encoding="utf-8")
    launcher.chmod(0o755)
    twice = settings.model_copy(update={"command": f"{launcher} -n 2 {settings.command}"})
    frame = structure("water" if settings.type == "nwchem" else "silicon", 1)
    found = build_reference(twice).label(frame, folder=tmp_path / "label", want_stress=False)
    assert isinstance(found, LabelFailure)
    assert found.reason is FailureReason.CRASHED
    assert "2 copies of it ran side by side" in found.message
