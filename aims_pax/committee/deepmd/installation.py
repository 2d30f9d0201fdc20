"""DeePMD-kit on this machine, in an environment of its own. Imports neither it nor PyTorch."""

import functools
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aims_pax.committee.hosted.hosts import Program
from aims_pax.errors import ModelError, Problem
from aims_pax.reference.process.leash import ending
from aims_pax.settings.committee.deepmd import DeepmdInput, Training

LICENCE: Final = (
    "DeePMD-kit has the LGPL 3.0; it is started as a program. See https://github.com/deepmodeling/deepmd-kit"
)

OVERRIDE: Final = "AIMS_PAX_DEEPMD"
"""Variable with the environment to read models in, where they were written on another machine."""

HOST: Final = Path(__file__).with_name("host.py")

INSTALL: Final = "Install it in an environment of its own: python -m venv DIR; DIR/bin/pip install 'deepmd-kit[torch]'."

FOREIGN: Final = (
    *("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "DEVICE"),
    *("RANK", "LOCAL_RANK", "WORLD_SIZE"),  # of a batch job: DeePMD would wait for its other processes
)
"""Variables of the run's environment that are not for DeePMD's."""

ENVIRONMENT: Final = "ARCHITECTURE.deepmd_environment"
INPUT: Final = "ARCHITECTURE.deepmd_input"
"""What problems are about, in the words of mace.yaml."""

ALLOWED: Final = "the folder of an environment with DeePMD-kit 3 for PyTorch, or its dp"


@dataclass(frozen=True, slots=True)
class Environment:
    """Where DeePMD-kit is installed.

    Parameters
    ----------
    place : str
        Folder of the environment, or a program in it.
    on_cpu : bool
        Whether the CPU is to be used where there is a GPU.
    """

    place: str
    on_cpu: bool = False

    @property
    def python(self) -> Path:
        """Its interpreter. Links are not followed: behind them there is another environment."""
        place = Path(self.place).absolute()
        return (place.parent if place.is_file() else place / "bin") / "python"

    @property
    def dp(self) -> tuple[str, ...]:
        """The beginning of a command of DeePMD-kit: ``dp --pt``."""
        # As its program dp does, whose first line may name a folder that has moved.
        return (str(self.python), "-I", "-m", "deepmd", "--pt")

    @property
    def program(self) -> Program:
        """What evaluates models."""
        return Program(
            "DeePMD-kit",
            (str(self.python), "-I", str(HOST)),
            defaults=self.variables,
            without=FOREIGN,
            advice="See what it says; the command goes on from here.",
        )

    @property
    def variables(self) -> tuple[tuple[str, str], ...]:
        """What holds in its processes unless the run's own environment says otherwise."""
        # One thread each, for members learn side by side; no further processes, for the order of structures depends on
        # their number.
        threads = os.environ.get("OMP_NUM_THREADS", "1")
        names = ("OMP_NUM_THREADS", "DP_INTRA_OP_PARALLELISM_THREADS", "DP_INTER_OP_PARALLELISM_THREADS")
        cpu = (("DEVICE", "cpu"),) if self.on_cpu else ()
        return (*((name, threads) for name in names), ("NUM_WORKERS", "0"), *cpu)


def environment_of(place: str, *, on_cpu: bool) -> Environment:
    """The environment that is used for what was made in another one, which may be on another machine.

    Raises
    ------
    ModelError
        There is none.
    """
    found = Environment(os.environ.get(OVERRIDE) or place, on_cpu)
    require_deepmd(found)
    return found


def require_deepmd(environment: Environment) -> None:
    """Refuse to go on where there is no such environment.

    Raises
    ------
    ModelError
    """
    if (problem := why_no_environment(environment)) is not None:
        raise ModelError(problem)


def why_no_environment(environment: Environment) -> Problem | None:
    """What keeps an environment from being used, as far as files tell; None if nothing does."""
    if not environment.python.is_file():
        found = f"is {environment.place or 'not known'}, and there is no {environment.python}."
        return Problem(ENVIRONMENT, found, ALLOWED, f"{INSTALL} Or set {OVERRIDE} to where it is on this machine.")
    return None


@functools.cache
def why_no_deepmd(environment: Environment, text: str) -> Problem | None:
    """What keeps models from being trained there; None if nothing is known to. It takes some seconds.

    Parameters
    ----------
    environment : Environment
    text : str
        The user's input.json, which DeePMD-kit itself looks at, completed as for a training.
    """
    if (problem := why_no_environment(environment)) is not None:
        return problem
    content = DeepmdInput(json.loads(text)).completed(Training(("data",), 1, 1, 1, 1, 1))
    found = _asked(environment, "check", json.dumps(content))
    if isinstance(found, str):
        said, advice = (
            f"is {environment.place}, and DeePMD-kit does not start there ({found}).",
            "See dp --pt --version.",
        )
        return Problem(ENVIRONMENT, said, ALLOWED, f"{advice} {INSTALL}")
    if (said := found["problem"]) is not None:
        advice = "Correct it as DeePMD-kit's documentation says."
        return Problem(INPUT, f"is refused by DeePMD-kit {found['version']}: {said}", "", advice)
    return None


def described(environment: Environment, path: Path) -> tuple[tuple[str, ...], float]:
    """Elements (by type) and cutoff (Å) of a frozen model.

    Raises
    ------
    ModelError
        It is none.
    """
    found = _asked(environment, "describe", str(path))
    if isinstance(found, str):
        raise ModelError(Problem(str(path), f"can't be read as a model of DeePMD-kit: {found}"))
    return tuple(found["type_map"]), float(found["cutoff_ang"])


def shift(environment: Environment, path: Path, energies_ev: list[float]) -> None:
    """Add energies to each atom of a model, checkpoint (.pt) or frozen (.pth), by type, eV.

    Raises
    ------
    ModelError
    """
    found = _asked(environment, "shift", json.dumps({"path": str(path), "energies_ev": energies_ev}))
    if isinstance(found, str):
        raise ModelError(Problem(str(path), f"can't be given energies of atoms: {found}"))


def _asked(environment: Environment, kind: str, said: str) -> dict[str, Any] | str:
    """What the host answers to one question; its last words where it fails."""
    program = environment.program
    done = subprocess.run(
        [*program.command, kind], input=said, capture_output=True, text=True, env=program.environment(), check=False
    )
    if done.returncode == 0 and done.stdout.strip():
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return f"{ending(done.returncode)}: {lines[-1] if lines else 'it said nothing'}"
