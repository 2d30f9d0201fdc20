"""What every selector must do, whatever it looks at."""

import dataclasses
from random import Random

import pytest

from aims_pax.frame import Split
from aims_pax.learner.checks.intervals import Adaptive, CheckRules
from aims_pax.learner.checks.selector import CheckIntervals
from aims_pax.learner.checks.tolerances import Tolerances
from aims_pax.learner.journal import from_text, to_text
from aims_pax.learner.molecules import MovingThresholdOfMolecules
from aims_pax.learner.selectors import (
    Comparison,
    EveryStructure,
    FixedSteps,
    Memory,
    MovingThreshold,
    Observation,
    Purpose,
    RandomShare,
    Selector,
)

SELECTORS: list[Selector] = [
    EveryStructure(),
    MovingThreshold(c_x=-0.1, quiet_limit_steps=500, freeze_train_size=12),
    RandomShare(share=0.2, seed=5),
    FixedSteps(interval_steps=60),
    MovingThresholdOfMolecules(c_x=-0.1, freeze_train_size=12),
    CheckIntervals(CheckRules(Tolerances(ediff=0.01), 50, adaptive=Adaptive(20, 400, 1.5)), early=0.4),
]


def path(seed: int, n: int = 120) -> list[Observation]:
    """What a selector sees of a trajectory; now and then the committee is not asked."""
    random = Random(seed)
    return [
        Observation(
            trajectory=random.randrange(3),
            md_step=25 * (step + 1),
            quiet_steps=25 * random.randrange(40),
            score=None if random.random() < 0.1 else random.expovariate(5.0),
            train_size=5 + step // 10,
            n_steps=25,
            n_asked=step // 3,
            of_molecules=() if random.random() < 0.1 else tuple(random.expovariate(9.0) for _ in range(3)),
        )
        for step in range(n)
    ]


@pytest.fixture(params=SELECTORS, ids=lambda selector: selector.name)
def selector(request: pytest.FixtureRequest) -> Selector:
    found: Selector = request.param
    return found


def judgements(selector: Selector, seen: list[Observation]) -> tuple[Memory, list[object]]:
    memory, reasons = Memory(selector.name), []
    for one in seen:
        memory, reason = selector.judged(memory, one)
        reasons.append(reason)
    return memory, reasons


def test_rule_is_frozen_and_memory_is_told_by_its_name(selector: Selector) -> None:
    assert dataclasses.is_dataclass(selector)
    assert type(selector).__dataclass_params__.frozen  # type: ignore[attr-defined]
    memory, _ = judgements(selector, path(1))
    assert memory.selector == selector.name


def test_same_structures_are_judged_in_the_same_way(selector: Selector) -> None:
    assert judgements(selector, path(2)) == judgements(selector, path(2))


def test_memory_survives_being_stored_at_any_moment(selector: Selector) -> None:
    memory = Memory(selector.name)
    for one in path(3):
        memory, _ = selector.judged(memory, one)
        stored = from_text(Memory, to_text(memory))
        assert stored == memory
        assert selector.judged(stored, one) == selector.judged(memory, one)


def test_what_was_judged_before_is_not_changed(selector: Selector) -> None:
    memory, _ = judgements(selector, path(4, 30))
    before = to_text(memory)
    selector.judged(memory, path(5)[0])
    selector.grown(memory, 99)
    selector.compared(memory, Comparison(0, 0.3))
    assert to_text(memory) == before


def test_only_labels_that_are_learned_leave_their_split_to_the_quota(selector: Selector) -> None:
    memory = Memory(selector.name)
    _, verdict = selector.compared(memory, Comparison(0, 0.1))
    assert verdict.learns == (selector.purpose is Purpose.LEARN)
    if selector.purpose is Purpose.JUDGE:
        assert selector.split_of(memory) in (Split.VALIDATION, Split.TEST, None), "what judges never trains"
    else:
        assert selector.split_of(memory) is None


def test_threshold_is_no_negative_number(selector: Selector) -> None:
    memory, _ = judgements(selector, path(6))
    assert selector.value(memory) >= 0


def test_names_tell_selectors_apart() -> None:
    assert len({selector.name for selector in SELECTORS}) == len(SELECTORS)
