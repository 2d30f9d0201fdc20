"""A batch system of three shell scripts that take the place of Slurm's commands."""

from pathlib import Path

import pytest


class FakeSlurm:
    """Commands in a folder on the PATH; what they were asked is in `calls`.

    Every job that is submitted waits in the queue for ever, for the reason PartitionNodeLimit.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls = folder, folder / "calls"
        self.command("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
        self.command("scancel")
        self.takes_jobs()
        self.command("squeue", 'case "$*" in *%r*) echo PartitionNodeLimit;; *) echo "7 PD";; esac')

    def command(self, name: str, *lines: str) -> None:
        """Put a command in place: it notes its arguments, and does what `lines` say."""
        script = self.folder / name
        body = "\n".join(lines)
        script.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.calls}\n{body}\n', encoding="utf-8")
        script.chmod(0o755)

    def takes_jobs(self) -> None:
        self.command("sbatch", f"env | grep ^SLURM_ >> {self.folder}/environment", "echo 'Submitted batch job 7'")

    def refuses_jobs(self) -> None:
        self.command("sbatch", "echo 'sbatch: error: invalid partition specified: nowhere' >&2", "exit 1")

    def calls_of(self, name: str) -> list[str]:
        """Arguments of all calls of one command."""
        lines = self.calls.read_text(encoding="utf-8").splitlines() if self.calls.exists() else []
        return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    folder = tmp_path / "slurm"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return FakeSlurm(folder)
