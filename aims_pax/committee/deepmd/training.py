"""One training: labels and an input.json in, weights out, by ``dp --pt train`` in a process of its own."""

import itertools
import json
import logging
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.committee.deepmd.installation import Environment, shift
from aims_pax.committee.deepmd.weights import Weights
from aims_pax.committee.hosted.committee import Lesson
from aims_pax.committee.hosted.predictor import HostedModel
from aims_pax.dataset.deepmd import write_deepmd
from aims_pax.errors import ModelError, Problem
from aims_pax.frame import FloatArray, Frame, Label, LabelledFrame
from aims_pax.reference.process.leash import ending, kept
from aims_pax.settings.committee.deepmd import DeepmdInput, Training

log = logging.getLogger(__name__)

MAX_SEED: Final = 2**31

ROWS_PER_EPOCH: Final = 10
"""Losses of single batches that the train loss of an epoch is the mean of."""

SAID: Final = "train.out"


@dataclass(frozen=True, slots=True)
class Pace:
    """How far a training goes on from weights.

    Parameters
    ----------
    epoch_steps : int
        Steps of an epoch.
    measured : sequence of bool
        For each epoch, whether the weights after it are asked for; those after the last are in any case.
    rate_factor : float
        Part of the first learning rate.
    is_fresh : bool
        Whether the optimizer begins afresh.
    """

    epoch_steps: int
    measured: Sequence[bool]
    rate_factor: float
    is_fresh: bool


@dataclass(frozen=True, slots=True)
class Task:
    """What is trained.

    Parameters
    ----------
    asked : DeepmdInput
    environment : Environment
    seed : int
        Draws the first weights, and the order of structures.
    model : HostedModel
        What is there: what is learned is what labels are more than its atoms, from its weights where these go on.
    learns_stress : bool
    name : str
        Of the member, for messages.
    """

    asked: DeepmdInput
    environment: Environment
    seed: int
    model: HostedModel[Weights]
    learns_stress: bool
    name: str


def trained_anew(task: Task, points: Sequence[LabelledFrame]) -> HostedModel[Weights]:
    """Weights from random ones, by all steps of the user's input.

    Raises
    ------
    ModelError
        DeePMD-kit has failed; its folder is kept, and named.
    """
    n_steps, energies = task.asked.n_steps, task.model.fitted_with_ev
    training = Training((), task.seed % MAX_SEED, task.seed % MAX_SEED, n_steps, n_steps, max(1, n_steps // 100))
    with _Folder(task) as folder:
        folder.run(training, points, energies, ())
        return HostedModel(energies, folder.weights(n_steps))


def trained_on(task: Task, points: Sequence[LabelledFrame], pace: Pace) -> Lesson[Weights]:
    """Weights that go on from those of the task, epoch by epoch; random ones where it has none.

    Raises
    ------
    ModelError
        DeePMD-kit has failed; its folder is kept, and named.
    """
    energies, weights = task.model.atomic_energies_ev, task.model.potential
    restarts = weights is not None and not weights.is_frozen and not pace.is_fresh
    begun = weights.n_steps if weights is not None and restarts else 0
    ends = [begun + pace.epoch_steps * (epoch + 1) for epoch in range(len(pace.measured))]
    training = Training(
        (),
        task.seed % MAX_SEED,
        # Else each call would begin with the same structures. A restart repeats the number of the last step, as
        # DeePMD-kit counts: the first epoch of a call then has one step more.
        random.Random(f"{task.seed} {begun} {len(points)}").randrange(MAX_SEED),
        ends[-1],
        pace.epoch_steps,
        max(1, pace.epoch_steps // ROWS_PER_EPOCH),
        pace.rate_factor,
    )
    with _Folder(task) as folder:
        words: tuple[str, ...] = ()
        if weights is not None and weights.is_frozen:
            words = ("--init-frz-model", folder.put(weights, "start.pth"))
        elif weights is not None:
            words = ("--restart" if restarts else "--init-model", folder.put(weights, "start.pt"))
        folder.run(training, points, energies, words)
        wanted = [epoch for epoch, is_measured in enumerate(pace.measured) if is_measured or epoch == len(ends) - 1]
        models = {epoch: HostedModel(energies, folder.weights(ends[epoch])) for epoch in wanted}
        return Lesson(folder.losses([begun, *ends]), models)


def frozen(task: Task, energies_ev: Sequence[float]) -> bytes:
    """The file of a model by ``dp --pt freeze``, with these energies of atoms, by type.

    Raises
    ------
    ModelError
        DeePMD-kit has failed.
    """
    weights = task.model.potential
    assert weights is not None, "there is something to freeze"
    with _Folder(task) as folder:
        place = folder.put(weights, "member.pth" if weights.is_frozen else "member.pt")
        shift(task.environment, folder.path / place, list(energies_ev))
        if not weights.is_frozen:
            folder.command(("freeze", "-c", place, "-o", "member.pth"))
        return (folder.path / "member.pth").read_bytes()


class _Folder:
    """Where a command of DeePMD-kit runs; it is removed at the end, and stays where something has failed."""

    def __init__(self, task: Task) -> None:
        self._task, self._started = task, time.monotonic()
        self.path = Path(tempfile.mkdtemp(prefix="aims-pax-deepmd-"))

    def __enter__(self) -> "_Folder":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            shutil.rmtree(self.path, ignore_errors=True)

    def put(self, weights: Weights, name: str) -> str:
        (self.path / name).write_bytes(weights.content)
        return name

    def run(
        self,
        training: Training,
        points: Sequence[LabelledFrame],
        energies_ev: Mapping[int, float],
        words: Sequence[str],
    ) -> None:
        """Train, from what `words` say."""
        task = self._task
        ordered = sorted(points, key=lambda point: point.label_id)
        told = [_told(point, energies_ev, with_stress=task.learns_stress) for point in ordered]
        systems = write_deepmd(self.path / "data", told, type_map=task.asked.type_map)
        content = task.asked.completed(replace(training, systems=tuple(map(str, systems))))
        (self.path / "input.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
        self.command(("train", "input.json", *words))
        spent_s = time.monotonic() - self._started
        log.debug("%s: step %d on %d structures after %.1f s", task.name, training.n_steps, len(points), spent_s)

    def command(self, words: Sequence[str]) -> None:
        program = self._task.environment.program
        with (self.path / SAID).open("wb") as output:
            done = subprocess.run(
                kept([*self._task.environment.dp, *words]),
                cwd=self.path,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=program.environment(),
                check=False,
            )
        if done.returncode != 0:
            said = f"dp --pt {' '.join(words)} has failed for {self._task.name} ({ending(done.returncode)}): "
            advice = f"Its output is there, in {SAID}."
            raise ModelError(Problem(str(self.path), said + self._last_words(), "", advice))

    def weights(self, step: int) -> Weights:
        """The checkpoint of a step."""
        path = self.path / f"model.ckpt-{step}.pt"
        if not path.is_file():
            found = f"has no {path.name}, and dp --pt train has ended well: {self._last_words()}"
            raise ModelError(Problem(str(self.path), found, "", f"Its output is there, in {SAID}."))
        return Weights(path.read_bytes(), self._task.asked.cutoff_ang, step)

    def losses(self, edges: Sequence[int]) -> list[float]:
        """Mean loss of the batches that lcurve.out shows between these steps."""
        rows = np.loadtxt(self.path / "lcurve.out", usecols=(0, 1), ndmin=2)
        between = [(rows[:, 0] > start) & (rows[:, 0] <= end) for start, end in itertools.pairwise(edges)]
        return [float(np.mean(np.square(rows[chosen, 1]))) for chosen in between]

    def _last_words(self) -> str:
        lines = [line.strip() for line in (self.path / SAID).read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing"


def _told(point: LabelledFrame, energies_ev: Mapping[int, float], *, with_stress: bool) -> tuple[Frame, Label]:
    """What DeePMD is to learn of a point: its energy less those of its atoms, its stress only where that is learned."""
    atoms_ev: FloatArray = np.array([energies_ev[int(number)] for number in point.frame.numbers])
    label = point.label
    stress = label.stress if with_stress else None
    return point.frame, replace(label, energy=label.energy - float(atoms_ev.sum()), stress=stress)
