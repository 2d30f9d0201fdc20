"""Campaigns that wait: what they say, and how they end when nobody is left who could compute labels."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aims_pax.dataset.store import RunStore

from .projects import copper_project
from .test_campaign_programs import finish, start, wait_until

STUBBORN = """
import time
from pathlib import Path

from ase.calculators.emt import EMT


class Stubborn(EMT):
    def __init__(self, go):
        super().__init__()
        self.go = Path(go)

    def calculate(self, *args, **kwargs):
        while not self.go.exists():
            time.sleep(0.05)
        super().calculate(*args, **kwargs)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A campaign whose labels take for ever, until the file `go` is there."""
    (tmp_path / "stubborn_engine.py").write_text(STUBBORN, encoding="utf-8")
    yield copper_project(
        tmp_path / "project",
        changes={
            "REFERENCE": {"calculator": "stubborn_engine:Stubborn", "arguments": {"go": str(tmp_path / "go")}},
            "CLUSTER": {"type": "local", "max_workers": 1},
            "MISC": {"path_to_geometry": "copper.xyz", "no_progress_s": 1},
        },
    )
    (tmp_path / "go").touch()


def children_of(parent: int) -> dict[int, str]:
    """Command lines of a process's children."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(status[1]) == parent and status[0] != "Z":
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def test_waiting_campaign_says_for_what_and_ends_with_3_when_its_pool_is_dead(project: Path, tmp_path: Path) -> None:
    log = project / "logs" / "aims_pax.log"
    campaign = start(project, tmp_path)
    wait_until(lambda: log.is_file() and "has been computing for" in log.read_text(encoding="utf-8"), campaign)
    said = log.read_text(encoding="utf-8")
    assert "(MISC.no_progress_s); " in said
    assert re.search(r"executor labels: \d blocks run, \d are pending, 1 workers are connected", said)
    assert f"on {os.uname().nodename} (process " in said
    (interchange,) = (pid for pid, command in children_of(campaign.pid).items() if "interchange" in command)
    killed = time.monotonic()
    os.kill(interchange, signal.SIGKILL)
    words, _ = campaign.communicate(timeout=250)
    assert campaign.returncode == 3, words
    assert time.monotonic() - killed < 30
    assert "no more labels can be computed, because the workers are gone: Parsl's interchange" in words
    assert "the same command goes on" in words
    assert "Traceback" not in words
    with RunStore.open_readonly(project) as store:
        assert store.counts().n_failures == 0
        n_in_flight = store.counts().n_in_flight
    assert n_in_flight > 0
    (tmp_path / "go").touch()
    finish(start(project, tmp_path))
    with RunStore.open_readonly(project) as store:
        counts = store.counts()
    assert counts.n_received >= 8
    assert (counts.n_in_flight, counts.n_failed, counts.n_failures) == (0, 0, 0)
