"""Every fault that docs/durability.md names, provoked on real workers, and a campaign that lives with many of them."""

import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from aims_pax.atoms import frame_of
from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure
from aims_pax.errors import CampaignStopped
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure, Stage
from aims_pax.labelling.desk import LabelDesk
from aims_pax.labelling.faults import REMEDIES
from aims_pax.labelling.workers.config_file import load_config
from aims_pax.labelling.workers.parsl import ParslPool
from aims_pax.outcome.results import read_summary
from aims_pax.settings.methods.reference import (
    AseCalculatorSettings,
    PyscfSettings,
    ReferencesBySystem,
    ReferenceSettings,
    TbliteSettings,
)

from ..aims.standin import COMMAND, aims_input
from ..faults.faulty_engines import fate, structure
from .engines import emt
from .projects import copper, copper_project, jobs_of, labels_of
from .test_campaign_programs import processes_of, start

FAULTS = Path(__file__).parents[1] / "faults"
"""Where the engines are that workers import, and the configuration."""

WITHIN_S = 120.0


def faulty(manner: str, token: Path | None = None, **limits: float) -> AseCalculatorSettings:
    arguments = {"manner": manner} if token is None else {"manner": manner, "token": str(token)}
    return AseCalculatorSettings(calculator="faulty_engines:Faulty", arguments=arguments, **limits)


@dataclass(frozen=True)
class Fault:
    """What is wrong with a reference, and what must be said of it."""

    settings: ReferenceSettings
    atoms: Atoms
    reason: FailureReason
    words: str


FAULTY = {
    "SCF of tblite": Fault(
        TbliteSettings(max_iterations=2), molecule("H2O"), FailureReason.NOT_CONVERGED, r"not converged in 2 cycles"
    ),
    "SCF of PySCF": Fault(
        PyscfSettings(max_cycle=1, basis="sto-3g"),
        molecule("H2O"),
        FailureReason.NOT_CONVERGED,
        r"SCF not converged in 1 cycles \(REFERENCE.max_cycle\)",
    ),
    "SCF of FHI-aims": Fault(
        aims_input("xc pbe\nsc_iter_limit 2\npostprocess_anyway .true.\n"),
        molecule("H2O"),
        FailureReason.NOT_CONVERGED,
        r"FHI-aims did not reach self-consistency in 2 cycles",
    ),
    "forces are NaN": Fault(faulty("nan"), copper(), FailureReason.UNPHYSICAL, "forces or stress are not finite"),
    "energy is infinite": Fault(faulty("no energy"), copper(), FailureReason.UNPHYSICAL, "the energy is inf eV"),
    "absurd forces": Fault(
        faulty("absurd"),
        copper(),
        FailureReason.KEPT_OUT,
        r"the force on atom 0 \(Z = 29\) is 17320.5 eV/Å, beyond REFERENCE.max_force_ev_per_ang = 30 eV/Å",
    ),
    "wrong number of atoms": Fault(
        faulty("fewer atoms"), copper(), FailureReason.UNPHYSICAL, r"shape \(3, 3\) where \(4, 3\) was expected"
    ),
    "walltime": Fault(
        faulty("hang", walltime_s=2.0), copper(), FailureReason.WALLTIME, "not finished after 2 s, and ended"
    ),
    "engine raises": Fault(faulty("raise"), copper(), FailureReason.CRASHED, "the basis set is exhausted"),
    "program stops": Fault(
        aims_input("xc pbe # standin: aborted\n"),
        molecule("H2O"),
        FailureReason.CRASHED,
        r"aims_allocate: Allocation of array hamiltonian failed",
    ),
    "output cut short": Fault(
        aims_input("xc pbe # standin: cut-short\n"),
        molecule("H2O"),
        FailureReason.CUT_SHORT,
        "without its closing line: the output is cut short",
    ),
    "out of memory": Fault(faulty("memory"), copper(), FailureReason.OUT_OF_MEMORY, r"Unable to allocate 1\.00 EiB"),
    "killed from outside": Fault(
        aims_input("xc pbe # standin: killed\n"), molecule("H2O"), FailureReason.OUT_OF_MEMORY, "ended by SIGKILL"
    ),
    "worker lost, always": Fault(faulty("worker"), copper(), FailureReason.WORKER_LOST, r"loss of worker \d+ on host"),
}


@dataclass(frozen=True)
class Provoked:
    """What became of a label.

    Parameters
    ----------
    last : Label or LabelFailure
    failures : list of LabelFailure
        Those that the run's books hold, oldest first.
    """

    last: Label | LabelFailure
    failures: list[LabelFailure]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the files that make a reference fail once."""
    return tmp_path_factory.mktemp("tokens")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory, tokens: Path) -> Iterator[ParslPool]:
    """Three workers that label each system by the reference of its name."""
    references = {name: fault.settings for name, fault in FAULTY.items()}
    references |= {manner: faulty(manner, tokens / manner) for manner in ("worker", "block")}
    references |= {manner: faulty(manner) for manner in ("write", "purge", "none")}
    references["FHI-aims"] = aims_input("xc pbe\n", command=str(tokens / "aims.x"))
    config = load_config(FAULTS / "attentive.py", worker_init=f"export PYTHONPATH={FAULTS}:$PYTHONPATH")
    opened = ParslPool(
        ReferencesBySystem(references), config, want_stress=False, run_dir=tmp_path_factory.mktemp("faults") / "parsl"
    )
    yield opened
    opened.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "run") as opened:
        yield opened


def desk_of(store: RunStore, pool: ParslPool, folder: Path, scratch: Path | None = None) -> LabelDesk:
    place = RunFolder(folder / "run", scratch or folder / "calculations")
    return LabelDesk(store, pool, place, Stage.ACTIVE, keeps_folders=False, departure=Departure())


def ask(desk: LabelDesk, store: RunStore, *frames: Frame) -> list[int]:
    with store.transaction():
        numbers = [desk.request(frame) for frame in frames]
    for number in numbers:
        desk.send(number)
    return numbers


def answered(desk: LabelDesk, store: RunStore) -> dict[int, Provoked]:
    """What becomes of all labels in flight, by their numbers."""
    deadline = time.monotonic() + WITHIN_S
    answers = {}
    while desk.n_in_flight:
        assert time.monotonic() < deadline, f"{desk.n_in_flight} labels have not come"
        for done in desk.collect(timeout_s=1.0):
            with store.transaction():
                answer = desk.record(done)
            desk.tidy(answer)
            answers[answer.label_id] = Provoked(answer.result, store.failures_of(answer.label_id))
    return answers


def frame(system: str, atoms: Atoms, number: int = 1) -> Frame:
    return frame_of(atoms, system=system, md_step=number)


@pytest.fixture(scope="module")
def provoked(pool: ParslPool, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Provoked]:
    """What becomes of a label for each of the faults, all of them under way at the same time."""
    folder = tmp_path_factory.mktemp("provoked")
    with RunStore.open(folder / "run") as store:
        desk = desk_of(store, pool, folder)
        frames = [frame(name, fault.atoms, number) for number, (name, fault) in enumerate(FAULTY.items())]
        numbers = ask(desk, store, *frames)
        found = answered(desk, store)
    return {name: found[number] for name, number in zip(FAULTY, numbers, strict=True)}


@pytest.mark.parametrize("name", FAULTY)
def test_fault_is_a_failure_with_its_reason_and_words(provoked: dict[str, Provoked], name: str) -> None:
    expected, found = FAULTY[name], provoked[name]
    assert isinstance(found.last, LabelFailure)
    assert found.last.reason is expected.reason, found.last
    assert re.search(expected.words, found.last.message), found.last.message


@pytest.mark.parametrize("name", FAULTY)
def test_fault_is_tried_as_often_as_the_table_says_and_each_attempt_is_kept(
    provoked: dict[str, Provoked], name: str
) -> None:
    failures = provoked[name].failures
    n_attempts = REMEDIES[FAULTY[name].reason].n_attempts
    assert n_attempts is not None
    assert [one.reason for one in failures] == [FAULTY[name].reason] * n_attempts
    if FAULTY[name].reason.is_infrastructure:
        return  # who computed it left nothing
    folders = {Path(str(one.folder)) for one in failures}
    assert len(folders) == n_attempts, "each attempt has a folder of its own"
    assert all((folder / "failure.txt").is_file() for folder in folders)


@pytest.mark.parametrize("manner", ["worker", "block"])
def test_label_survives_the_loss_of_what_computes_it(
    pool: ParslPool, store: RunStore, tokens: Path, tmp_path: Path, manner: str
) -> None:
    (tokens / manner).touch()
    desk = desk_of(store, pool, tmp_path)
    # More labels than workers, so that some of them are lost with the block, and others are still to come.
    others = [frame("none", rattled(number), number) for number in range(2, 8)]
    (number, *_) = ask(desk, store, frame(manner, copper()), *others)
    found = answered(desk, store)
    assert not (tokens / manner).exists(), "it was lost"
    assert isinstance(found[number].last, Label)
    assert all(isinstance(one.last, Label) for one in found.values())


def rattled(number: int) -> Atoms:
    atoms = copper()
    atoms.rattle(0.02, seed=number)
    return atoms


def scratch_is_full(scratch: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(scratch)], check=True)


def scratch_is_read_only(scratch: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(scratch)], check=True)
    subprocess.run(["mount", "-o", "remount,ro", str(scratch)], check=True)


@dataclass(frozen=True)
class Scratch:
    """How the disk that labels are computed on is spoilt, and mended, and what is said of it."""

    spoil: Callable[[Path], None]
    words: str
    mend: tuple[str, ...]


SPOILT = {
    "full": Scratch(scratch_is_full, "No space left on device", ("mount", "-o", "remount,size=8m")),
    "read-only": Scratch(scratch_is_read_only, "Read-only file system", ("mount", "-o", "remount,rw")),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
@pytest.mark.parametrize("how", SPOILT)
def test_campaign_stops_at_a_spoilt_scratch_disk_and_goes_on_when_it_is_mended(
    pool: ParslPool, store: RunStore, tmp_path: Path, how: str
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    try:
        SPOILT[how].spoil(scratch)
    except subprocess.CalledProcessError:
        pytest.skip("no disk can be mounted here")
    try:
        message = stopped(desk_of(store, pool, tmp_path, scratch), store, frame("write", copper()))
        assert f"{FailureReason.SCRATCH}" in message
        assert SPOILT[how].words in message
        subprocess.run([*SPOILT[how].mend, str(scratch)], check=True)
        assert_label_comes_after_resuming(desk_of(store, pool, tmp_path, scratch), store)
    finally:
        subprocess.run(["umount", str(scratch)], check=True)


def test_campaign_stops_when_scratch_folders_vanish_under_calculations(
    pool: ParslPool, store: RunStore, tmp_path: Path
) -> None:
    message = stopped(desk_of(store, pool, tmp_path), store, frame("purge", copper()))
    assert f"{FailureReason.SCRATCH}" in message
    assert "No such file or directory" in message


def test_campaign_stops_without_its_engine_and_goes_on_when_that_is_there(
    pool: ParslPool, store: RunStore, tokens: Path, tmp_path: Path
) -> None:
    message = stopped(desk_of(store, pool, tmp_path), store, frame("FHI-aims", molecule("H2O")))
    assert f"{FailureReason.MISSING_EXECUTABLE}" in message
    assert f"{tokens / 'aims.x'} was not found" in message
    (tokens / "aims.x").write_text(f"#!/bin/sh\nexec {COMMAND}\n", encoding="utf-8")
    (tokens / "aims.x").chmod(0o755)
    assert_label_comes_after_resuming(desk_of(store, pool, tmp_path), store)


def stopped(desk: LabelDesk, store: RunStore, wanted: Frame) -> str:
    """What a campaign says when it stops because of this label, which must stay in its books."""
    (number,) = ask(desk, store, wanted)
    with pytest.raises(CampaignStopped, match="No structure is to blame") as caught:
        answered(desk, store)
    assert [job.label_id for job in store.jobs(JobStatus.SUBMITTED)] == [number]
    return str(caught.value)


def assert_label_comes_after_resuming(desk: LabelDesk, store: RunStore) -> None:
    (number,) = (job.label_id for job in store.jobs(JobStatus.SUBMITTED))
    assert desk.resume() == []
    assert isinstance(answered(desk, store)[number].last, Label)


FAILING, DEADLY = 0.3, 0.2
"""Shares of the structures whose label fails, and of the calculations that take their worker along."""

REASONS = {
    "raise": FailureReason.CRASHED,
    "nan": FailureReason.UNPHYSICAL,
    "absurd": FailureReason.KEPT_OUT,
    "not converged": FailureReason.NOT_CONVERGED,
}


def unreliable_project(folder: Path, log: Path, *, n_training: int) -> Path:
    """A campaign of copper on three workers with a reference that can't be relied upon."""
    arguments = {"log": str(log), "failing": FAILING, "deadly": DEADLY, "wall_s": 0.05}
    return copper_project(
        folder,
        changes={
            "REFERENCE": {"calculator": "faulty_engines:Unreliable", "arguments": arguments},
            "CLUSTER": {"type": "parsl", "parsl_config": str(FAULTS / "attentive.py")},
            "ACTIVE_LEARNING": {
                "c_x": -0.3,  # the threshold is so low that nearly every check asks for a label
                "num_trajectories": 6,
                "epochs_per_worker": 1,
                "max_train_set_size": n_training,
            },
        },
    )


@pytest.mark.parametrize("n_training", [10, pytest.param(120, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_campaign_reaches_its_size_though_labels_fail_and_workers_die(tmp_path: Path, n_training: int) -> None:
    log = tmp_path / "log"
    folder = unreliable_project(tmp_path / "project", log, n_training=n_training)
    campaign = start(folder, FAULTS)
    said, _ = campaign.communicate(timeout=250 + 5 * n_training)
    assert campaign.returncode == 0, said
    summary = read_summary(folder / "results").content
    jobs = {job.label_id: job for stage in Stage for job in jobs_of(folder, stage)}
    dataset = labels_of(folder)
    assert summary["stopped_because"]["active"] == "the training set has reached max_train_set_size"

    done = {number for number, job in jobs.items() if job.status is JobStatus.DONE}
    failed = jobs.keys() - done
    assert {jobs[number].status for number in failed} <= {JobStatus.FAILED}, "nothing is lost"
    assert sorted(one.label_id for one in dataset) == sorted(done)
    for one in dataset:
        energy, forces = emt(one.frame.positions, "Cu4")
        assert np.array_equal(one.frame.positions, jobs[one.label_id].frame.positions)
        np.testing.assert_allclose(one.label.forces, forces, atol=1e-12)
        assert one.label.energy == pytest.approx(energy, abs=1e-12)

    ends = [line.split(",") for line in log.read_text(encoding="utf-8").splitlines()]
    computed = Counter(geometry for end, geometry in ends if end == "label")
    assert computed == Counter(structure(jobs[number].frame.positions) for number in done), "nothing is doubled"
    with RunStore.open_readonly(folder) as store:
        failures = {number: store.failures_of(number) for number in jobs}
    for number in failed:
        end = fate(structure(jobs[number].frame.positions), FAILING)
        assert failures[number][-1].reason in (REASONS.get(end), FailureReason.WORKER_LOST), failures[number]

    n_deaths = sum(end == "death" for end, _ in ends)
    print(f"{len(jobs)} labels asked, {len(failed)} failed, {n_deaths} workers died in {len(ends)} calculations")
    print(f"faults in summary.json: {summary['faults']}")
    faults, attempts = summary["faults"], [one for some in failures.values() for one in some]
    assert faults["attempts_failed"] == Counter(str(one.reason) for one in attempts)
    assert faults["labels_given_up"] == Counter(str(failures[number][-1].reason) for number in failed)
    assert faults["asked_again"] == len(attempts) - len(failed)
    assert faults["attempts_lost_with_workers"] == n_deaths
    assert failed, "some of them do fail"
    assert n_deaths, "some of them do die"
    assert summary["labels"]["failed"] == len(failed)
    assert said.count("Traceback") == 0
    assert processes_of(folder) == []
