"""What a machine has, told by programs that stand where those of a cluster would."""

from pathlib import Path

import pytest

from aims_pax.checking.installation import machine
from aims_pax.checking.installation.finding import Finding, Standing


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that alone is on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CXX", raising=False)
    return folder


def put(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_nothing_is_there(programs: Path) -> None:
    found = machine.launchers(), machine.batch_system(), machine.compiler()
    assert [one.standing for one in found] == [Standing.ABSENT] * 3
    assert "no g++" in found[2].found


def test_partitions_of_slurm_are_told(programs: Path) -> None:
    put(programs, "sbatch", "exit 1")
    put(programs, "sinfo", "echo gpu; echo cpu; echo cpu")
    found = machine.batch_system()
    assert found.found == "Slurm, partitions cpu, gpu"
    assert found.facts["partitions"] == ["cpu", "gpu"]


def test_a_batch_system_that_does_not_answer_is_told(programs: Path) -> None:
    put(programs, "qsub", "exit 0")
    put(programs, "qstat", "exit 1")
    found = machine.batch_system()
    assert found.standing is Standing.ABSENT
    assert "does not answer" in found.found
    assert "qstat" in found.advice


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        ("mpirun (Open MPI) 4.1.4", "Open MPI 4.1.4"),
        ("HYDRA build details:\n    Version:      4.2.1", "MPICH 4.2.1"),
        ("Intel(R) MPI Library, Version 2021.9", "Intel(R) MPI Library, Version 2021.9"),
    ],
)
def test_mpi_is_told_by_its_launcher(programs: Path, printed: str, words: str) -> None:
    put(programs, "mpiexec", f"printf '{printed}\\n'")
    assert machine.launchers().found == f"mpiexec; {words}"


def test_compiler_is_the_one_that_pytorch_takes(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(programs, "clang++", "echo clang version 17.0.6")
    monkeypatch.setenv("CXX", "clang++")
    found = machine.compiler()
    assert found.facts["compiler"] == str(programs / "clang++")
    assert found.standing is Standing.ABSENT or "17.0.6" in found.found  # Python's headers may be missing here


def test_little_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.disk(tmp_path).facts["folder"] == str(tmp_path)
    monkeypatch.setattr(machine, "LITTLE_DISK_GB", 1e9)
    monkeypatch.setattr(machine, "LITTLE_MEMORY_GB", 1e9)
    found: list[Finding] = [machine.disk(tmp_path), machine.cores_and_memory()]
    assert [one.standing for one in found] == [Standing.WRONG] * 2
    assert all(one.advice and not one.prevents for one in found)
