"""One walk over a pool of labelled structures, from wherever the store says that it stands to its end."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from aims_pax.committee import EpochPlan
from aims_pax.dataset.stock import Labelled, Stock
from aims_pax.errors import CampaignStopped
from aims_pax.frame import CommitteePrediction, LabelledFrame, Split
from aims_pax.learner.passes import (
    Close,
    Judge,
    Learn,
    Passes,
    StockRules,
    decide,
    judged,
    measured,
    reopened,
    taken,
    trained,
)
from aims_pax.learner.quota import SplitCounts
from aims_pax.protocols import Committee
from aims_pax.settings.stages.select import SelectSettings
from aims_pax.stages.activities import Activity
from aims_pax.stages.beginnings import isolated
from aims_pax.stages.bench import Bench
from aims_pax.stages.epochs import epochs_trained
from aims_pax.stages.loop.status import convergence_status
from aims_pax.stages.loop.trainer import MIN_RESET_PATIENCE, CommitteeTrainer, Stagnations
from aims_pax.stages.states import SELECTIONS
from aims_pax.stages.stock.errors import UNITS, error_of, prediction_of, validation_error
from aims_pax.stages.stock.survey import Survey, sizes_of, surveyed

diary = logging.getLogger("aims_pax.run")

AT_ONCE: Final = 64
"""Structures that are judged between two moments at which a run can be left."""

FIRST: Final = "first structures of the pool"

SHOWN_AFTER_S: Final = 1.0

Picked = tuple[Labelled, Split, CommitteePrediction | None]


class Walk:
    """Judges, takes and learns, structure by structure; whatever it has committed outlives the process.

    Parameters
    ----------
    bench : Bench
    name : str
        Of the stage, under which the store keeps where it stands.
    settings : SelectSettings
    stock : Stock
    rules : StockRules
    plan : EpochPlan
    """

    def __init__(
        self,
        bench: Bench,
        name: str,
        settings: SelectSettings,
        stock: Stock,
        rules: StockRules,
        plan: EpochPlan,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bench, self._name, self._settings, self._stock, self._rules = bench, name, settings, stock, rules
        self._plan, self._clock, self._shown_at = plan, clock, -math.inf
        self._seed = bench.project.mace.general.seed
        self._n_epochs_before = epochs_trained(bench, besides=name)
        self._taken: set[int] = set()
        self._trainer: CommitteeTrainer | None = None

    def run(self) -> None:
        """Go on until the rules say that it is over.

        Raises
        ------
        Departed
            The campaign was asked to leave; what was committed is kept.
        CampaignStopped
            The pool is another one than the run has begun with, or nothing of it can be learned.
        """
        with self._bench.departure.cooperating():
            survey = self._survey()
            self.state = self._begun(survey)
            self._taken = {self._stock.number_of(one.frame) for one in self._placed()}
            while True:
                self._leave_if_asked()
                match decide(self.state, self._rules):
                    case Judge(first, last):
                        self._judge(first, last)
                    case Learn(n_epochs):
                        self._learn(n_epochs)
                    case Close(end):
                        diary.info("%s is done: %s", self._name, end)
                        return

    # -- beginning ------------------------------------------------------------------------------------------------

    def _survey(self) -> Survey:
        """What is in the pool, looked through once in a run."""
        memory, key = self._bench.memory, f"pool.{self._name}"
        survey = memory.recall(key, Survey)
        if survey is not None:
            if survey.sizes != sizes_of(self._stock):
                raise CampaignStopped(
                    f"the pool of {self._name} was changed since this run has begun; put the files back, or begin "
                    "another run"
                )
            return survey
        diary.info("looking through the pool, once")
        with self._bench.stopwatch.during(Activity.STARTING):
            survey = surveyed(self._stock, seen=self._seen)
        if survey.n_faults:
            more = f" and {survey.n_faults - len(survey.faults)} more" if survey.n_faults > len(survey.faults) else ""
            found = "; ".join(survey.faults)
            diary.warning(
                "%d structures of the pool can't be learned, and are left out: %s%s", survey.n_faults, found, more
            )
        if not survey.n_labelled:
            raise CampaignStopped("no structure of the pool can be learned")
        if survey.fitted:
            diary.info(
                "the pool has no free atoms of Z = %s: their energies are fitted to those of all its structures",
                ", ".join(map(str, survey.fitted)),
            )
        with self._bench.store.transaction():
            memory.keep(key, survey)
        return survey

    def _seen(self, n_structures: int) -> None:
        if n_structures % AT_ONCE == 0:
            self._leave_if_asked()  # nothing is lost but the looking

    def _begun(self, survey: Survey) -> Passes:
        """Where it stands; a new one begins with the committee that is there, or with structures at random."""
        bench, state = self._bench, self._bench.memory.recall(self._key, Passes)
        if state is not None:
            return reopened(state, self._rules)
        if bench.memory.committee_checkpoint() is None:  # labels of a probe are no committee that could judge
            return self._first_structures(survey)
        with bench.stopwatch.during(Activity.STARTING):
            committee = bench.existing_committee()
        if unknown := [number for number, _ in survey.energies_ev if number not in committee.numbers]:
            listed = ", ".join(map(str, unknown))
            raise CampaignStopped(
                f"the pool has elements that the models do not know (Z = {listed}); begin another run with the pool"
            )
        for member in range(committee.n_members):
            committee.reset_optimizer(member)
        bench.keep_committee(committee)
        n_train, n_valid = committee.n_train(0), committee.n_valid(0)
        state = measured(
            Passes(counts=SplitCounts(n_train, n_valid)),
            self._rules,
            validation_error(committee, self._settings.error_type),
        )
        with bench.store.transaction():
            bench.memory.keep(self._key, state)
        return state

    def _first_structures(self, survey: Survey) -> Passes:
        """Take structures at random, of which there is nobody to judge them."""
        rng = np.random.default_rng((self._seed, len(self._stock)))
        drawn: list[Labelled] = []
        for number in rng.permutation(len(self._stock)).tolist():
            drawn += self._stock.labelled([number])
            if len(drawn) == self._settings.first_set_size:
                break
        there = self._bench.store.counts()
        begun = Passes(counts=SplitCounts(there.n_train, there.n_valid))
        state, splits = taken(begun, self._rules, len(drawn))
        memory, known = self._bench.memory, self._bench.project.mace.architecture.atomic_energies or {}
        energies = {number: energy for number, energy in survey.energies_ev if number not in known}
        with self._bench.store.transaction():
            memory.keep_json(isolated.KEY, energies)
            self._enter([(one, split, None) for one, split in zip(drawn, splits, strict=False)], FIRST)
            memory.keep(self._key, state)
        diary.info("the committee begins with %d structures of the pool, drawn at random", len(splits))
        return state

    # -- going on -------------------------------------------------------------------------------------------------

    def _judge(self, first: int, last: int) -> None:
        """Judge a chunk of the present pass, and take what is worth it."""
        order, n_pass = self._order(), self.state.n_passes
        numbers = [number for number in order[first:last].tolist() if number not in self._taken]
        committee, candidates, errors, said = self._bench.existing_committee(), [], [], []
        for start in range(0, len(numbers), AT_ONCE):
            self._leave_if_asked()
            some = list(self._stock.labelled(numbers[start : start + AT_ONCE]))
            with self._bench.stopwatch.during(Activity.CHECKING):
                predictions = committee.predict([one.frame for one in some]) if some else []
            for one, prediction in zip(some, predictions, strict=True):
                candidates.append(one)
                errors.append(error_of(prediction, one.label, self._settings.error_type))
                said.append(prediction_of(prediction, committee.generation))
            self._show(f"judging the pool, pass {n_pass + 1}, {first + start} of {len(self._stock)}")
        threshold = self.state.threshold(self._rules)
        after, places = judged(self.state, self._rules, last, errors)
        picked = [(candidates[number], split, said[number]) for number, split in places.items()]
        trainer = self._trainer_of(committee)
        for split in places.values():
            trainer.dataset_grew(split)
        with self._bench.stopwatch.during(Activity.RECORDING), self._bench.store.transaction():
            labelled = self._enter(picked, "error above threshold")
            self._bench.memory.keep(self._key, after)
            self._bench.memory.keep(self._stagnations_key, trainer.stagnations)
            self._bench.store.append_journal(
                "PoolJudged",
                {
                    "stage": self._name,
                    "pass": n_pass + 1,
                    "last": last,
                    "n_judged": len(errors),
                    "n_picked": len(picked),
                    "mean_error": float(np.mean(errors)) if errors else None,
                    "threshold": threshold,
                    "generation": committee.generation,
                },
            )
            self._bench.memory.keep_time(self._bench.stopwatch)
        committee.add(labelled)
        self.state = after
        self._taken |= {one.number for one, _, _ in picked}
        self._tell(n_pass, last, errors, threshold, len(picked))

    def _learn(self, n_epochs: int) -> None:
        """Train a slice of epochs; after the last one, let the threshold follow."""
        bench, memory = self._bench, self._bench.memory
        with bench.stopwatch.during(Activity.STARTING):
            committee = bench.existing_committee()
        trainer = self._trainer_of(committee)
        self._show(f"training, {self.state.epochs_due} epochs to go")
        with bench.stopwatch.during(Activity.TRAINING):
            trainer.train(n_epochs)
        after = trained(self.state, n_epochs)
        if not after.epochs_due:
            error = validation_error(committee, self._settings.error_type)
            after = measured(after, self._rules, error)
            self._tell_error(committee, error)
        with bench.stopwatch.during(Activity.RECORDING):
            checkpoint = memory.write_committee(committee)
            with bench.store.transaction():
                trainer.record(bench.store)
                memory.keep_committee(checkpoint)
                memory.keep(self._key, after)
                memory.keep(self._stagnations_key, trainer.stagnations)
                memory.keep_time(bench.stopwatch)
            memory.forget_other_checkpoints()
        self.state = after

    def _trainer_of(self, committee: Committee) -> CommitteeTrainer:
        """What trains, and resets the optimizer of a member that has stopped improving."""
        if self._trainer is None:
            stagnations = self._bench.memory.recall(self._stagnations_key, Stagnations)
            if stagnations is None:
                patience = max(self._rules.epochs_per_batch, MIN_RESET_PATIENCE)
                stagnations = Stagnations.begin(committee.n_members, patience=patience, margin=self._settings.margin)
            self._trainer = CommitteeTrainer(committee, self._plan, stagnations=stagnations)
        return self._trainer

    # -- what is kept and told ------------------------------------------------------------------------------------

    @property
    def _key(self) -> str:
        return f"{SELECTIONS}{self._name}"

    @property
    def _stagnations_key(self) -> str:
        return f"stagnations.{self._name}"

    def _order(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """The order of the present pass."""
        n_stock = len(self._stock)
        if not self._settings.shuffle_dataset:
            return np.arange(n_stock, dtype=np.int64)
        return np.random.default_rng((self._seed, n_stock, self.state.n_passes)).permutation(n_stock).astype(np.int64)

    def _enter(self, picked: Sequence[Picked], why: str) -> list[LabelledFrame]:
        """Put structures with their labels into the store, within the caller's transaction."""
        store, entered = self._bench.store, []
        for one, split, said in picked:
            label_id = store.add_job(one.frame, self._name, source=f"{one.place}; {why}")
            store.add_label(label_id, one.label)
            if said is not None:
                store.add_prediction(label_id, said)
            store.assign(label_id, split)
            entered.append(LabelledFrame(label_id, one.frame, one.label, split))
        return entered

    def _placed(self) -> list[LabelledFrame]:
        return [one for one in self._bench.store.labelled() if one.stage == self._name]

    def _leave_if_asked(self) -> None:
        if self._bench.departure.reason is not None:
            with self._bench.store.unflushed_transaction():
                self._bench.memory.keep_time(self._bench.stopwatch)
            self._bench.departure.leave()

    def _show(self, activity: str) -> None:
        now, counts = self._clock(), self._bench.store.counts()
        if now - self._shown_at < SHOWN_AFTER_S:
            return
        self._shown_at = now
        committee = self._bench.existing_committee()
        error = self.state.errors[-1] if self.state.errors and self._settings.error_type == "forces" else None
        self._bench.observer.show(
            convergence_status(
                counts,
                committee,
                n_epochs=self._n_epochs_before + self.state.n_epochs,
                force_mae=error,
                activity=activity,
            )
        )

    def _tell(self, n_pass: int, last: int, errors: Sequence[float], threshold: float, n_picked: int) -> None:
        unit, factor = UNITS[self._settings.error_type]
        mean = f"{factor * float(np.mean(errors)):.1f}" if errors else "-"
        diary.info(
            "pass %d  %d of %d structures  mean error %s %s  %d above %.1f -> %d training structures",
            *(n_pass + 1, last, len(self._stock), mean, unit, n_picked),
            *(factor * threshold, self.state.counts.n_train),
        )

    def _tell_error(self, committee: Committee, error: float | None) -> None:
        unit, factor = UNITS[self._settings.error_type]
        told = "not measured" if error is None else f"{factor * error:.1f} {unit}"
        diary.info("trained on %d structures  validation error %s", committee.n_train(0), told)
