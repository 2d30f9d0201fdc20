"""Players without MD, labels or models: tests say what happens, and see what the learner makes of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aims_pax.learner.quota import Quota
from aims_pax.learner.workflows import (
    Advance,
    AllLearned,
    Build,
    Built,
    Consequence,
    EpochsDone,
    Event,
    Finish,
    LabelArrived,
    LabelFailed,
    LearnAll,
    Moved,
    PhaseOver,
    PhaseRule,
    PlayRules,
    PlayState,
    Submit,
    Train,
    begin,
    decide,
    transition,
)

THRESHOLD = 1.0
SURE, UNSURE = 0.5, 2.0
"""Scores below the threshold, and above it."""


def phase(name: str = "Phase0", *, n_steps: int = 100, n_windows: int = 2, **changes: Any) -> PhaseRule:
    return PhaseRule(name, n_steps, n_windows, **{"threshold": THRESHOLD, **changes})


def rules_of(*programs: Sequence[PhaseRule], **changes: Any) -> PlayRules:
    """Rules of players with these programs; of one with a single phase where none is given."""
    usual = PlayRules(
        programs=tuple(tuple(one) for one in programs) or ((phase(),),),
        skip_steps=10,
        quota=Quota(0.25),
        epochs_per_label=4,
        epochs_per_slice=2,
        max_visits=3,
        max_failures=3,
    )
    return replace(usual, **changes)


class Play:
    """A state that goes on by what a test tells, and remembers what had to be done.

    Parameters
    ----------
    rules : PlayRules
    has_committee : bool
        Whether there are models at the beginning.
    """

    def __init__(self, rules: PlayRules, *, has_committee: bool = True) -> None:
        self.rules, self.state = rules, begin(rules, has_committee=has_committee)
        self.asked: list[Submit] = []
        self.over: list[PhaseOver] = []

    def tell(self, *events: Event) -> tuple[Consequence, ...]:
        """Let something happen; what follows from the last of it."""
        consequences: tuple[Consequence, ...] = ()
        for event in events:
            self.state, consequences = transition(self.state, event, self.rules)
            self.asked += [one for one in consequences if isinstance(one, Submit)]
            self.over += [one for one in consequences if isinstance(one, PhaseOver)]
        return consequences

    def answer(self, *, fails: bool = False, is_of_structure: bool = False) -> None:
        """Answer all labels in flight."""
        for pick in self.state.in_flight:
            if fails:
                self.tell(LabelFailed(pick.player, pick.md_step, is_of_structure))
            else:
                self.tell(LabelArrived(pick.player, pick.md_step))

    def build(self) -> None:
        """Build all that may be built."""
        while isinstance(command := decide(self.state, self.rules), Build):
            self.tell(Built(command.player))

    def visit(self, score: float | None = SURE) -> None:
        """One visit of all players that make one, in which all structures have this score; labels stay in flight.

        Epochs that are due are trained.
        """
        goal = max(one.visit for one in self.state.players) + 1
        while True:
            match decide(self.state, self.rules):
                case Build(index) if self.state.players[index].visit < goal:
                    self.tell(Built(index))
                case Advance(players, n_steps, judged):
                    for index in players:
                        self.tell(Moved(index, n_steps, score if index in judged else None))
                case Train(n_epochs):
                    self.tell(EpochsDone(n_epochs, None))
                case _:
                    return

    def to_the_end(self, score: float | None = SURE) -> Finish:
        """Everything to the end, with labels that come when they are waited for."""
        for _ in range(10_000):
            match command := decide(self.state, self.rules):
                case Finish():
                    return command
                case Build(index):
                    self.tell(Built(index))
                case Advance(players, n_steps, judged):
                    for index in players:
                        self.tell(Moved(index, n_steps, score if index in judged else None))
                case Train(n_epochs):
                    self.tell(EpochsDone(n_epochs, None))
                case LearnAll():
                    self.tell(AllLearned(7))
                case _:
                    self.answer()
        raise AssertionError("it does not end")


def state_after(state: PlayState, rules: PlayRules, *events: Event) -> PlayState:
    for event in events:
        state, _ = transition(state, event, rules)
    return state
