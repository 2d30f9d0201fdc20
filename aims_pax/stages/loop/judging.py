"""How much a committee disagrees about the structures that trajectories have come to, and what is kept of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from aims_pax.batch import AtomBatch
from aims_pax.dataset.records import ScoreRow
from aims_pax.dataset.store import RunStore
from aims_pax.frame import CommitteePrediction, Frame, Label
from aims_pax.learner.events import Consequence, LabelArrived, SubmitLabel
from aims_pax.learner.molecules import MovingThresholdOfMolecules, molecular_thresholds
from aims_pax.learner.selectors import Memory, Selector, thresholds
from aims_pax.learner.state import State
from aims_pax.protocols import FramePrediction, Prediction, Predictor, Sampler, Score
from aims_pax.sampling import Advanced
from aims_pax.selection import differences, max_atomic_error, molecular_sds
from aims_pax.settings.stages.uncertainty import BETWEEN_MOLECULES, kind_named
from aims_pax.stages.loop.parts import LoopParts


@dataclass(frozen=True, slots=True, eq=False)
class Opinion(FramePrediction):
    """What the members of a committee say of one structure, and of which generation they are."""

    generation: int

    def prediction(self) -> CommitteePrediction:
        """Mean and deviation."""
        return CommitteePrediction.of_members(self.energies, self.forces, self.stress, generation=self.generation)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A score, and the threshold that it was compared with.

    Parameters
    ----------
    score, threshold : float
        In the unit of the kind.
    kind : str
        As the store calls it.
    molecule : int or None
        Whose it is, where molecules are told apart; None: that of the whole structure.
    """

    score: float
    threshold: float
    kind: str
    molecule: int | None = None

    def __str__(self) -> str:
        kind = kind_named(self.kind)
        whose = "deviation" if self.molecule is None else f"deviation of molecule {self.molecule}"
        return f"{whose} {kind.shown(self.score)} > {kind.shown(self.threshold)}{kind.ending}"


def opinions(
    committee: Predictor,
    sampler: Sampler,
    trajectories: Sequence[int],
    *,
    known: Mapping[int, Opinion] = MappingProxyType({}),
    want_stress: bool = False,
) -> dict[int, Opinion]:
    """What the committee says of the structures at which some trajectories stand; some of it may be known already."""
    found = {index: known[index] for index in trajectories if index in known}
    rest = [index for index in trajectories if index not in found]
    if not rest:
        return found
    batch = seen_by(committee, sampler, rest)
    return found | _by_trajectory(committee.opinions(batch, want_stress=want_stress), batch, rest, committee.generation)


def opinions_with_stress(committee: Predictor, sampler: Sampler, trajectories: Sequence[int]) -> dict[int, Opinion]:
    """The same with stress, which takes one more pass of all members."""
    if not trajectories:
        return {}
    batch = seen_by(committee, sampler, trajectories)
    return _by_trajectory(committee.evaluate(batch, want_stress=True), batch, trajectories, committee.generation)


def seen_by(committee: Predictor, sampler: Sampler, trajectories: Sequence[int]) -> AtomBatch:
    """The structures where some trajectories stand, with all pairs that a committee wants, whatever drives."""
    wanted, there = committee.cutoff, sampler.cutoff
    if wanted is None or (there is not None and there >= wanted):
        return sampler.batch(trajectories)
    frames = [sampler.frame(trajectory) for trajectory in trajectories]
    return AtomBatch.from_frames(frames, wanted, device=committee.device)


def _by_trajectory(
    said: Prediction, batch: AtomBatch, trajectories: Sequence[int], generation: int
) -> dict[int, Opinion]:
    each = said.by_structure(batch.n_atoms.tolist())
    return {
        trajectory: Opinion(one.energies, one.forces, one.stress, generation)
        for trajectory, one in zip(trajectories, each, strict=True)
    }


def arrived(frame: Frame, label: Label, said: CommitteePrediction | None) -> LabelArrived:
    """The event of a label, with what it shows of the committee that had predicted it."""
    if said is None:
        return LabelArrived(frame.trajectory, frame.md_step)
    found = differences(label, frame, energy=said.energy, forces=said.forces, stress=said.stress)
    return LabelArrived(frame.trajectory, frame.md_step, max_atomic_error(said.forces, label.forces), found)


def scores_of(found: Mapping[int, FramePrediction], score: Score) -> dict[int, float | None]:
    """How much the members disagree about each structure; None if it is not finite."""
    scores = {trajectory: score(said) for trajectory, said in found.items()}
    return {trajectory: value if math.isfinite(value) else None for trajectory, value in scores.items()}


class Judgements:
    """What the committee of a loop says of structures, and the scores of it: those not stored yet, and the newest.

    Parameters
    ----------
    stage : str
    parts : LoopParts
        Its score, and the kind of it (`uncertainty_type`); molecules that are told apart; its selectors, whose
        thresholds scores meet.
    n_trajectories : int
    """

    def __init__(self, stage: str, parts: LoopParts, n_trajectories: int) -> None:
        self._stage, self._parts = stage, parts
        self._thresholds = thresholds(parts.rules.selectors, n_trajectories)
        self._of_molecules = molecular_thresholds(parts.rules.selectors, n_trajectories)
        self._scores_stress = kind_named(parts.score_kind).of_stress
        self._opinions: dict[int, Opinion] = {}
        self._rows: list[ScoreRow] = []
        self._newest: dict[tuple[int, str], Judgement] = {}

    def scores(self, committee: Predictor, trajectories: Sequence[int]) -> dict[int, float | None]:
        """How much the committee disagrees about where some trajectories stand; None where it is not finite."""
        assert self._parts.score is not None
        self._opinions = self._asked(committee, trajectories)
        return scores_of(self._opinions, self._parts.score)

    def of_molecules(self, trajectory: int) -> tuple[float, ...]:
        """The same about the force on each molecule there, eV/Å; empty where none are told apart."""
        return self._by_molecule(trajectory, self._opinions[trajectory])

    def again(
        self, committee: Predictor, trajectories: Sequence[int]
    ) -> dict[int, tuple[float | None, tuple[float, ...]]]:
        """Both of some structures that were asked about before, by the models of now; nothing of it is kept."""
        assert self._parts.score is not None
        found = self._asked(committee, trajectories)
        scores = scores_of(found, self._parts.score)
        return {index: (scores[index], self._by_molecule(index, found[index])) for index in trajectories}

    def _by_molecule(self, trajectory: int, said: Opinion) -> tuple[float, ...]:
        if trajectory not in self._of_molecules:
            return ()
        return tuple(molecular_sds(said.forces, self._parts.molecules[trajectory]).tolist())

    def predicted(self, committee: Predictor, trajectories: Sequence[int]) -> dict[int, Opinion]:
        """What the committee says of structures that are asked for; of some it was asked a moment ago.

        Where their stress is to be kept, and they were not judged by it, that takes one more pass of all members.
        """
        if self._parts.wants_stress and not self._scores_stress:
            return opinions_with_stress(committee, self._parts.sampler, trajectories)
        return self._asked(committee, trajectories, known=self._opinions)

    def _asked(
        self,
        committee: Predictor,
        trajectories: Sequence[int],
        *,
        known: Mapping[int, Opinion] = MappingProxyType({}),
    ) -> dict[int, Opinion]:
        sampler, want_stress = self._parts.sampler, self._scores_stress
        return opinions(committee, sampler, trajectories, known=known, want_stress=want_stress)

    def note(
        self, moved: Advanced, score: float, *, state: State, consequences: Sequence[Consequence], generation: int
    ) -> None:
        """Take note of the score of a structure, and of the threshold of that moment by its selector.

        Of molecules that one is noted whose score is farthest beyond its threshold, or nearest to it.

        Parameters
        ----------
        state : State
            After the score.
        consequences : sequence of Consequence
            What the learner has made of it.
        """
        picked_by = {one.selector for one in consequences if isinstance(one, SubmitLabel)}
        by = self._thresholds[moved.trajectory]
        value = by.value(state.memory_of(by.name))
        found: list[tuple[Selector, Judgement]] = [(by, Judgement(score, value, self._parts.score_kind))]
        if (molecular := self._of_molecules.get(moved.trajectory)) is not None:
            found.append((molecular, _farthest(molecular, state.memory_of(molecular.name))))
        for selector, judgement in found:
            self._newest[moved.trajectory, selector.name] = judgement
            self._rows.append(
                ScoreRow(
                    number=state.memory_of(selector.name).n_scores,
                    trajectory=moved.trajectory,
                    md_step=moved.md_step,
                    generation=generation,
                    score=judgement.score,
                    threshold=judgement.threshold,
                    picked=selector.name in picked_by,
                    stage=self._stage,
                    selector=selector.name,
                    kind=judgement.kind,
                )
            )

    def newest(self, trajectory: int, selector: str) -> Judgement | None:
        """What a selector judged where a trajectory stands by; None where nobody has judged."""
        return self._newest.get((trajectory, selector))

    def write(self, store: RunStore) -> None:
        """Store what is new, within the caller's transaction."""
        store.append_scores(self._rows)
        self._rows = []


def _farthest(by: MovingThresholdOfMolecules, memory: Memory) -> Judgement:
    """Of the newest scores of molecules the one that is the largest part of its threshold; else the largest."""
    scores, values = [column[-1] for column in memory.columns], by.values(memory)
    parts = [score / value if value else math.inf for score, value in zip(scores, values, strict=True)]
    molecule = max(range(len(scores)), key=lambda index: (parts[index], scores[index]))
    return Judgement(scores[molecule], values[molecule], BETWEEN_MOLECULES, molecule)
