"""Which of the structures that were made from others train, validate and test."""

from collections.abc import Mapping, Sequence
from typing import Final

from aims_pax.frame import Frame, Split
from aims_pax.structures.augmentation.streams import Streams

INPUTS: Final = frozenset({"input", "supercell"})
"""What structures are called that others were made from."""

ALWAYS_TRAIN: Final = INPUTS | {"IsolatedAtom", "dimer"}
"""What these are called that every potential must know; each stands for itself, and none for others."""


def splits_of(
    frames: Sequence[Frame],
    *,
    valid_ratio: float,
    test_ratio: float,
    streams: Streams,
    owed: Mapping[Split, float] | None = None,
) -> list[Split]:
    """The place of each structure, for its whole life.

    Of what was made of one structure in one way the same shares train, validate and test, drawn at random; what single
    ones of these lack to a whole is made up for by the next.

    Parameters
    ----------
    frames : sequence of Frame
        They say by their `system` and `config_type` how they were made.
    valid_ratio, test_ratio : float
        Shares of all but those that always train.
    owed : mapping of Split to float, or None
        What earlier structures lack in validation and test to these shares; None: there were none.
    """
    places = [Split.TRAINING] * len(frames)
    groups: dict[tuple[str, str], list[int]] = {}
    for index, frame in enumerate(frames):
        if frame.config_type not in ALWAYS_TRAIN:
            groups.setdefault((frame.system, frame.config_type), []).append(index)
    owed = {Split.VALIDATION: 0.0, Split.TEST: 0.0, **(owed or {})}
    for (system, kind), members in groups.items():
        order = streams.of("split", f"{system} {kind}").permutation(len(members)).tolist()
        for split, ratio in ((Split.VALIDATION, valid_ratio), (Split.TEST, test_ratio)):
            owed[split] += ratio * len(members)
            n_taken = min(max(0, int(owed[split] + 0.5)), len(order))
            owed[split] -= n_taken
            for place in order[:n_taken]:
                places[members[place]] = split
            order = order[n_taken:]
    return places
