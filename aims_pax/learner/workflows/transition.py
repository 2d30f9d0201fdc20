"""What an event changes for players, and what has to be done at once."""

from dataclasses import replace

from aims_pax.learner.transition import OutOfTurn
from aims_pax.learner.workflows.decide import driver_of, going_on, is_judged, is_over, may_ask
from aims_pax.learner.workflows.events import (
    AllLearned,
    BuildFailed,
    Built,
    Consequence,
    EpochsDone,
    Event,
    HoldFrame,
    KeepLabel,
    LabelArrived,
    LabelFailed,
    Moved,
    PhaseOver,
    Submit,
)
from aims_pax.learner.workflows.rules import DrivenBy, Holds, PhaseRule, PlayRules
from aims_pax.learner.workflows.state import Best, Doing, End, Pick, Player, PlayState, Turn

Changed = tuple[PlayState, tuple[Consequence, ...]]


def begin(rules: PlayRules, *, has_committee: bool) -> PlayState:
    """All players before their first visit."""
    return PlayState((Player(),) * len(rules.programs), has_committee=has_committee)


def transition(state: PlayState, event: Event, rules: PlayRules) -> Changed:
    """The state after an event, and what has to be done at once.

    Raises
    ------
    OutOfTurn
        The event can't happen in this state.
    """
    match event:
        case Built(index):
            driver = driver_of(state.players[index], rules, index)
            player = _doing(state, index, Doing.BUILDING)
            is_meant_so = driver is rules.phase(index, player.phase).driver
            is_own = player.is_own and (driver is DrivenBy.COMMITTEE or is_meant_so)
            player = replace(player, doing=Doing.MOVING, phase_step=0, best=None, largest=None, is_own=is_own)
            return state.with_player(index, player), ()
        case BuildFailed(index, words):
            return _not_built(state, index, words, rules)
        case Moved():
            return _moved(state, event, rules)
        case LabelArrived(index, md_step):
            return _arrived(_answered(state, index, md_step), index, md_step, rules)
        case LabelFailed(index, md_step, is_of_structure):
            return _failed(_answered(state, index, md_step), index, rules, is_of_structure=is_of_structure), ()
        case EpochsDone(n_epochs, force_mae):
            due = max(0, state.epochs_due - n_epochs)
            mae = state.force_mae if force_mae is None else force_mae
            state = replace(state, epochs_due=due, n_epochs=state.n_epochs + n_epochs, force_mae=mae, turn=Turn.SAMPLE)
            return state, ()
        case AllLearned(n_epochs):
            return _all_learned(state, n_epochs, rules), ()


def _doing(state: PlayState, index: int, doing: Doing) -> Player:
    player = state.players[index]
    if player.doing is not doing:
        raise OutOfTurn(f"player {index} is {player.doing}, and not {doing}")
    return player


# -- moving ---------------------------------------------------------------------------------------------------


def _not_built(state: PlayState, index: int, words: str, rules: PlayRules) -> Changed:
    player = _doing(state, index, Doing.BUILDING)
    over = PhaseOver(index, player.visit, player.phase, 0, None, words, ends_visit=True)
    n_broken = player.n_broken + 1
    state = _visit_over(state, index, replace(player, n_held=0, n_broken=n_broken), rules)
    is_given_up = n_broken >= min(rules.max_failures, rules.max_visits)
    return (replace(state, stopping=End.BROKEN) if is_given_up else state), (over,)


def _moved(state: PlayState, event: Moved, rules: PlayRules) -> Changed:
    index, consequences = event.player, list[Consequence]()
    player = _doing(state, index, Doing.MOVING)
    phase, driver = rules.phase(index, player.phase), driver_of(player, rules, index)
    player = replace(player, phase_step=player.phase_step + event.n_steps, md_step=player.md_step + event.n_steps)
    state = replace(state, turn=Turn.TRAIN, n_scores=state.n_scores + (event.score is not None))
    is_sound, step = event.problem is None, player.phase_step
    is_over = not is_sound or event.is_at_rest or step >= phase.n_steps
    ends_window = phase.n_windows > 0 and (is_over or step == phase.window_end(step - 1))
    if is_sound and phase.n_windows and (event.is_at_rest or is_judged(player, rules, index)):
        player = _judged(player, event.score)
        if _is_better(player.best, event.score) if driver is DrivenBy.COMMITTEE else ends_window:
            player = replace(player, best=Best(player.md_step, event.score))
            consequences.append(HoldFrame(index))
    if ends_window:
        is_uniform = driver is DrivenBy.PRETRAINED
        player, asked = _window_over(player, index, phase.threshold, is_uniform=is_uniform)
        if asked is not None and may_ask(state, rules, index):
            consequences.append(asked)
            pick = Pick(index, asked.md_step, player.visit)
            state = replace(state, in_flight=(*state.in_flight, pick))
            player = replace(player, n_labels=player.n_labels + 1)
    if is_over:
        state, over = _phase_over(state, index, player, rules, words=event.problem or "")
        return state, (*consequences, over)
    return state.with_player(index, player), tuple(consequences)


def _judged(player: Player, score: float | None) -> Player:
    if score is None:
        return player
    return replace(player, largest=score if player.largest is None else max(player.largest, score))


def _is_better(best: Best | None, score: float | None) -> bool:
    """Whether a structure is to be labelled rather than the best one until now."""
    return score is not None and (best is None or best.score is None or score > best.score)


def _window_over(player: Player, index: int, threshold: float, *, is_uniform: bool) -> tuple[Player, Submit | None]:
    """Whether the best frame of a window is labelled: above the threshold, or in any case."""
    best, player = player.best, replace(player, best=None)
    if best is None or (not is_uniform and (best.score is None or best.score < threshold)):
        return player, None
    n_above = player.n_above + (not is_uniform)
    return replace(player, n_above=n_above), Submit(index, best.md_step, best.score, 0.0 if is_uniform else threshold)


def _phase_over(
    state: PlayState, index: int, player: Player, rules: PlayRules, *, words: str
) -> tuple[PlayState, PhaseOver]:
    n_phases, number = len(rules.programs[index]), player.phase
    over = PhaseOver(index, player.visit, number, player.phase_step, player.largest, words)
    if rules.hand_over is not None:
        is_sure = not words and _is_sure(player, rules.phase(index, number), rules.hand_over)
        handed = {*player.handed, number} if is_sure else {*player.handed} - {number}
        player = replace(player, handed=tuple(sorted(handed)))
    if not words and number + 1 < n_phases:
        player = replace(player, doing=Doing.BUILDING, phase=number + 1, phase_step=0)
        return state.with_player(index, player), over
    held = not words and player.is_own and (rules.holds is Holds.STABLE or player.n_above == 0)
    player = replace(player, n_held=player.n_held + 1 if held else 0, n_broken=0)
    return _visit_over(state, index, player, rules), replace(over, ends_visit=True, held=held)


def _is_sure(player: Player, phase: PhaseRule, limit: float) -> bool:
    """Whether the committee may drive a phase from now on; of one that is not sampled nobody knows better."""
    return player.largest < limit if player.largest is not None else not phase.n_windows


def _visit_over(state: PlayState, index: int, player: Player, rules: PlayRules) -> PlayState:
    """The next visit, or the end."""
    fresh = replace(player, visit=player.visit + 1, phase=0, phase_step=0, best=None, n_above=0, is_own=True)
    state = state.with_player(index, fresh)
    waits = rules.from_scratch or not state.has_committee
    return _put(state, index, Doing.WAITING) if waits else _begun_anew(state, index, rules)


def _begun_anew(state: PlayState, index: int, rules: PlayRules) -> PlayState:
    return _put(state, index, Doing.OVER if is_over(state, rules, index) else Doing.BUILDING)


def _put(state: PlayState, index: int, doing: Doing) -> PlayState:
    return state.with_player(index, replace(state.players[index], doing=doing))


# -- labels ---------------------------------------------------------------------------------------------------


def _answered(state: PlayState, index: int, md_step: int) -> PlayState:
    """The state without this label in flight."""
    left = tuple(one for one in state.in_flight if (one.player, one.md_step) != (index, md_step))
    if len(left) == len(state.in_flight):
        raise OutOfTurn(f"a label of player {index}, step {md_step}, arrived that was not in flight")
    return replace(state, in_flight=left)


def _arrived(state: PlayState, index: int, md_step: int, rules: PlayRules) -> Changed:
    counts, split = rules.quota.place(state.counts)
    state = replace(
        state, counts=counts, n_received=state.n_received + 1, n_failed_in_row=0, n_unlearned=state.n_unlearned + 1
    )
    if state.has_committee and not rules.from_scratch:
        state = replace(state, epochs_due=rules.epochs_per_label)
    return state, (KeepLabel(index, md_step, split),)


def _failed(state: PlayState, index: int, rules: PlayRules, *, is_of_structure: bool) -> PlayState:
    player = state.players[index]
    state = going_on(state.with_player(index, replace(player, n_labels=player.n_labels - 1)), rules)
    n_in_row = state.n_failed_in_row + (not is_of_structure)
    state = replace(state, n_failed=state.n_failed + 1, n_failed_in_row=n_in_row)
    return replace(state, stopping=End.FAILURES) if n_in_row >= rules.max_failures else state


def _all_learned(state: PlayState, n_epochs: int, rules: PlayRules) -> PlayState:
    """Everyone goes on with the new models, or is over; without any label there are no models to go on with."""
    if not state.has_committee and not state.counts.n_train:
        return replace(state, stopping=End.NOTHING)
    for index in state.doing(Doing.WAITING):
        state = _begun_anew(state, index, rules)
    return replace(state, has_committee=True, n_epochs=state.n_epochs + n_epochs, n_unlearned=0)
