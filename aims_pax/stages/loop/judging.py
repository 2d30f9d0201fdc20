"""How much a committee disagrees about the structures that trajectories have come to, and what is kept of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from aims_pax.batch import AtomBatch
from aims_pax.committee import Prediction
from aims_pax.dataset.records import ScoreRow
from aims_pax.dataset.store import RunStore
from aims_pax.frame import CommitteePrediction, FloatArray
from aims_pax.learner.events import Consequence, SubmitLabel
from aims_pax.learner.selectors import thresholds
from aims_pax.learner.state import State
from aims_pax.protocols import Predictor, Score
from aims_pax.sampling import Advanced, BatchedSampler
from aims_pax.stages.loop.parts import LoopParts


@dataclass(frozen=True, slots=True, eq=False)
class Opinion:
    """What the members of a committee say of one structure.

    Parameters
    ----------
    generation : int
    energies : (M,), eV
    forces : (M, n_atoms, 3), eV/Å
    stress : (M, 6), eV/Å³, or None
    """

    generation: int
    energies: FloatArray
    forces: FloatArray
    stress: FloatArray | None = None

    def prediction(self) -> CommitteePrediction:
        """Mean and deviation."""
        return CommitteePrediction.of_members(self.energies, self.forces, self.stress, generation=self.generation)


def opinions(
    committee: Predictor,
    sampler: BatchedSampler,
    trajectories: Sequence[int],
    *,
    known: Mapping[int, Opinion] = MappingProxyType({}),
) -> dict[int, Opinion]:
    """What the committee says of the structures at which some trajectories stand; some of it may be known already."""
    found = {index: known[index] for index in trajectories if index in known}
    rest = [index for index in trajectories if index not in found]
    if not rest:
        return found
    batch = seen_by(committee, sampler, rest)
    return found | _by_trajectory(committee.opinions(batch), batch, rest, committee.generation)


def opinions_with_stress(
    committee: Predictor, sampler: BatchedSampler, trajectories: Sequence[int]
) -> dict[int, Opinion]:
    """The same with stress, which takes one more pass of all members."""
    if not trajectories:
        return {}
    batch = seen_by(committee, sampler, trajectories)
    return _by_trajectory(committee.evaluate(batch, want_stress=True), batch, trajectories, committee.generation)


def seen_by(committee: Predictor, sampler: BatchedSampler, trajectories: Sequence[int]) -> AtomBatch:
    """The structures where some trajectories stand, with all pairs that a committee wants, whatever drives."""
    wanted, there = committee.cutoff, sampler.cutoff
    if wanted is None or (there is not None and there >= wanted):
        return sampler.batch(trajectories)
    frames = [sampler.frame(trajectory) for trajectory in trajectories]
    return AtomBatch.from_frames(frames, wanted, device=committee.device)


def _by_trajectory(
    said: Prediction, batch: AtomBatch, trajectories: Sequence[int], generation: int
) -> dict[int, Opinion]:
    energies, forces = said.energies.cpu().numpy(), said.forces.cpu().numpy()
    stress = None if said.stress is None else said.stress.cpu().numpy()
    ends = np.cumsum(batch.n_atoms.tolist()).tolist()
    found = {}
    for row, (trajectory, end, n_atoms) in enumerate(zip(trajectories, ends, batch.n_atoms.tolist(), strict=True)):
        own = None if stress is None or np.isnan(stress[:, row]).any() else stress[:, row]
        found[trajectory] = Opinion(generation, energies[:, row], forces[:, end - n_atoms : end], own)
    return found


def scores_of(found: Mapping[int, Opinion], score: Score) -> dict[int, float | None]:
    """Committee deviation of each structure, eV/Å; None if it is not finite."""
    scores = {trajectory: score(opinion.forces) for trajectory, opinion in found.items()}
    return {trajectory: value if math.isfinite(value) else None for trajectory, value in scores.items()}


class Judgements:
    """What the committee of a loop says of structures, and the scores of it: those not stored yet, and the newest.

    Parameters
    ----------
    stage : str
    parts : LoopParts
        Its score, and the kind of it (`uncertainty_type`); its selectors, whose thresholds scores meet.
    n_trajectories : int
    """

    def __init__(self, stage: str, parts: LoopParts, n_trajectories: int) -> None:
        self._stage, self._parts = stage, parts
        self._thresholds = thresholds(parts.rules.selectors, n_trajectories)
        self._opinions: dict[int, Opinion] = {}
        self._rows: list[ScoreRow] = []
        self._newest: dict[int, tuple[float, float]] = {}

    def scores(self, committee: Predictor, trajectories: Sequence[int]) -> dict[int, float | None]:
        """How much the committee disagrees about where some trajectories stand, eV/Å; None if it is not finite."""
        assert self._parts.score is not None
        self._opinions = opinions(committee, self._parts.sampler, trajectories)
        return scores_of(self._opinions, self._parts.score)

    def predicted(self, committee: Predictor, trajectories: Sequence[int]) -> dict[int, Opinion]:
        """What the committee says of structures that are asked for; of some it was asked a moment ago."""
        if self._parts.wants_stress:
            return opinions_with_stress(committee, self._parts.sampler, trajectories)
        return opinions(committee, self._parts.sampler, trajectories, known=self._opinions)

    def note(
        self, moved: Advanced, score: float, *, state: State, consequences: Sequence[Consequence], generation: int
    ) -> None:
        """Take note of the score of a structure, eV/Å, and of the threshold of that moment by its selector.

        Parameters
        ----------
        state : State
            After the score.
        consequences : sequence of Consequence
            What the learner has made of it.
        """
        by = self._thresholds[moved.trajectory]
        memory = state.memory_of(by.name)
        threshold = by.value(memory)
        self._newest[moved.trajectory] = score, threshold
        self._rows.append(
            ScoreRow(
                number=memory.n_scores,
                trajectory=moved.trajectory,
                md_step=moved.md_step,
                generation=generation,
                score=score,
                threshold=threshold,
                picked=any(isinstance(one, SubmitLabel) and one.selector == by.name for one in consequences),
                stage=self._stage,
                selector=by.name,
                kind=self._parts.score_kind,
            )
        )

    def newest(self, trajectory: int) -> tuple[float, float] | None:
        """Score and threshold of where a trajectory stands, eV/Å; None where nobody has judged."""
        return self._newest.get(trajectory)

    def write(self, store: RunStore) -> None:
        """Store what is new, within the caller's transaction."""
        store.append_scores(self._rows)
        self._rows = []
