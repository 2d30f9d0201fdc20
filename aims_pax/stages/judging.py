"""How much a committee disagrees about the structures that trajectories have come to, and what is kept of it."""

import math
from collections.abc import Sequence

from aims_pax.committee import Committee
from aims_pax.dataset.records import ScoreRow
from aims_pax.dataset.store import RunStore
from aims_pax.protocols import Score
from aims_pax.sampling import Advanced, BatchedSampler


def committee_scores(
    committee: Committee, sampler: BatchedSampler, trajectories: Sequence[int], score: Score
) -> list[float | None]:
    """Committee deviation of the structures at which trajectories stand, eV/Å; None if it is not finite."""
    if not trajectories:
        return []
    batch = sampler.batch(trajectories)
    forces = committee.opinions(batch).forces.cpu().numpy()
    scores: list[float | None] = []
    start = 0
    for n_atoms in batch.n_atoms.tolist():
        value = score(forces[:, start : start + n_atoms])
        scores.append(value if math.isfinite(value) else None)
        start += n_atoms
    return scores


class Judgements:
    """The scores of a loop: those that are not stored yet, and the newest of each trajectory."""

    def __init__(self) -> None:
        self._rows: list[ScoreRow] = []
        self._newest: dict[int, tuple[float, float]] = {}

    def note(
        self, moved: Advanced, score: float, *, number: int, threshold: float, generation: int, is_picked: bool
    ) -> None:
        """Take note of the score of a structure, and of the threshold of that moment, eV/Å."""
        self._newest[moved.trajectory] = score, threshold
        self._rows.append(
            ScoreRow(
                number=number,
                trajectory=moved.trajectory,
                md_step=moved.md_step,
                generation=generation,
                score=score,
                threshold=threshold,
                picked=is_picked,
            )
        )

    def newest(self, trajectory: int) -> tuple[float, float] | None:
        """Score and threshold of where a trajectory stands, eV/Å; None where nobody has judged."""
        return self._newest.get(trajectory)

    def write(self, store: RunStore) -> None:
        """Store what is new, within the caller's transaction."""
        store.append_scores(self._rows)
        self._rows = []
