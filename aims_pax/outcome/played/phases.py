"""Each phase of each visit as it was played, by what the store knows of it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import numpy as np

from aims_pax.dataset.records import OWN_REFERENCE, JobStatus, StoredJob
from aims_pax.dataset.store import RunStore
from aims_pax.frame import IntArray
from aims_pax.outcome.datasets import relabelled_by
from aims_pax.settings import Project
from aims_pax.settings.workflow.phases import Workflow
from aims_pax.settings.workflow.run import RampSettings

PHASE_OVER: Final = "PhaseOver"
"""How the journal calls that a phase has ended."""


class Ending(StrEnum):
    """How a phase has ended."""

    WHOLE = "whole"
    """It came to its end."""
    OVERLAP = "overlap"
    """Atoms came too close."""
    FORCES = "forces"
    """A force, or an energy, was beyond what is allowed, or no number."""
    NO_FORCES = "no forces"
    """What drove it gave none."""
    CELL = "cell"
    """The cell lost its shape, or its size."""
    NOT_BUILT = "not built"
    """The structure that it should begin with could not be made."""


@dataclass(frozen=True, slots=True)
class PlayedPhase:
    """What has become of one phase in one visit.

    Parameters
    ----------
    stage, workflow : str
    replica, player, visit : int
        Replicas and visits from 1, players from 0.
    phase : str
    driver : str
        ``committee`` or ``pretrained``.
    first_step, n_steps : int
        MD steps that its trajectory had made before, and that it made in this phase.
    timestep_fs : float
    largest : float or None
        Largest score, in the unit of the stage's scores.
    n_judged : int
        Structures.
    picked : tuple of int
        MD steps, from the beginning of the phase, of structures whose labels were asked for.
    n_received, n_failed, n_kept_out : int
        Labels; those that are kept out are among the failed.
    words : str
        Why it ended early; empty where it did not.
    ends_visit, held : bool
        Whether it was the last of its visit, and whether that has held.
    planned_steps : int or None
        MD steps up to its end; None where that is not known.
    temperatures_k : tuple of two floats, or None
        At its beginning and at its planned end; None for relaxations, and where that is not known.
    """

    stage: str
    workflow: str
    replica: int
    player: int
    visit: int
    phase: str
    driver: str
    first_step: int
    n_steps: int
    timestep_fs: float
    largest: float | None
    n_judged: int = 0
    picked: tuple[int, ...] = ()
    n_received: int = 0
    n_failed: int = 0
    n_kept_out: int = 0
    words: str = ""
    ends_visit: bool = False
    held: bool = False
    planned_steps: int | None = None
    temperatures_k: tuple[float, float] | None = None

    @property
    def ending(self) -> Ending:
        """How it has ended, by the words of who ended it."""
        if not self.words:
            return Ending.WHOLE
        if self.words.startswith("atoms ") and " apart; at least " in self.words:
            return Ending.OVERLAP
        if self.words.startswith("no forces"):
            return Ending.NO_FORCES
        if self.words.startswith("the cell "):
            return Ending.CELL
        if not self.n_steps and not self.words.startswith(("the ", "forces ", "there is ")):
            return Ending.NOT_BUILT
        return Ending.FORCES


def phases_of(store: RunStore) -> list[PlayedPhase]:
    """All phases that are over, in the order in which they ended; none where no workflow is played."""
    over = [entry.payload for entry in store.journal() if entry.kind == PHASE_OVER]
    if not over:
        return []
    judged, labels = _Judged(store), _Labels(store)
    return [judged.counted(labels.counted(_of_journal(one))) for one in over]


def planned(phases: Sequence[PlayedPhase], project: Project) -> list[PlayedPhase]:
    """The same with what the workflows of a project say of them."""
    told = {
        (stage, workflow.name, phase.name): _plan(project, workflow, number)
        for stage, workflows in project.further.workflows.items()
        for workflow in workflows
        for number, phase in enumerate(workflow.phases)
    }
    return [replace(one, **told.get((one.stage, one.workflow, one.phase), {})) for one in phases]


def _of_journal(payload: Mapping[str, Any]) -> PlayedPhase:
    return PlayedPhase(**{name: payload[name] for name in _WRITTEN})


_WRITTEN: Final = (
    *("stage", "workflow", "replica", "player", "visit", "phase", "driver", "first_step", "n_steps", "timestep_fs"),
    *("largest", "words", "ends_visit", "held"),
)
"""What an entry of the journal says."""


def _plan(project: Project, workflow: Workflow, number: int) -> dict[str, Any]:
    run, systems = workflow.phases[number].settings.run, {one.name: one for one in project.systems}
    at = project.md_of(systems[workflow.system]).temperature if run.temperature is None else run.temperature
    ramp = (at.start, at.stop) if isinstance(at, RampSettings) else (float(at), float(at))
    # A relaxation has no temperature, and NVE keeps none.
    return {"planned_steps": run.steps, "temperatures_k": None if run.type in ("relax", "nve") else ramp}


class _Judged:
    """MD steps of judged structures, by stage, workflow and player."""

    def __init__(self, store: RunStore) -> None:
        scores, self._steps = store.scores(), dict[tuple[str, str, int], IntArray]()
        for number, series in store.series().items():
            own = scores[scores["series"] == number]
            for player in np.unique(own["trajectory"]):
                steps = own["md_step"][own["trajectory"] == player]
                self._steps[str(series.stage), series.selector, int(player)] = np.sort(steps).astype(np.int64)

    def counted(self, one: PlayedPhase) -> PlayedPhase:
        steps = self._steps.get((one.stage, one.workflow, one.player), np.zeros(0, dtype=np.int64))
        first, last = np.searchsorted(steps, [one.first_step, one.first_step + one.n_steps], side="right")
        return replace(one, n_judged=int(last - first))


class _Labels:
    """Labels that were asked for, by stage and player."""

    def __init__(self, store: RunStore) -> None:
        self._jobs: dict[tuple[str, int], list[StoredJob]] = {}
        self._kept_out = {one.label_id for one in store.kept_out()}
        for reference in (OWN_REFERENCE, *relabelled_by(store)):
            for job in store.jobs(reference=reference):
                if job.status is not JobStatus.WITHDRAWN:
                    self._jobs.setdefault((str(job.stage), job.frame.trajectory), []).append(job)

    def counted(self, one: PlayedPhase) -> PlayedPhase:
        own = list(self._within(one))
        status = Counter(job.status for job in own)
        return replace(
            one,
            picked=tuple(sorted(job.frame.md_step - one.first_step for job in own)),
            n_received=status[JobStatus.DONE],
            n_failed=status[JobStatus.FAILED],
            n_kept_out=sum(job.label_id in self._kept_out for job in own),
        )

    def _within(self, one: PlayedPhase) -> Iterator[StoredJob]:
        for job in self._jobs.get((one.stage, one.player), ()):
            if one.first_step < job.frame.md_step <= one.first_step + one.n_steps and job.source == one.workflow:
                yield job
