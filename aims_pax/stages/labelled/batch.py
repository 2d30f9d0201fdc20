"""Labels of many structures that are known before the first is computed: asked for, recorded and told of."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aims_pax.departure import Reason
from aims_pax.errors import CampaignStopped
from aims_pax.frame import Label, LabelFailure
from aims_pax.labelling.desk import LabelDesk
from aims_pax.protocols import LabelDone, Status
from aims_pax.stages.activities import Activity
from aims_pax.stages.bench import Bench

diary = logging.getLogger("aims_pax.labels")

LABELS_PER_LINE: Final = 10
"""How often the diary says how many there are."""

Ask = Callable[[LabelDesk], int]
"""Notes that a label is asked for, and says its number."""


@dataclass(slots=True)
class Batch:
    """The labels of one stage.

    Parameters
    ----------
    bench : Bench
    name : str
        Of the stage.
    n_wanted, n_received, n_failed : int
        Structures, and how many of them have an answer.
    max_failures : int
        In a row, after which the stage stops.
    doing, fate : str
        What is being done, and what becomes of a structure that can't be labelled, in words.
    n_train, n_valid, n_epochs : int
        Of the dataset that is there meanwhile.
    n_received_before, n_failed_before : int
        Answers of the run that belong to other batches, and are counted where it is shown.
    """

    bench: Bench
    name: str
    n_wanted: int
    n_received: int
    n_failed: int
    max_failures: int
    doing: str
    fate: str
    n_train: int = 0
    n_valid: int = 0
    n_epochs: int = 0
    n_received_before: int = 0
    n_failed_before: int = 0

    def run(self, desk: LabelDesk, left: Sequence[Ask], *, max_ahead: float = float("inf")) -> None:
        """Ask for what was not asked for, and wait until all has an answer.

        Parameters
        ----------
        max_ahead : float
            Labels that are asked for before there is an answer.

        Raises
        ------
        Departed
            The campaign was asked to leave; what is there is kept, and the same call goes on.
        CampaignStopped
            Too many structures failed in a row. They are tried again when the run goes on.
        """
        failed: list[int] = []
        n_left = self.n_wanted - self.n_received - self.n_failed
        diary.info("%s: %d of %d structures are to be labelled", self.name, n_left, self.n_wanted)
        with self.bench.departure.cooperating():
            self._keep(desk, desk.resume(), failed)
            for ask in left:
                while desk.n_in_flight >= max_ahead:
                    self._collect(desk, failed, timeout_s=None)
                with self.bench.store.unflushed_transaction():
                    label_id = ask(desk)
                desk.send(label_id)
                self._collect(desk, failed, timeout_s=0.0)
            while desk.n_in_flight:
                self._collect(desk, failed, timeout_s=None)

    def _collect(self, desk: LabelDesk, failed: list[int], *, timeout_s: float | None) -> None:
        bench = self.bench
        with bench.stopwatch.during(Activity.LABELLING):
            arrived = desk.collect(timeout_s=timeout_s)
        self._keep(desk, arrived, failed)
        if timeout_s is None and desk.only_held:
            bench.departure.ask(Reason.WALLTIME)
        if bench.departure.reason is not None:
            with bench.store.unflushed_transaction():
                bench.memory.keep_time(bench.stopwatch)
            bench.departure.leave()

    def _keep(self, desk: LabelDesk, arrived: Iterable[LabelDone], failed: list[int]) -> None:
        """Record answers, all that came together at once; then act on them. `failed` are those in a row."""
        arrived = list(arrived)
        if not arrived:
            return
        with self.bench.store.transaction():
            answers = [desk.record(done) for done in arrived]
            self.bench.memory.keep_time(self.bench.stopwatch)
        message = ""
        for answer in answers:
            desk.tidy(answer)
            result = answer.result
            if isinstance(result, Label):
                self.n_received += 1
            else:
                self.n_failed += 1
                kind = answer.frame.config_type
                what = f"label {answer.label_id}" + (f" ({kind} of {answer.frame.system})" if kind else "")
                diary.warning("%s  %s  -> the structure %s: %s", what, result.reason, self.fate, result.message)
            if isinstance(result, LabelFailure) and result.label is None:
                failed.append(answer.label_id)
                message = result.message
            else:
                failed.clear()  # the reference has done what it should, whether its label is learned or kept out
            done = self.n_received + self.n_failed
            if done % LABELS_PER_LINE == 0 or done == self.n_wanted:
                diary.info("%s: %d of %d structures have an answer", self.name, done, self.n_wanted)
            self._show(desk)
        if len(failed) >= self.max_failures:
            self._stop(failed, message)

    def _stop(self, failed: Sequence[int], message: str) -> None:
        """Something is wrong with the reference, and not with structures: they are tried again when it is mended."""
        with self.bench.store.transaction():
            for label_id in failed:
                self.bench.store.resubmit(label_id)
        raise CampaignStopped(
            f"the reference of {self.name} failed for {len(failed)} structures in a row, the last time: "
            f"{message}. The folders of the calculations (CLUSTER.calc_dir) hold what it said. Mend it, then the same "
            "command tries again"
        )

    def _show(self, desk: LabelDesk) -> None:
        done = self.n_received + self.n_failed
        n_received, n_failed = self.n_received_before + self.n_received, self.n_failed_before + self.n_failed
        self.bench.observer.show(
            Status(
                stage=self.name,
                n_running=0,
                n_waiting=desk.n_in_flight,
                n_training=0,
                n_finished=0,
                n_labels_requested=n_received + n_failed + desk.n_in_flight,
                n_labels_received=n_received,
                n_labels_failed=n_failed,
                n_train=self.n_train,
                n_valid=self.n_valid,
                train_goal=None,
                md_steps=0,
                epochs=self.n_epochs,
                threshold=float("inf"),
                last_score=None,
                force_mae_ev_per_ang=None,
                activity=f"{self.doing}, {done} of {self.n_wanted} structures",
            )
        )
