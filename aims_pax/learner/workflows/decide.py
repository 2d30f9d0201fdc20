"""What to do next with players and their committee."""

from dataclasses import replace

from aims_pax.learner.state import Budget
from aims_pax.learner.workflows.events import Advance, Await, Build, Command, Finish, LearnAll, Train
from aims_pax.learner.workflows.rules import DrivenBy, PlayRules
from aims_pax.learner.workflows.state import Doing, End, Player, PlayState, Turn


def decide(state: PlayState, rules: PlayRules) -> Command:
    """What to do next. Sampling and training take turns; the shell blocks only when nobody can move or learn."""
    if state.stopping is not None:
        return Finish(state.stopping)
    building = [index for index in state.doing(Doing.BUILDING) if may_begin(state, rules, index)]
    if building:
        return Build(building[0])
    moving = state.doing(Doing.MOVING)
    if state.epochs_due and (state.turn is Turn.TRAIN or not moving):
        return Train(min(rules.epochs_per_slice, state.epochs_due))
    if moving:
        return _advance(state, rules, moving)
    if state.in_flight:
        return Await()
    if state.doing(Doing.WAITING):
        return LearnAll()
    return Finish(_end(state, rules))


def may_begin(state: PlayState, rules: PlayRules, index: int) -> bool:
    """Whether a player may begin its next phase: a first one only where its labels are not too far behind."""
    player = state.players[index]
    if player.phase:
        return True
    return all(one.player != index or one.visit >= player.visit - rules.visits_ahead for one in state.in_flight)


def driver_of(player: Player, rules: PlayRules, index: int) -> DrivenBy:
    """What moves the atoms of a player in its present phase."""
    if rules.begins_without_models and player.visit == 1:
        return DrivenBy.PRETRAINED
    said = rules.phase(index, player.phase).driver
    if said is not None:
        return said
    if player.visit <= rules.pretrained_visits:
        return DrivenBy.PRETRAINED
    if rules.hand_over is not None and rules.pretrained_visits and player.phase not in player.handed:
        return DrivenBy.PRETRAINED
    return DrivenBy.COMMITTEE


def is_judged(player: Player, rules: PlayRules, index: int) -> bool:
    """Whether a player stands at a structure that is judged: every so many steps, and where a window ends."""
    phase = rules.phase(index, player.phase)
    if not phase.n_windows:
        return False
    step = player.phase_step
    return step % rules.skip_steps == 0 or step in (phase.n_steps, phase.window_end(step - 1))


def may_ask(state: PlayState, rules: PlayRules, index: int) -> bool:
    """Whether a player may ask for one more label."""
    return all(index not in one.trajectories or _n_labels(state, one) < one.max_labels for one in rules.budgets)


def is_over(state: PlayState, rules: PlayRules, index: int) -> bool:
    """Whether no visit follows for a player that is between two of them."""
    player = state.players[index]
    return player.n_held >= rules.n_hold or player.visit > rules.max_visits or not may_ask(state, rules, index)


def reopened(state: PlayState, rules: PlayRules) -> PlayState:
    """The state under rules that may allow more than before, or after a failure that was mended.

    Visits whose structures could not be built, or in which nothing could be learned, are made again.
    """
    if state.stopping is End.BROKEN:
        players = tuple(_back(one, n_visits=one.n_broken) for one in state.players)
        state = replace(state, players=players, stopping=None)
    elif state.stopping in (End.FAILURES, End.NOTHING):
        players = state.players
        if not state.has_committee and not state.counts.n_train and not state.in_flight:
            players = tuple(_back(one, n_visits=one.visit - 1) for one in players)
        state = replace(state, players=players, n_failed_in_row=0, stopping=None)
    gone_on = going_on(state, rules)
    return state if gone_on == state else replace(gone_on, stopping=None)


def going_on(state: PlayState, rules: PlayRules) -> PlayState:
    """The state in which players that were over, and are so no longer, play on."""
    for index in state.doing(Doing.OVER):
        if not is_over(state, rules, index):
            state = state.with_player(index, replace(state.players[index], doing=Doing.BUILDING))
    return state


def _back(player: Player, *, n_visits: int) -> Player:
    """A player that makes its last visits again, if it is between two. Its steps go on counting."""
    if not n_visits or player.phase or player.doing is Doing.MOVING:
        return player
    return replace(player, doing=Doing.BUILDING, visit=player.visit - n_visits, n_broken=0)


def _advance(state: PlayState, rules: PlayRules, moving: tuple[int, ...]) -> Advance:
    """Up to the first structure that is due, of all that move."""
    n_steps = min(_steps_left(state.players[index], rules, index) for index in moving)
    ahead = (
        (index, replace(one, phase_step=one.phase_step + n_steps))
        for index in moving
        for one in (state.players[index],)
    )
    return Advance(moving, n_steps, tuple(index for index, one in ahead if is_judged(one, rules, index)))


def _steps_left(player: Player, rules: PlayRules, index: int) -> int:
    phase, step = rules.phase(index, player.phase), player.phase_step
    return min(rules.skip_steps - step % rules.skip_steps, phase.window_end(step) - step)


def _n_labels(state: PlayState, budget: Budget) -> int:
    return sum(state.players[index].n_labels for index in budget.trajectories)


def _end(state: PlayState, rules: PlayRules) -> End:
    if all(one.n_held >= rules.n_hold for one in state.players):
        return End.HOLD
    if all(one.n_held >= rules.n_hold or one.visit > rules.max_visits for one in state.players):
        return End.VISITS
    return End.BUDGETS
