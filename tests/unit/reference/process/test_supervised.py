"""A reference in a process of its own: what a worker sees of crashes and hangs, and that nothing stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import molecule

from aims_pax.atoms import frame_of
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.reference.process.messages import as_line, of_line
from aims_pax.reference.process.supervised import Supervised
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.reference import AseCalculatorSettings, TbliteSettings

from ....processes import is_alive, within

ENGINE = '''
"""An engine that does what the height of the first atom says: 1 crash, 2 hang, 3 hang with the GIL, 4 exit, 5 wait,
6 be killed, 7 ask for more memory than there is."""
import ctypes, os, subprocess, sys, time
from pathlib import Path
from ase.calculators.emt import EMT

class Engine(EMT):
    def __init__(self, pids):
        super().__init__()
        self.pids = pids
        with open(pids, "a") as file:
            file.write(f"{os.getpid()}\\n")

    def calculate(self, atoms=None, properties=("energy",), system_changes=("positions",)):
        print("chatter on standard output", flush=True)
        os.system("echo chatter of a child; cat")  # which also reads all of its standard input
        match round(float(atoms.positions[0, 2])):
            case 1:
                print("the engine's last words", file=sys.stderr, flush=True)
                os.abort()
            case 2:
                child = subprocess.Popen(["sleep", "600"])
                with open(self.pids, "a") as file:
                    file.write(f"{child.pid}\\n")
                time.sleep(600)
            case 3:
                ctypes.PyDLL(None).sleep(600)
            case 4:
                os._exit(9)
            case 5:
                time.sleep(1)
            case 6:
                os.kill(os.getpid(), 9)
            case 7:
                bytearray(1 << 62)
        super().calculate(atoms, properties, system_changes)
'''

USER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests_of_supervision import frame
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.reference import AseCalculatorSettings
settings = AseCalculatorSettings(
    calculator="slow_engine:Engine", arguments={"pids": sys.argv[1] + "/pids"}, walltime_s=600
)
reference = build_reference(settings)
reference.label(frame(), folder=Path(sys.argv[1]) / "label", want_stress=False)
"""


def frame(height: float = 0.0) -> Frame:
    atoms = molecule("H2O")
    atoms.positions += np.array([0, 0, height]) - atoms.positions[0]
    return frame_of(atoms, system="water")


@pytest.fixture
def pids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the engine writes down the processes that it consists of."""
    (tmp_path / "slow_engine.py").write_text(ENGINE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "pids"


@pytest.fixture
def reference(pids: Path) -> Iterator[Supervised]:
    """That waits for as long as a busy machine may need."""
    yield from supervised(pids, walltime_s=100.0)


@pytest.fixture
def impatient(pids: Path) -> Iterator[Supervised]:
    yield from supervised(pids, walltime_s=6.0)


def supervised(pids: Path, *, walltime_s: float) -> Iterator[Supervised]:
    arguments = {"pids": str(pids)}
    settings = AseCalculatorSettings(calculator="slow_engine:Engine", arguments=arguments, walltime_s=walltime_s)
    reference = build_reference(settings)
    assert isinstance(reference, Supervised)
    yield reference
    reference.close()


def running(pids: Path) -> list[int]:
    """The engine's processes that have not ended."""
    return [int(pid) for pid in pids.read_text().split() if is_alive(int(pid))]


def test_labels_are_those_of_the_reference_itself(tmp_path: Path) -> None:
    water = frame()
    direct = build_reference(TbliteSettings()).label(water, folder=tmp_path, want_stress=False)
    hosted = build_reference(TbliteSettings(walltime_s=60.0))
    answered = hosted.label(water, folder=tmp_path, want_stress=False)
    assert isinstance(direct, Label)
    assert isinstance(answered, Label)
    assert answered.energy == pytest.approx(direct.energy, abs=1e-10)  # the number of threads may differ
    np.testing.assert_allclose(answered.forces, direct.forces, atol=1e-8)
    assert answered.reference == direct.reference == hosted.name
    own = build_reference(TbliteSettings()).isolated_atom_energy(8, folder=tmp_path)
    assert hosted.isolated_atom_energy(8, folder=tmp_path) == pytest.approx(own, abs=1e-8)


def test_without_a_walltime_an_embedded_engine_gets_no_process() -> None:
    assert not isinstance(build_reference(TbliteSettings()), Supervised)


def test_one_process_serves_all_labels_and_ends_when_it_is_closed(
    reference: Supervised, pids: Path, tmp_path: Path
) -> None:
    for _ in range(3):
        assert isinstance(reference.label(frame(), folder=tmp_path / "label", want_stress=False), Label)
    assert len(pids.read_text().split()) == 1
    assert running(pids)
    reference.close()
    assert running(pids) == []


@pytest.mark.parametrize("height", [2, 3], ids=["sleeping", "holding the interpreter"])
def test_a_hanging_label_is_ended_and_the_next_one_works(
    impatient: Supervised, pids: Path, tmp_path: Path, height: int
) -> None:
    assert isinstance(impatient.label(frame(), folder=tmp_path / "label", want_stress=False), Label)
    started = time.monotonic()
    failed = impatient.label(frame(height), folder=tmp_path / "failed", want_stress=False)
    assert isinstance(failed, LabelFailure)
    assert failed.reason is FailureReason.WALLTIME
    assert "after 6 s" in failed.message
    assert not failed.reason.is_infrastructure
    assert 6.0 <= failed.wall_s <= time.monotonic() - started < 30.0
    assert running(pids) == []
    assert isinstance(impatient.label(frame(), folder=tmp_path / "label", want_stress=False), Label)


@pytest.mark.parametrize(("height", "words"), [(6, "ended by SIGKILL"), (7, "MemoryError")])
def test_an_engine_that_was_killed_or_refused_memory_ran_out_of_memory(
    reference: Supervised, tmp_path: Path, height: int, words: str
) -> None:
    failed = reference.label(frame(height), folder=tmp_path / "failed", want_stress=False)
    assert isinstance(failed, LabelFailure)
    assert failed.reason is FailureReason.OUT_OF_MEMORY
    assert words in failed.message
    assert isinstance(reference.label(frame(), folder=tmp_path / "label", want_stress=False), Label)


@pytest.mark.parametrize(("height", "ending"), [(1, "ended by SIGABRT"), (4, "ended with exit code 9")])
def test_a_crash_is_a_failure_with_the_engines_last_words_and_the_next_label_works(
    reference: Supervised, tmp_path: Path, height: int, ending: str
) -> None:
    failed = reference.label(frame(height), folder=tmp_path / "failed", want_stress=False)
    assert isinstance(failed, LabelFailure)
    assert failed.reason is FailureReason.CRASHED
    assert ending in failed.message
    account = (tmp_path / "failed" / "failure.txt").read_text(encoding="utf-8")
    assert failed.message in account
    assert "chatter of a child" in account
    if height == 1:
        assert "the engine's last words" in failed.message
    kept = ase.io.read(tmp_path / "failed" / "structure.extxyz")
    np.testing.assert_allclose(kept.positions, frame(height).positions, atol=1e-7)
    assert isinstance(reference.label(frame(), folder=tmp_path / "label", want_stress=False), Label)


def test_an_engine_that_died_between_two_labels_costs_no_label(
    reference: Supervised, pids: Path, tmp_path: Path
) -> None:
    assert isinstance(reference.label(frame(), folder=tmp_path / "label", want_stress=False), Label)
    (pid,) = running(pids)
    os.kill(pid, signal.SIGKILL)
    assert within(5, lambda: not is_alive(pid))
    time.sleep(0.5)  # what stood beside the engine notices it, and ends, too
    assert isinstance(reference.label(frame(), folder=tmp_path / "label", want_stress=False), Label)


def test_an_answer_to_an_interrupted_question_is_not_taken_for_the_next_one(
    reference: Supervised, tmp_path: Path
) -> None:
    def interrupt(number: int, _: object) -> None:
        raise KeyboardInterrupt("now")

    right = reference.label(frame(), folder=tmp_path / "label", want_stress=False)
    stretched = frame(5)
    stretched.positions[1] *= 1.1
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(KeyboardInterrupt, match="now"):
            reference.label(stretched, folder=tmp_path / "label", want_stress=False)
    finally:
        signal.signal(signal.SIGALRM, before)
    again = reference.label(frame(), folder=tmp_path / "label", want_stress=False)
    assert isinstance(right, Label)
    assert isinstance(again, Label)
    assert again.energy == right.energy


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel of Linux tells children of it")
@pytest.mark.parametrize("height", [2, 3], ids=["sleeping", "holding the interpreter"])
def test_nothing_outlives_a_killed_worker(pids: Path, tmp_path: Path, height: int) -> None:
    (tmp_path / "tests_of_supervision.py").write_text(
        "import numpy as np\nfrom ase.build import molecule\nfrom aims_pax.atoms import frame_of\n"
        f"def frame():\n    atoms = molecule('H2O')\n    atoms.positions += np.array([0, 0, {height}]) - "
        "atoms.positions[0]\n    return frame_of(atoms, system='water')\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", USER, str(tmp_path)])
    expected = 2 if height == 2 else 1
    assert within(30, lambda: pids.exists() and len(running(pids)) == expected)
    time.sleep(0.5)
    assert len(running(pids)) == expected
    worker.kill()
    worker.wait()
    assert within(5, lambda: not running(pids))


def test_a_module_that_is_missing_is_not_the_structures_fault(tmp_path: Path) -> None:
    settings = AseCalculatorSettings(calculator="no_such_package:Engine", walltime_s=30.0)
    failed = build_reference(settings).label(frame(), folder=tmp_path, want_stress=False)
    assert isinstance(failed, LabelFailure)
    assert failed.reason is FailureReason.MISSING_EXECUTABLE
    assert "no_such_package can't be imported" in failed.message


class Launched(TbliteSettings):
    """tblite by a launcher, which only engines with a setting for it have."""

    @property
    def launcher(self) -> tuple[str, ...]:
        return ("no-such-launcher", "-n", "2")


def test_a_launcher_that_is_missing_is_a_problem_and_a_failure(tmp_path: Path) -> None:
    settings = Launched()
    reference = Supervised(build_reference(TbliteSettings()), settings)
    assert reference.problems([8, 1, 1], periodic=False) == [
        "the program no-such-launcher was not found on this machine"
    ]
    failed = reference.label(frame(), folder=tmp_path, want_stress=False)
    assert isinstance(failed, LabelFailure)
    assert failed.reason is FailureReason.MISSING_EXECUTABLE
    assert "no-such-launcher" in failed.message


def test_messages_survive_what_others_print_into_the_same_line() -> None:
    line = b"srun: job 7 queued" + as_line({"a": 1})
    assert [of_line(part) for part in line.split(b"\n") if part.startswith(b"aims-pax")] == [{"a": 1}]
    with pytest.raises(ValueError, match="not a message"):
        of_line(b"srun: job 7 queued")
