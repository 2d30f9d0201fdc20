"""The labels of a round, distributed to the members that learn from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aims_pax.dataset.shares import distribute, place_all
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Label, Split
from aims_pax.labelling.sanity import is_probe
from aims_pax.learner.quota import Quota, SplitCounts
from aims_pax.stages.loop.wrecks import require_something_to_learn


@dataclass(frozen=True, slots=True)
class Round:
    """The labels of a round, before they are given to anybody.

    Parameters
    ----------
    label_ids : list of int
    probed : list of int
        Labels of the probe that wait, too: they train every member.
    n_before : int
        Labels that were given before.
    """

    label_ids: list[int]
    probed: list[int]
    n_before: int

    @classmethod
    def waiting(cls, store: RunStore, stage: str) -> "Round":
        """What this stage has labelled and nobody has."""
        waiting = store.unassigned(stage)
        probed = [label_id for label_id in waiting if is_probe(store.frame_of(label_id))]
        label_ids = [label_id for label_id in waiting if label_id not in probed]
        return cls(label_ids, probed, store.n_placed())

    def require_something_to_learn(self, labels: Sequence[Label]) -> None:
        """See to it that the first round of a run holds some force; of a resumed one not all labels are at hand."""
        if len(labels) == len(self.label_ids):
            require_something_to_learn(labels)

    def shared(
        self, store: RunStore, counts: tuple[SplitCounts, ...], quota: Quota, rng: np.random.Generator
    ) -> tuple[SplitCounts, ...]:
        """Give each member its share, within the caller's transaction; all of it to all where they share one.

        Structures of the probe stand beside the quotas: no member's share is smaller or larger for them.
        """
        for label_id in self.probed:
            store.assign(label_id, Split.TRAINING)
        after = list(counts)
        for owner, share in enumerate(distribute(len(self.label_ids), len(counts), rng)):
            after[owner], splits = place_all(quota, after[owner], len(share))
            for position, split in zip(share.tolist(), splits, strict=True):
                store.assign(self.label_ids[position], split, owner if len(counts) > 1 else None)
        return tuple(after)
