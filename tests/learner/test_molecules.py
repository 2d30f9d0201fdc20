"""Thresholds of whole molecules: each has its own, beside that of the structure."""

import math
from dataclasses import replace

import pytest

from aims_pax.learner.cadence import PerLabel
from aims_pax.learner.events import ChunkDone, EpochsDone, LabelArrived, SubmitLabel
from aims_pax.learner.journal import from_text, to_text
from aims_pax.learner.molecules import MovingThresholdOfMolecules, molecular_thresholds
from aims_pax.learner.quota import Quota
from aims_pax.learner.selectors import MIN_SCORES, Memory, MovingThreshold, Observation, PickReason
from aims_pax.learner.state import Phase, Rules, State
from aims_pax.learner.transition import begin, transition

WHOLE = MovingThreshold(c_x=0.0, quiet_limit_steps=10**6)
MOLECULES = MovingThresholdOfMolecules(c_x=0.0)
RULES = Rules(
    selectors=(WHOLE, MOLECULES),
    cadence=PerLabel(epochs_per_label=1, epochs_per_slice=1),
    quota=Quota(0.1),
    skip_steps=25,
    max_failures=3,
    max_train_size=50,
)


def seen(*of_molecules: float, train_size: int = 0) -> Observation:
    return Observation(0, 25, 0, score=0.1, train_size=train_size, of_molecules=of_molecules)


def after(n: int, *of_molecules: float, selector: MovingThresholdOfMolecules = MOLECULES) -> Memory:
    memory = Memory(selector.name)
    for _ in range(n):
        memory, _ = selector.judged(memory, seen(*of_molecules))
    return memory


def test_each_molecule_has_a_threshold_of_its_own() -> None:
    memory = after(MIN_SCORES + 1, 0.1, 2.0)
    assert MOLECULES.values(memory) == pytest.approx((0.1, 2.0))
    assert math.isinf(MOLECULES.value(memory)), "no score of the whole structure decides"
    assert MOLECULES.judged(memory, seen(0.2, 1.5))[1] is PickReason.BETWEEN, "the first is above its threshold"
    assert MOLECULES.judged(memory, seen(0.05, 1.5))[1] is None


def test_thresholds_are_infinite_until_more_than_ten_structures_were_seen() -> None:
    assert set(MOLECULES.values(after(MIN_SCORES, 0.1, 2.0))) == {math.inf}
    assert MOLECULES.judged(after(MIN_SCORES - 1, 0.1, 2.0), seen(9.0, 9.0))[1] is None


def test_frozen_thresholds_do_not_move() -> None:
    selector = replace(MOLECULES, freeze_train_size=5)
    memory = selector.grown(after(20, 0.1, 2.0, selector=selector), 5)
    before = selector.values(memory)
    for _ in range(30):
        memory, _ = selector.judged(memory, seen(0.01, 0.01, train_size=6))
    assert selector.values(memory) == before
    assert selector.grown(after(5, 0.1, selector=selector), 5).frozen_columns == (), "never infinite ones"


def test_structures_without_molecules_are_nobodys() -> None:
    memory = Memory(MOLECULES.name)
    assert MOLECULES.judged(memory, seen()) == (memory, None)
    one = replace(MOLECULES, trajectories=frozenset({1}))
    assert molecular_thresholds((WHOLE, one), 3) == {1: one}


def quiet(state: State, n: int = 12) -> State:
    for _ in range(n):
        state, _ = transition(state, ChunkDone(0, 25, 0.1, (0.01, 0.02)), RULES)
    return state


def test_a_molecule_that_is_unsure_has_the_structure_labelled_and_learned() -> None:
    state = quiet(begin(RULES, n_trajectories=1))
    again, consequences = transition(state, ChunkDone(0, 25, 0.05, (0.05, 0.01)), RULES)
    assert consequences == (SubmitLabel(0, PickReason.BETWEEN, MOLECULES.name),)
    assert again.trajectories[0].phase is Phase.WAITING
    assert from_text(State, to_text(again)) == again


def test_a_structure_that_is_unsure_as_a_whole_is_asked_for_once() -> None:
    state = quiet(begin(RULES, n_trajectories=1))
    _, consequences = transition(state, ChunkDone(0, 25, 0.5, (0.05, 0.01)), RULES)
    assert consequences == (SubmitLabel(0, PickReason.UNSURE, WHOLE.name),)


def test_crossings_of_molecules_alone_in_a_row_have_their_forces_learned() -> None:
    """Those of the whole structure begin the row anew; quiet structures don't. What was switched on stays on."""
    rules = replace(RULES, molecular_limit=2)
    state = quiet(begin(rules, n_trajectories=1))

    def crossed(state: State, score: float, of_molecule: float) -> State:
        state, _ = transition(state, ChunkDone(0, 25, score, (of_molecule, 0.001)), rules)
        if state.in_flight:
            state, _ = transition(state, LabelArrived(0, state.trajectories[0].md_step), rules)
            state, _ = transition(state, EpochsDone(1, None), rules)
        return state

    state = crossed(state, 0.05, 0.5)
    assert (state.n_molecular, state.weighs_molecules) == (1, False)
    state = crossed(crossed(state, 5.0, 0.5), 0.01, 0.001)
    assert (state.n_molecular, state.weighs_molecules) == (0, False)
    state = crossed(crossed(crossed(state, 0.05, 0.5), 0.01, 0.001), 0.05, 0.9)
    assert (state.n_molecular, state.weighs_molecules) == (2, True)
    state = crossed(state, 5.0, 0.5)
    assert (state.n_molecular, state.weighs_molecules) == (0, True)
    assert from_text(State, to_text(state)) == state
