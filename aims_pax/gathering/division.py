"""Training, validation and test sets of whole groups, so that neighbours never stand on two sides."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from aims_pax.errors import Problem, UserError
from aims_pax.frame import Split

ALLOWED: Final = (
    "fractions for training, validation and test that add up to 1 (0.8,0.1,0.1), or numbers of structures "
    "(800,100,100; without the third the rest tests)"
)
FEW_GROUPS: Final = 5
"""Groups in a set below which its errors are those of these few runs."""

FAR_OFF: Final = 0.1
"""Part of what was asked for by which a set may be larger or smaller without a word."""


@dataclass(frozen=True, slots=True)
class Shares:
    """What was asked for.

    Parameters
    ----------
    training, validation : float
    test : float or None
        None: what is left.
    are_counts : bool
        Whether these are numbers of structures, and not fractions.
    """

    training: float
    validation: float
    test: float | None
    are_counts: bool

    @classmethod
    def read(cls, text: str) -> Self:
        """The shares that are written so.

        Raises
        ------
        UserError
            They are none.
        """
        try:
            numbers = [float(word) for word in text.split(",")]
        except ValueError:
            raise _none(text) from None
        if len(numbers) not in (2, 3) or not all(np.isfinite(one) and one >= 0 for one in numbers) or not numbers[0]:
            raise _none(text)
        are_counts = "." not in text and max(numbers) >= 1 and sum(numbers) != 1
        if are_counts:
            return cls(numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else None, are_counts=True)
        if abs(sum(numbers) - 1) > 1e-6:
            raise _none(text)
        return cls(numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else 0.0, are_counts=False)

    def wanted(self, n_structures: int) -> dict[Split, int]:
        """Structures of each set.

        Raises
        ------
        UserError
            More are asked for than there are.
        """
        if not self.are_counts:
            validation, test = (round(one * n_structures) for one in (self.validation, self.test or 0.0))
            training = n_structures - validation - test
            return {Split.TRAINING: training, Split.VALIDATION: validation, Split.TEST: test}
        given = int(self.training + self.validation + (self.test or 0))
        if given > n_structures:
            found = f"{given} structures are asked for, and there are {n_structures}."
            raise UserError(Problem("--split", found, "no more than there are", "Ask for fewer, or for fractions."))
        test = n_structures - given if self.test is None else int(self.test)
        return {Split.TRAINING: int(self.training), Split.VALIDATION: int(self.validation), Split.TEST: test}


def _none(text: str) -> UserError:
    return UserError(Problem("--split", f"{text} is no division of a set.", ALLOWED))


@dataclass(frozen=True, slots=True)
class Division:
    """What became of it.

    Parameters
    ----------
    places : mapping of int to Split
        By group; those that are nowhere are in no set.
    wanted, counts, n_groups : mapping of Split to int
        Structures that were asked for, structures and groups that there are.
    n_unused : int
        Structures in no set.
    """

    places: Mapping[int, Split]
    wanted: Mapping[Split, int]
    counts: Mapping[Split, int]
    n_groups: Mapping[Split, int]
    n_unused: int

    def remarks(self) -> Iterator[Problem]:
        """What is not as it was asked for, or worth little."""
        for split, wanted in self.wanted.items():
            count, n_groups = self.counts[split], self.n_groups[split]
            if wanted and not count:
                found = f"The {split} set is empty: groups of structures that come from one another stay together."
                advice = "Gather more runs that began from other structures, or divide by hand."
                yield Problem("--split", found, "", advice)
            elif abs(count - wanted) > max(1.0, FAR_OFF * wanted):
                found = f"The {split} set has {count} structures where {wanted} were asked for: groups stay together."
                yield Problem("--split", found)
            if split is not Split.TRAINING and 0 < n_groups < FEW_GROUPS:
                runs = "one group" if n_groups == 1 else f"{n_groups} groups"
                found = f"The {split} set is of {runs} of structures that come from one another."
                yield Problem("--split", found, "", "Its errors are those of these few, whatever its size.")
        if self.n_unused:
            yield Problem("--split", f"{self.n_unused} structures are in no set, as was asked for.")


def divided(groups: Mapping[int, int], shares: Shares, *, seed: int) -> Division:
    """Give each group to one set.

    Parameters
    ----------
    groups : mapping of int to int
        Structures of each group.
    shares : Shares
    seed : int

    Notes
    -----
    Large groups first, those of one size in random order, each to the set that lacks most of what it is to have: what
    is left over when the small ones come evens out the counts.
    """
    n_structures = sum(groups.values())
    wanted = shares.wanted(n_structures)
    lacking = {split: float(n) for split, n in wanted.items()}
    rng = np.random.default_rng(seed)
    names = sorted(groups)
    order: Sequence[int] = [names[place] for place in rng.permutation(len(names)).tolist()]
    places: dict[int, Split] = {}
    n_spare = n_structures - sum(wanted.values())
    for group in sorted(order, key=lambda one: -groups[one]):
        split = _place(groups[group], lacking, n_spare)
        if split is None:
            n_spare -= groups[group]
            continue
        places[group] = split
        lacking[split] -= groups[group]
    _fill_empty(places, groups, wanted)
    counts = {one: sum(n for group, n in groups.items() if places.get(group) is one) for one in Split}
    n_groups = {one: sum(places.get(group) is one for group in groups) for one in Split}
    return Division(places, wanted, counts, n_groups, n_structures - sum(counts.values()))


def _fill_empty(places: dict[int, Split], groups: Mapping[int, int], wanted: Mapping[Split, int]) -> None:
    """Give a set that is to have structures, and got none, the smallest group of training, which keeps one."""
    for split in (Split.VALIDATION, Split.TEST):
        training = [group for group in groups if places.get(group) is Split.TRAINING]
        if wanted[split] and not any(places.get(group) is split for group in groups) and len(training) > 1:
            places[min(training, key=lambda group: groups[group])] = split


def _place(n: int, lacking: Mapping[Split, float], n_spare: float) -> Split | None:
    """The set that lacks most, counted in whole sets where several groups fit; None: more than all sets need."""
    most = max(lacking, key=lambda split: lacking[split])
    if n_spare > 0 and lacking[most] < n / 2:
        return None
    return most
