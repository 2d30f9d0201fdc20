"""What a stage that plays workflows tells of itself: the status, and a line for each event."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aims_pax.frame import Frame, Label, LabelFailure, Split
from aims_pax.labelling.desk import Answer
from aims_pax.learner.workflows import (
    Advance,
    Await,
    Build,
    Command,
    Doing,
    DrivenBy,
    LearnAll,
    PhaseOver,
    Player,
    PlayState,
    Submit,
    Train,
)
from aims_pax.protocols import Committee
from aims_pax.stages.bench import Bench
from aims_pax.stages.epochs import epochs_trained
from aims_pax.stages.playing.cast import Role
from aims_pax.stages.watching import status_at_rest
from aims_pax.structures.building.phase import Built

diary = logging.getLogger("aims_pax.explore")

LETTERS: Mapping[Doing, str] = {Doing.BUILDING: "r", Doing.MOVING: "r", Doing.WAITING: "t", Doing.OVER: "d"}
"""Of players in :attr:`aims_pax.protocols.Status.phases`."""


class Showing:
    """Tells whoever looks on where players are, and the diary what has happened."""

    def __init__(self, bench: Bench, name: str, roles: Sequence[Role]) -> None:
        self._bench, self._name, self._roles = bench, name, roles
        self._n_epochs_before = epochs_trained(bench, besides=name)

    def show(self, state: PlayState, command: Command, committee: Committee | None) -> None:
        """The stage is about to carry out this command."""
        self._show(
            state, committee, self._words(state, command), state.force_mae, is_waiting=isinstance(command, Await)
        )

    def learning(self, state: PlayState, committee: Committee | None, words: str, force_mae: float | None) -> None:
        """Models learn from all players."""
        self._show(state, committee, words, force_mae)

    def _show(
        self,
        state: PlayState,
        committee: Committee | None,
        words: str,
        force_mae: float | None,
        *,
        is_waiting: bool = False,
    ) -> None:
        doing = [one.doing for one in state.players]
        self._bench.observer.show(
            replace(
                status_at_rest(self._bench.store.counts(), stage=self._name, activity=words),
                n_running=doing.count(Doing.MOVING) + doing.count(Doing.BUILDING),
                n_training=doing.count(Doing.WAITING),
                n_finished=doing.count(Doing.OVER),
                n_train=0 if committee is None else committee.n_train(0),
                n_valid=0 if committee is None else committee.n_valid(0),
                md_steps=state.md_steps,
                epochs=self._n_epochs_before + state.n_epochs,
                force_mae_ev_per_ang=force_mae,
                phases="".join(LETTERS[one] for one in doing),
                is_waiting=is_waiting,
            )
        )

    def _words(self, state: PlayState, command: Command) -> str:
        match command:
            case Build(player):
                return f"building {self._place(player, state.players[player])}"
            case Advance():
                first = command.players[0]
                others = "" if len(command.players) == 1 else f" and {len(command.players) - 1} more"
                return f"{self._place(first, state.players[first])}{others}"
            case Train():
                return "training"
            case LearnAll():
                return "learning from all visits"
            case Await():
                return "waiting for labels"
        return "done"

    def _place(self, index: int, player: Player) -> str:
        """``dlc Phase1, visit 2``."""
        role = self._roles[index]
        replica = "" if role.replica == 1 else f" ({role.replica})"
        return f"{role.called(player.phase)}{replica}, visit {player.visit}"

    def begun(self, index: int, player: Player, scene: Built, driven_by: DrivenBy) -> None:
        """A phase begins."""
        by = "the committee" if driven_by is DrivenBy.COMMITTEE else "the pretrained model"
        words = scene.words or f"{scene.frame.n_atoms} atoms"
        diary.info("%s  %s, driven by %s", self._place(index, player), words, by)

    def over(self, over: PhaseOver, told: Mapping[str, Any]) -> None:
        """A phase has ended."""
        role = self._roles[over.player]
        place = f"{role.called(over.phase)}" + ("" if role.replica == 1 else f" ({role.replica})")
        score = "" if over.largest is None else f", largest score {over.largest:.3g}"
        if over.words:
            diary.info("%s, visit %d  ends after %d steps: %s", place, over.visit, over.n_steps, over.words)
        else:
            diary.info("%s, visit %d  over after %d steps%s", place, over.visit, over.n_steps, score)
        if over.ends_visit:
            held = "holds" if over.held else "does not hold yet"
            diary.info("%s, visit %d  %s", role.workflow.name, over.visit, held)

    def asked(self, asked: Submit, frame: Frame, label_id: int) -> None:
        """A structure was picked."""
        score = "uniform in time" if asked.score is None else f"score {asked.score:.3g}"
        diary.info("%s  step %d  %s  -> label %d", frame.config_type, frame.md_step, score, label_id)

    def kept(self, answer: Answer, label: Label, split: Split) -> None:
        """A label has come."""
        largest = float((label.forces**2).sum(axis=1).max() ** 0.5)
        diary.info("label %d  largest force %.1f eV/Å  -> %s", answer.label_id, largest, split)

    def failed(self, answer: Answer, failure: LabelFailure) -> None:
        """A label has failed."""
        diary.warning("label %d  %s: %s", answer.label_id, failure.reason, failure.message)
