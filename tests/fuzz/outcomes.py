"""What may become of a harmed file: it is used, or a message says what is wrong. Nothing else, and soon."""

import os
import resource
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from types import FrameType
from typing import Any, Final, NoReturn

from hypothesis import HealthCheck, Phase, settings

from aims_pax.errors import Problem, UserError
from aims_pax.frame import Stage
from aims_pax.settings import load_project

N_FILES: Final = int(os.environ.get("FUZZ_FILES") or 5 * settings.default.max_examples)
"""Harmed files of each kind: as the environment says, or by the profile of hypothesis, 500 for the medium one."""

LONGEST_S: Final = 5.0
"""Processor time after which a file is said to make the program hang."""

MEMORY: Final = 4 * 2**30
"""Bytes that one file may make the program ask for."""

BOTH: Final = (Stage.INITIAL, Stage.ACTIVE)

counts: Counter[str] = Counter()
"""What became of the files of the test that is running."""

slowest_s: list[float] = [0.0]
"""Processor time of its slowest file, s."""


def share(fraction: float) -> Any:
    """Settings of a test that harms so many of the files."""
    phases = [Phase.explicit, Phase.reuse, Phase.generate]  # no search for smaller examples: these are small, and files
    n_files = max(20, round(fraction * N_FILES))
    return settings(max_examples=n_files, deadline=None, phases=phases, suppress_health_check=list(HealthCheck))


class Hung(BaseException):
    """A file took too long."""


@contextmanager
def within_limits() -> Iterator[None]:
    """Raise when what is done here takes more processor time, or more memory, than any file may."""

    def ring(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise Hung(f"more than {LONGEST_S:g} s")

    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    previous = signal.signal(signal.SIGPROF, ring)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    signal.setitimer(signal.ITIMER_PROF, LONGEST_S)
    started = process_time()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
        resource.setrlimit(resource.RLIMIT_AS, before)
        slowest_s[0] = max(slowest_s[0], process_time() - started)


def require_said(problems: tuple[Problem, ...]) -> None:
    """Every problem names its place and what stands there, in text that a file or a terminal takes."""
    assert problems
    for problem in problems:
        assert problem.where, problem
        assert problem.found, problem
        str(problem).encode()
        assert all(letter.isprintable() or letter == "\n" for letter in str(problem)), repr(str(problem))


def project_outcome(folder: Path) -> str:
    """Load and check a project, which changes nothing; ``refused``, ``found wanting`` or ``good``."""
    from aims_pax.checking.check import check_project

    before = sorted(folder.rglob("*"))
    with within_limits():
        try:
            report = check_project(load_project(folder), BOTH)
        except UserError as error:
            require_said(error.problems)
            outcome = "refused"
        else:
            for fact in report.facts:
                fact.encode()
            if report.problems:
                require_said(report.problems)
            outcome = "found wanting" if report.problems else "good"
    assert sorted(folder.rglob("*")) == before
    counts[outcome] += 1
    return outcome
