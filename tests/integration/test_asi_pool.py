"""Libraries in Parsl's workers: started once for each worker, and gone with it."""

import time
from pathlib import Path

import pytest
from ase.build import molecule

from aims_pax.atoms import frame_of
from aims_pax.frame import Frame, Label
from aims_pax.labelling.workers.configuration import local_config
from aims_pax.labelling.workers.parsl import ParslPool
from aims_pax.protocols import LabelDone, LabelJob

from ..asi import libraries

pytestmark = pytest.mark.skipif(libraries.missing() is not None, reason=str(libraries.missing()))

N_LABELS = 8


def water(step: int) -> Frame:
    atoms = molecule("H2O")
    atoms.rattle(0.05, seed=step)
    return frame_of(atoms, system="water", md_step=step)


@pytest.mark.parametrize("launch", [None, f"{libraries.PROGRAMS}/mpiexec -n 2"], ids=["serial", "two ranks"])
def test_a_worker_starts_the_library_once_for_all_its_labels(launch: str | None, tmp_path: Path) -> None:
    log = tmp_path / "log"
    settings = libraries.lennard_jones_input(launch=launch, log=log)
    pool = ParslPool(settings, local_config(1), want_stress=False, run_dir=tmp_path / "parsl")
    try:
        for step in range(N_LABELS):
            pool.submit(LabelJob(step, water(step), tmp_path / "labels" / str(step)))
        done: list[LabelDone] = []
        deadline = time.monotonic() + 120
        while len(done) < N_LABELS and time.monotonic() < deadline:
            done += pool.collect(timeout_s=120.0)
    finally:
        pool.close()
    assert [one.result for one in done if not isinstance(one.result, Label)] == []
    assert {one.label_id for one in done} == set(range(N_LABELS))
    events = [line.split() for line in log.read_text().splitlines()]
    ranks = 1 if launch is None else 2
    assert [what for what, *_ in events].count("start") == ranks
    assert [what for what, *_ in events].count("run") == N_LABELS * ranks
    deadline = time.monotonic() + 10
    hosts = {Path("/proc") / pid for _, pid, *_ in events}
    while any(host.exists() for host in hosts) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [host for host in hosts if host.exists()] == []
