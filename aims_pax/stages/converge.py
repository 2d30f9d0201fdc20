"""The committee trained to the end on a finished dataset, as a stage."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aims_pax.dataset.durable import replacing_bytes
from aims_pax.errors import Problem
from aims_pax.frame import Split
from aims_pax.settings import ActiveLearningSettings, Project
from aims_pax.settings.stages.converge import ConvergeSettings
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.stages.activities import Activity
from aims_pax.stages.beginnings.finetuning import begun_as
from aims_pax.stages.bench import Bench
from aims_pax.stages.states import BEFORE_CONVERGENCE, convergence_key

if TYPE_CHECKING:  # PyTorch and MACE take seconds to import, and what `aims-pax check` asks for needs neither
    from aims_pax.protocols import Committee

diary = logging.getLogger("aims_pax.convergence")

BEGUN_ANEW: Final = "anew."
"""What the name of the note begins with that a convergence has made its new models."""

BEFORE: Final = BEFORE_CONVERGENCE
"""Name of the committee as learning left it: in the store its generation, in checkpoints/ its file."""


class Converge:
    """A training to the end: of all members, each on what it has, as long as something is to be learned after it.

    The last one trains those members that are to be handed over, on everything that was paid for.
    """

    def __init__(self, plan: StagePlan) -> None:
        self.plan, self.name, self._settings = plan, plan.name, plan.read_as(ConvergeSettings)

    def problems(self, project: Project) -> Iterator[Problem]:
        """None."""
        return iter(())

    def facts(self, project: Project) -> Iterator[str]:
        """With which models it begins, where they are new; its epochs are told elsewhere."""
        if not self._settings.from_scratch:
            return
        mace = project.trained_as(self.name).mace
        named = "" if self._settings.models is None else f" by {self._settings.models.name}"
        if mace.training.perform_finetuning:
            yield f"{self.name}: new models{named}, which begin as {begun_as(mace)}"
            return
        network = mace.architecture
        size = f", {network.num_channels} channels, L = {network.max_L}" if network.is_mace else ""
        yield f"{self.name}: new models of random weights{named}{size}"

    def run(self, bench: Bench) -> None:
        """Train as long as that helps."""
        from aims_pax.stages.convergence import Convergence, ConvergenceParts, annealing_rules
        from aims_pax.stages.epochs import epochs_trained
        from aims_pax.stages.loop.status import convergence_status

        settings, key = self._settings, convergence_key(self.name)
        is_end = bench.project.settings.is_end(self.plan)
        with bench.stopwatch.during(Activity.STARTING):
            committee = bench.existing_committee()
        if settings.from_scratch and bench.memory.recall_bytes(key) is None:
            committee = begin_anew(bench, self.name)
        if is_end and bench.memory.recall_bytes(key) is None:
            train_on_the_rest(bench, committee)
            keep_before_convergence(bench)
        with bench.stopwatch.during(Activity.STARTING):
            if is_end:
                committee.share_points()
        rules = annealing_rules(settings, bench.project.mace.training, is_end=is_end)
        parts = ConvergenceParts(committee, bench.store, bench.memory, bench.stopwatch, bench.departure)
        convergence = Convergence(parts, rules, valid_skip=settings.valid_skip, key=key)
        best_only = is_end and settings.converge_best and not settings.from_scratch
        members = (best_member(committee),) if best_only else tuple(range(committee.n_members))
        n_before = epochs_trained(bench, besides=self.name)

        def show(n_epochs: int, force_mae: float | None) -> None:
            bench.observer.show(
                convergence_status(
                    bench.store.counts(),
                    committee,
                    n_epochs=n_before + n_epochs,
                    force_mae=force_mae,
                    activity=f"converging, epoch {n_epochs} of at most {rules.max_epochs}",
                )
            )

        convergence.run(members, show=show)


def begin_anew(bench: Bench, name: str) -> "Committee":
    """New models in the place of those that there are, once: a convergence that was left goes on with its own."""
    key = f"{BEGUN_ANEW}{name}"
    if bench.memory.recall_json(key) is not None:
        return bench.existing_committee()
    with bench.stopwatch.during(Activity.STARTING):
        committee = bench.begin_anew(name, note=key)
    training = bench.project.trained_as(name).mace.training
    begun = f"that begin as {training.pretrained_model}" if training.perform_finetuning else "of random weights"
    diary.info("%s begins with new models %s", name, begun)
    return committee


def best_member(committee: "Committee") -> int:
    """The member of the lowest validation force MAE."""
    errors = committee.errors()
    return min(
        range(committee.n_members),
        key=lambda member: float("inf") if (e := errors[member]) is None else e.force_mae_ev_per_ang,
    )


def train_on_the_rest(bench: Bench, committee: "Committee") -> None:
    """Let labels train that had no place while active learning ran: those that were made to judge it."""
    store = bench.store
    trains = [one for one in bench.project.settings.learning if one.read_as(ActiveLearningSettings).train_on_analysis]
    label_ids = [label_id for one in trains for label_id in store.unassigned(one.name)]
    n_before = store.n_placed()
    with store.transaction():
        for label_id in label_ids:
            store.assign(label_id, Split.TRAINING)
    committee.add(list(store.labelled(after=n_before)))
    if label_ids:
        diary.info("%d labels of analysis train the final models, too", len(label_ids))


def keep_before_convergence(bench: Bench) -> None:
    """Keep a copy of the committee as learning leaves it; convergence then goes on with the other."""
    checkpoint = bench.memory.committee_checkpoint()
    if checkpoint is None:
        return
    copy = copy_before_convergence(bench)
    if checkpoint != copy:
        with checkpoint.open("rb") as source, replacing_bytes(copy) as target:
            shutil.copyfileobj(source, target)
    with bench.store.transaction():
        bench.memory.keep_json(BEFORE, bench.existing_committee().generation)


def checkpoint_before_convergence(bench: Bench) -> Path | None:
    """The committee as learning left it; None where that was not kept."""
    copy = copy_before_convergence(bench)
    return copy if copy.is_file() and bench.memory.recall_json(BEFORE) is not None else None


def copy_before_convergence(bench: Bench) -> Path:
    """Where the committee is kept as learning leaves it."""
    return bench.folder.checkpoints / f"{BEFORE}.pt"
