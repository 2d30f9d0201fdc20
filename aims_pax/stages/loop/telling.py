"""What a loop writes into the diary, a line for each thing that happened."""

import logging
from collections.abc import Sequence

from aims_pax.frame import Label, LabelFailure, Split
from aims_pax.labelling.desk import Answer
from aims_pax.learner.cadence import PerRound
from aims_pax.learner.checks.selector import CheckIntervals
from aims_pax.learner.events import LabelArrived, SubmitLabel
from aims_pax.learner.quota import SplitCounts
from aims_pax.learner.selectors import PickReason
from aims_pax.learner.state import State, StopReason
from aims_pax.settings.stages.uncertainty import kind_named
from aims_pax.stages.loop.judging import Judgement
from aims_pax.stages.loop.parts import LoopParts


class Diary:
    """The diary of one stage.

    Parameters
    ----------
    stage : str
        Names the logger.
    parts : LoopParts
        Its rules; why it stopped, in words of its own; how often it tells of labels; what its scores are.
    """

    def __init__(self, stage: str, parts: LoopParts) -> None:
        self._log = logging.getLogger(f"aims_pax.{stage}")
        self._rules, self._reasons, self._labels_per_line = parts.rules, parts.reasons, parts.labels_per_line
        self._kind = kind_named(parts.score_kind)
        self._checks = next((one for one in parts.rules.selectors if isinstance(one, CheckIntervals)), None)
        self._is_round = isinstance(parts.rules.cadence, PerRound)

    def equilibrating(self) -> None:
        self._log.info(
            "equilibrating: %d MD steps of each starting structure, not labelled", self._rules.equilibration_steps
        )

    def equilibrated(self, temperature_k: float) -> None:
        self._log.info("equilibrated: kinetic temperature now %.0f K; structures are labelled from here", temperature_k)

    def stopped(self, trajectory: int, md_step: int, problem: str) -> None:
        name = f"system {trajectory}" if self._is_round else f"traj {trajectory:02d}"
        self._log.warning("%s  step %s  stopped: %s", name, grouped(md_step), problem)

    def judged(self, trajectory: int, md_step: int, score: float) -> None:
        self._log.debug("traj %02d  step %s  deviation %.4g%s", trajectory, grouped(md_step), score, self._kind.ending)

    def picked(self, pick: SubmitLabel, md_step: int, label_id: int, *, judgement: Judgement | None) -> None:
        """A structure was asked for, because of its score and the threshold of that moment where there were any."""
        if self._is_round:
            self._log.debug("system %d  step %s  -> label %d", pick.trajectory, grouped(md_step), label_id)
            return
        reason = str(pick.reason)
        if pick.reason in (PickReason.UNSURE, PickReason.BETWEEN) and judgement is not None:
            reason = str(judgement)
        self._log.info("traj %02d  step %s  %s  -> label %d", pick.trajectory, grouped(md_step), reason, label_id)

    def passed_over(self, trajectory: int, md_step: int, *, like: int) -> None:
        """A structure would have been asked for, and is nearly that at which another trajectory stands."""
        words = "traj %02d  step %s  passed over: nearly where traj %02d stands, whose label is awaited or learned"
        self._log.debug(words, trajectory, grouped(md_step), like)

    def withdrawn(self, trajectory: int, md_step: int, label_id: int) -> None:
        """Nobody need label a structure any more."""
        self._log.info(
            "traj %02d  step %s  label %d withdrawn: the models have become sure",
            trajectory,
            grouped(md_step),
            label_id,
        )

    def kept(self, answer: Answer, label: Label, split: Split | None, *, sizes: tuple[int, int]) -> None:
        """A label was put into a split, or aside; `sizes` are those of a member's training and validation sets."""
        whither = "aside" if split is None else f"{split} set"
        self._log.info(
            "traj %02d  step %s  label %d after %.1f s  -> %s (%d + %d)",
            *(answer.frame.trajectory, grouped(answer.frame.md_step), answer.label_id, label.wall_s, whither, *sizes),
        )

    def checked(self, event: LabelArrived, state: State) -> None:
        """What a check has shown, where labels are such."""
        selector, found = self._checks, event.differences
        if selector is None or found is None:
            return
        broken = selector.rules.tolerances.broken(found)
        self._log.info(
            "traj %02d  step %s  check: %s  -> %s; the next one in %d steps",
            *(event.trajectory, grouped(event.md_step), found),
            f"{', '.join(broken)} broken" if broken else "passed",
            selector.interval(state.memory_of(selector.name), event.trajectory),
        )

    def collected(self, label: Label, state: State) -> None:
        """A label belongs to a round that is not complete."""
        assert isinstance(self._rules.cadence, PerRound)
        if state.n_in_round % self._labels_per_line == 0:
            self._log.info(
                "round %d  %d of %d labels, the last one after %.1f s",
                *(state.n_round + 1, state.n_in_round, self._rules.cadence.labels_per_round, label.wall_s),
            )

    def failed(self, answer: Answer, failure: LabelFailure) -> None:
        where = f"traj {answer.frame.trajectory:02d}  step {grouped(answer.frame.md_step)}  "
        self._log.warning(
            "%slabel %d failed, %s: %s",
            *("" if self._is_round else where, answer.label_id, failure.reason, failure.message),
        )

    def distributed(self, n_round: int, n_labels: int, counts: Sequence[SplitCounts], *, n_probed: int) -> None:
        if n_probed:
            self._log.info("round %d  %d structures of the probe train every member, too", n_round, n_probed)
        self._log.info(
            "round %d  %d labels distributed: each member has %d + %d structures",
            *(n_round, n_labels, counts[0].n_train, counts[0].n_valid),
        )

    def rewound(self, trajectory: int) -> None:
        if not self._is_round:
            self._log.info("traj %02d  back to its checkpoint", trajectory)

    def weighing(self, weight: float) -> None:
        """Molecules alone have crossed their thresholds so often that what acts on them is learned, too."""
        words = "molecules alone were unsure %d times in a row: the loss counts the forces on them from now on, by %g"
        self._log.info(words, self._rules.molecular_limit, weight)

    def pausing(self, n_pauses: int) -> None:
        """Labels were unphysical in series."""
        rule = self._rules.wrecks
        assert rule is not None
        self._log.warning(
            "more than %d of %d labels were unphysical: the MD runs into structures that fall apart. None is picked "
            "until the committee has been trained for %d more epochs (pause %d of %d)",
            *(rule.n_most, rule.n_recent, rule.pause_epochs, n_pauses, rule.max_pauses),
        )

    def stopping(self, reason: StopReason) -> None:
        """No more structures are taken."""
        if self._is_round and reason is StopReason.ALL_FAILED:
            return  # told by whoever ends the campaign
        words = "initial dataset complete: %s" if self._is_round else "no further structures are taken: %s"
        self._log.info(words, self._reasons.get(reason, str(reason)))


def grouped(number: int) -> str:
    """12400 as 12 400."""
    return f"{number:,}".replace(",", " ")
