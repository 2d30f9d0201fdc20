"""The batch job that a command runs in: its end, and the script of the examples."""

import signal
import subprocess
import time
from pathlib import Path
from typing import Final

import pytest

from aims_pax.face.slurm_job import end_of_job

SCRIPT: Final = Path(__file__).parents[3] / "examples" / "campaign.sbatch"


@pytest.fixture(autouse=True)
def _no_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_JOB_END_TIME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def command(folder: Path, name: str, lines: str) -> None:
    (folder / name).write_text(f"#!/bin/bash\n{lines}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


def squeue(folder: Path, lines: str) -> None:
    command(folder, "squeue", lines)


def test_nobody_is_asked_outside_a_job(tmp_path: Path) -> None:
    squeue(tmp_path, "echo 4102444800")
    assert end_of_job() == ""


def test_the_variable_is_believed_without_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squeue(tmp_path, "echo 1")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_END_TIME", "4102444800")
    assert end_of_job() == "4102444800"


def test_a_slurm_without_the_variable_is_asked_for_unix_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squeue(tmp_path, 'echo "$*" > "$0.called"; [ "$SLURM_TIME_FORMAT" = %s ] && echo 4102444800')
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert end_of_job() == "4102444800"
    assert "--jobs=7" in (tmp_path / "squeue.called").read_text(encoding="utf-8")


@pytest.mark.parametrize("lines", ["echo Unknown", "echo slurm_load_jobs error >&2; exit 1", "exit 0"])
def test_a_slurm_that_names_no_end_sets_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str) -> None:
    squeue(tmp_path, lines)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert end_of_job() == ""


@pytest.mark.parametrize("number", [None, signal.SIGUSR1, signal.SIGTERM])
@pytest.mark.parametrize("code", [0, 1, 75])
def test_script_ends_as_its_campaign_does_and_asks_to_go_on_after_75(
    code: int, number: signal.Signals | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    until = (
        "" if number is None else f'trap "echo warned; exit {code}" USR1; touch {tmp_path}/begun; sleep 0.6 & wait; '
    )
    command(tmp_path, "aims-pax", f"{until}exit {code}")
    command(tmp_path, "scontrol", f'echo "$*" > {asked}')
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    job = subprocess.Popen(["bash", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if number is not None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        job.send_signal(number)
    out, err = job.communicate(timeout=20)
    assert (job.returncode, out, err) == (code, "warned\n" if number is signal.SIGUSR1 else "", "")
    assert asked.exists() == (code == 75)
    if asked.exists():
        assert asked.read_text(encoding="utf-8") == "requeue 7\n"
