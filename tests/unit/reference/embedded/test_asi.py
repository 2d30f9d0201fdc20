"""Engines as libraries: real MPI, real processes, small engines of our own behind the interface."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from aims_pax.atoms import frame_of
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.reference.process.supervised import Supervised
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.asi import AsiInput, AsiSettings, read_asi_inputs
from aims_pax.settings.methods.fhi_aims import Asked
from aims_pax.settings.systems import System

from ....asi import libraries

pytestmark = pytest.mark.skipif(libraries.missing() is not None, reason=str(libraries.missing()))

MPIEXEC = str(libraries.PROGRAMS / "mpiexec")
RANKS = pytest.mark.parametrize("launch", [None, f"{shlex.quote(MPIEXEC)} -n 2"], ids=["serial", "two ranks"])
ABORT, UNCONVERGED, HANG, LAST_RANK_ABORT, LAST_RANK_HANG, EXIT = range(1, 7)
"""Faults of tests/asi/asi.c, asked for by the x of the first atom."""


def water(fault: int = 0, seed: int = 1) -> Frame:
    atoms = molecule("H2O")
    atoms.rattle(0.05, seed=seed)
    if fault:
        atoms.positions += [1000.0 + fault - atoms.positions[0, 0], 0, 0]
    return frame_of(atoms, system="water")


def diamond() -> Frame:
    atoms = bulk("C", cubic=True)
    atoms.rattle(0.05, seed=3)
    return frame_of(atoms, system="diamond")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("asi")


@pytest.fixture(scope="module")
def lennard_jones(folder: Path) -> Path:
    return libraries.build("lennard_jones", folder)


@pytest.fixture(scope="module")
def tblite(folder: Path) -> Path:
    return libraries.build("tblite", folder)


def read(settings: dict[str, Any], frame: Frame, project: Path, *, control: str = libraries.CONTROL) -> AsiInput:
    """The settings with the input of one structure, as a project would read them."""
    (project / "control.in").write_text(control + ("k_grid 1 1 1\n" if frame.pbc.any() else ""))
    species = libraries.species_dir(project / "species", (1, "H"), (6, "C"), (8, "O"))
    log = {"ASI_TEST_LOG": str(project / "log"), "OMP_NUM_THREADS": "1"}
    written = AsiSettings.model_validate(
        {"type": "asi", "species_dir": species, **settings, "environment": log | settings.get("environment", {})}
    )
    (inputs, problems) = read_asi_inputs(written, Asked(project, (System("one", frame),), 1, want_stress=True))
    assert problems == []
    return inputs["one"]


def events(project: Path) -> list[tuple[str, int, int, int]]:
    """What the library did: what, process, rank, number of ranks."""
    lines = [line.split() for line in (project / "log").read_text().splitlines()]
    return [(what, int(pid), int(rank), int(size)) for what, pid, rank, size in lines]


def starts(project: Path) -> int:
    """How often the library was started, on however many ranks."""
    return sum(what == "start" and rank == 0 for what, _, rank, _ in events(project))


def alive(project: Path) -> list[int]:
    return [pid for pid in {pid for _, pid, _, _ in events(project)} if Path(f"/proc/{pid}").exists()]


@pytest.fixture(params=[None, f"{shlex.quote(MPIEXEC)} -n 2"], ids=["serial", "two ranks"])
def reference(request: pytest.FixtureRequest, lennard_jones: Path, tmp_path: Path) -> Iterator[Supervised]:
    settings = {"library": lennard_jones, "launch": request.param, "walltime_s": 60.0}
    reference = build_reference(read(settings, water(), tmp_path))
    assert isinstance(reference, Supervised)
    yield reference
    reference.close()


def failure_of(reference: Supervised, frame: Frame, folder: Path) -> LabelFailure:
    result = reference.label(frame, folder=folder, want_stress=False)
    assert isinstance(result, LabelFailure), result
    return result


def label_of(reference: Any, frame: Frame, folder: Path, *, want_stress: bool = False) -> Label:
    result = reference.label(frame, folder=folder, want_stress=want_stress)
    assert isinstance(result, Label), result
    return result


@RANKS
def test_a_real_engine_behind_the_interface_gives_its_own_numbers(
    launch: str | None, tblite: Path, tmp_path: Path
) -> None:
    from tblite.ase import TBLite

    settings = {
        "library": tblite,
        "launch": launch,
        "environment": {"TBLITE_LIBRARY": str(libraries.tblite_library())},
    }
    for frame in (water(), water(seed=2), diamond()):
        reference = build_reference(read(settings, frame, tmp_path))
        label = label_of(reference, frame, tmp_path / "label", want_stress=True)
        atoms = Atoms(numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)
        atoms.calc = TBLite(method="GFN2-xTB", accuracy=0.01, verbosity=0)
        assert label.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
        np.testing.assert_allclose(label.forces, atoms.get_forces(), atol=1e-6)
        if frame.pbc.all():
            assert label.stress is not None
            np.testing.assert_allclose(label.stress, atoms.get_stress(), atol=1e-6)
        reference.close()


def test_one_start_serves_all_structures_of_a_system(
    reference: Supervised, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    energies = [label_of(reference, water(seed=seed), tmp_path / "label").energy for seed in range(4)]
    assert len(set(energies)) == 4
    assert starts(tmp_path) == 1
    reference.close()
    size = 1 if request.node.callspec.params["reference"] is None else 2
    assert events(tmp_path)[0][3] == size
    assert [what for what, *_ in events(tmp_path)].count("run") == 4 * size
    assert [what for what, *_ in events(tmp_path)].count("end") == size
    assert alive(tmp_path) == []


def test_other_atoms_or_another_periodicity_need_another_start(reference: Supervised, tmp_path: Path) -> None:
    frame = water()
    first = label_of(reference, frame, tmp_path / "label")
    order = np.array([2, 0, 1])
    swapped = replace(frame, numbers=frame.numbers[order], positions=frame.positions[order])
    again = label_of(reference, swapped, tmp_path / "label")
    assert again.energy == pytest.approx(first.energy, abs=1e-9)
    assert starts(tmp_path) == 2
    boxed = replace(frame, cell=np.eye(3) * 20.0, pbc=np.ones(3, dtype=np.bool_))
    assert label_of(reference, boxed, tmp_path / "label", want_stress=True).stress is not None
    assert starts(tmp_path) == 3


def test_no_self_consistency_is_a_failure_and_the_next_label_starts_afresh(
    reference: Supervised, tmp_path: Path
) -> None:
    failed = failure_of(reference, water(UNCONVERGED), tmp_path / "failed")
    assert failed.reason is FailureReason.NOT_CONVERGED
    assert (tmp_path / "failed" / "structure.extxyz").is_file()
    label_of(reference, water(), tmp_path / "label")
    assert starts(tmp_path) == 2


@pytest.mark.parametrize("fault", [ABORT, LAST_RANK_ABORT, EXIT], ids=["abort", "last rank aborts", "exit"])
def test_a_crash_is_a_failure_and_the_next_label_works(reference: Supervised, tmp_path: Path, fault: int) -> None:
    label_of(reference, water(), tmp_path / "label")
    failed = failure_of(reference, water(fault), tmp_path / "failed")
    assert failed.reason is FailureReason.CRASHED
    assert "ended" in failed.message
    if fault != EXIT:
        assert "abort as it was told" in (tmp_path / "failed" / "failure.txt").read_text()
    assert alive(tmp_path) == []
    label_of(reference, water(), tmp_path / "label")


@pytest.mark.parametrize("fault", [HANG, LAST_RANK_HANG], ids=["all ranks", "last rank"])
@RANKS
def test_a_hanging_label_is_ended_with_all_its_ranks_and_the_next_one_works(
    launch: str | None, fault: int, lennard_jones: Path, tmp_path: Path
) -> None:
    settings = {"library": lennard_jones, "launch": launch, "walltime_s": 4.0}
    reference = build_reference(read(settings, water(), tmp_path))
    label_of(reference, water(), tmp_path / "label")
    failed = failure_of(reference, water(fault), tmp_path / "failed")
    assert failed.reason is FailureReason.WALLTIME
    assert alive(tmp_path) == []
    label_of(reference, water(), tmp_path / "label")
    reference.close()


@RANKS
def test_an_input_that_the_library_refuses_is_a_failure_with_its_words(
    launch: str | None, lennard_jones: Path, tmp_path: Path
) -> None:
    settings = {"library": lennard_jones, "launch": launch}
    reference = build_reference(read(settings, water(), tmp_path, control=libraries.CONTROL + "refuse_input\n"))
    failed = failure_of(reference, water(), tmp_path / "failed")
    assert failed.reason is FailureReason.CRASHED
    assert "this input is refused" in (tmp_path / "failed" / "failure.txt").read_text()
    reference.close()


@RANKS
def test_a_file_that_is_no_library_is_missing_and_says_why(launch: str | None, tmp_path: Path) -> None:
    (tmp_path / "libaims.so").write_text("no library")
    reference = build_reference(read({"library": tmp_path / "libaims.so", "launch": launch}, water(), tmp_path))
    failed = failure_of(reference, water(), tmp_path / "failed")
    assert failed.reason is FailureReason.MISSING_EXECUTABLE
    assert "libaims.so can't be loaded" in failed.message
    reference.close()


def test_a_library_of_another_interface_is_a_failure_with_asi4pys_words(folder: Path, tmp_path: Path) -> None:
    source = folder / "empty.c"
    source.write_text("int nothing(void) { return 0; }\n")
    library = folder / "libempty.so"
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", library], check=True)
    reference = build_reference(read({"library": library}, water(), tmp_path))
    failed = failure_of(reference, water(), tmp_path / "failed")
    assert failed.reason is FailureReason.CRASHED
    assert "the library did not start" in failed.message
    reference.close()


def test_a_library_that_does_not_tell_convergence_is_believed(folder: Path, tmp_path: Path) -> None:
    library = libraries.build("lennard_jones", folder, "-DSILENT")
    reference = build_reference(read({"library": library}, water(), tmp_path))
    assert np.isfinite(label_of(reference, water(), tmp_path / "label").energy)
    reference.close()


def test_dftb_plus_gets_its_own_input(folder: Path, tmp_path: Path) -> None:
    library = libraries.build("lennard_jones", folder, "-DFLAVOUR=2")
    (tmp_path / "dftb_in.hsd").write_text(libraries.HSD)
    settings = AsiSettings(library=library, engine="dftb+")
    for frame in (water(), diamond()):
        inputs, problems = read_asi_inputs(settings, Asked(tmp_path, (System("one", frame),), 1, want_stress=True))
        assert problems == []
        reference = build_reference(inputs["one"])
        label = label_of(reference, frame, tmp_path / "label", want_stress=True)
        assert label.reference.startswith("DFTB+")
        assert (label.stress is not None) == bool(frame.pbc.all())
        reference.close()


def test_a_missing_input_is_found_when_the_project_is_read(lennard_jones: Path, tmp_path: Path) -> None:
    for engine, file in (("fhi-aims", "control.in"), ("dftb+", "dftb_in.hsd")):
        settings = AsiSettings(library=lennard_jones, engine=engine)
        inputs, problems = read_asi_inputs(settings, Asked(tmp_path, (System("one", water()),), 1, want_stress=False))
        assert inputs == {}
        assert file in str(problems[0])


def test_a_launcher_of_another_mpi_is_told_from_a_working_one(lennard_jones: Path, tmp_path: Path) -> None:
    other = tmp_path / "other-mpiexec"  # says two where MPI sees one, as mixed installations do
    other.write_text('#!/bin/sh\nexport OMPI_COMM_WORLD_SIZE=2\nexec "$@"\n')
    other.chmod(0o755)
    reference = build_reference(read({"library": lennard_jones, "launch": str(other)}, water(), tmp_path))
    failed = failure_of(reference, water(), tmp_path / "failed")
    assert failed.reason is FailureReason.MISSING_EXECUTABLE
    assert "belong to different installations" in failed.message


def test_a_launcher_may_number_the_lines_of_its_ranks_and_the_worker_may_be_a_rank_itself(
    lennard_jones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")  # of the step that started the worker, on two nodes
    reference = build_reference(
        read({"library": lennard_jones, "launch": script(tmp_path, "s/^/0: /")}, water(), tmp_path)
    )
    numbered = label_of(reference, water(), tmp_path / "label")
    reference.close()
    plain = build_reference(read({"library": lennard_jones}, water(), tmp_path))
    assert numbered.energy == label_of(plain, water(), tmp_path / "plain").energy
    plain.close()


def test_an_answer_that_the_launcher_mutilates_ends_the_wait_for_it(lennard_jones: Path, tmp_path: Path) -> None:
    launch = script(tmp_path, r"s/\(host:.\{21\}\).*/\1/")
    reference = build_reference(read({"library": lennard_jones, "launch": launch}, water(), tmp_path))
    failed = failure_of(reference, water(), tmp_path / "failed")
    assert failed.reason is FailureReason.MISSING_EXECUTABLE
    assert "at its start, the engine's process stopped answering" in failed.message
    assert failed.wall_s < 120


def script(folder: Path, edit: str) -> str:
    """A launcher that edits what its rank prints."""
    launcher = folder / "launcher"
    launcher.write_text(f"#!/bin/sh\n\"$@\" | sed -u '{edit}'\n")
    launcher.chmod(0o755)
    return str(launcher)


def test_what_is_missing_here_is_a_problem_with_advice(
    lennard_jones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aims_pax.reference.embedded import asi

    settings = read({"library": lennard_jones, "launch": "no-such-mpiexec -n 2"}, water(), tmp_path)
    assert build_reference(settings).problems([8, 1, 1], periodic=False) == [
        "the program no-such-mpiexec was not found on this machine"
    ]
    for statement, advice in (("import no_such_asi4py", "aims-pax\\[asi\\]"), ("raise RuntimeError('MPI')", "mpich")):
        asi._import_error.cache_clear()
        monkeypatch.setattr(asi, "IMPORTABLE", statement)
        (problem,) = build_reference(settings.model_copy(update={"launch": None})).problems([8, 1, 1], periodic=False)
        assert advice.replace("\\", "") in problem
    asi._import_error.cache_clear()


WORKER = """
import pickle, sys
from pathlib import Path
from aims_pax.reference.registry import build_reference
settings, frame = pickle.loads(Path(sys.argv[1]).read_bytes())
build_reference(settings).label(frame, folder=Path(sys.argv[1]).parent / "label", want_stress=False)
"""


@RANKS
@pytest.mark.parametrize("fault", [HANG, LAST_RANK_HANG], ids=["all ranks", "last rank"])
def test_no_launcher_and_no_rank_outlives_a_killed_worker(
    launch: str | None, fault: int, lennard_jones: Path, tmp_path: Path
) -> None:
    import pickle

    settings = read({"library": lennard_jones, "launch": launch}, water(), tmp_path)
    (tmp_path / "job").write_bytes(pickle.dumps((settings, water(fault))))
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path / "job")])
    ranks = 1 if launch is None else 2
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not ((tmp_path / "log").exists() and len(events(tmp_path)) == 2 * ranks):
        time.sleep(0.05)
    family = descendants(worker.pid)
    assert set(alive(tmp_path)) <= set(family)
    assert len(alive(tmp_path)) == ranks
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in family):
        time.sleep(0.05)
    assert [pid for pid in family if Path(f"/proc/{pid}").exists()] == []


def descendants(pid: int) -> list[int]:
    """All processes below this one: the keeper, the launcher, its proxies and the ranks."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [below for child in children for below in descendants(child)]
