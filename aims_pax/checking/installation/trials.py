"""What has to be tried to be known, in processes of their own: a package that crashes or hangs takes nothing with it.

``python -m aims_pax.checking.installation.trials NAME`` makes one trial, and prints a line of JSON for each thing that
was seen to work.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aims_pax.reference.process.leash import kept

TRIAL_S: Final = 180.0
"""How long a trial may take: on a busy file system, importing PyTorch takes minutes."""

MARK: Final = "aims-pax-trial "
"""So begins a line of ours among those that libraries print."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a trial.

    Parameters
    ----------
    told : mapping
        What was seen to work, by name.
    trouble : str
        Why it went no further; empty when it went to its end.
    """

    told: Mapping[str, Any]
    trouble: str = ""


def tried(name: str, *, limit_s: float = TRIAL_S) -> Seen:
    """Make a trial in a process of its own, which leaves nothing behind.

    Parameters
    ----------
    name : str
        Of :data:`TRIALS`.
    limit_s : float, s
    """
    command = kept([sys.executable, "-m", __name__, name])
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired as late:
        return Seen(_told(late.stdout or b""), f"gave no answer within {limit_s:.0f} s")
    except OSError as error:
        return Seen({}, f"could not be tried: {error.strerror}")
    told = _told(done.stdout)
    if done.returncode == 0:
        return Seen(told)
    lines = [line.strip() for line in done.stderr.decode("utf-8", errors="replace").splitlines() if line.strip()]
    return Seen(told, lines[-1] if lines else f"ended with exit code {done.returncode}")


def _told(output: bytes) -> dict[str, Any]:
    lines = output.decode("utf-8", errors="replace").splitlines()
    return {
        key: value
        for line in lines
        if line.startswith(MARK)
        for key, value in json.loads(line.removeprefix(MARK)).items()
    }


def _tell(**seen: object) -> None:
    print(f"{MARK}{json.dumps(seen)}", flush=True)


def _models() -> None:
    """PyTorch, what `device: auto` takes, and MACE."""
    from aims_pax.committee.device import told_by_pytorch

    _tell(torch=told_by_pytorch())
    from aims_pax.committee import load_models

    _tell(mace=load_models.__module__)


def _label() -> None:
    """A label of water by tblite, in this process."""
    from aims_pax.frame import Label
    from aims_pax.reference.tryout import probe, settings_of_type

    made = probe(settings_of_type("tblite"), _water())
    if not isinstance(made.result, Label):
        sys.exit(f"{made.result.reason}: {made.result.message}")
    _tell(label_s=made.label_s, reference=made.reference)


def _worker() -> None:
    """A worker on this machine, which Parsl starts and which could label by tblite."""
    from aims_pax.labelling.workers.cluster import cluster_config
    from aims_pax.labelling.workers.parsl import ParslPool
    from aims_pax.reference.tryout import settings_of_type
    from aims_pax.settings.cluster import LocalCluster

    with tempfile.TemporaryDirectory(prefix="aims-pax-") as scratch:
        folder, config = Path(scratch), cluster_config(LocalCluster(max_workers=1), n_cores=1)
        pool = ParslPool(settings_of_type("tblite"), config, want_stress=False, run_dir=folder / "parsl")
        try:
            pool.probe([_water()], folder / "labels")
            _tell(worker=True)
        finally:
            pool.close()


def _water() -> Any:
    import numpy as np

    from aims_pax.frame import Frame

    positions = np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]])
    return Frame("water", 0, 0, 0, np.array([8, 1, 1]), positions)


TRIALS: Final[Mapping[str, Callable[[], None]]] = {"models": _models, "label": _label, "worker": _worker}


if __name__ == "__main__":
    TRIALS[sys.argv[1]]()
