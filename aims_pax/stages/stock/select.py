"""A dataset chosen from structures that are labelled already: passes over a pool by a committee that learns."""

import logging
from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING, Final

from aims_pax.dataset.entries import Entry
from aims_pax.dataset.foreign import mask_remarks
from aims_pax.dataset.stock import Fault, Stock
from aims_pax.errors import Problem, StructureError
from aims_pax.learner.passes import StockRules
from aims_pax.learner.quota import Quota
from aims_pax.settings import Project
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.stages.select import SelectSettings
from aims_pax.stages.activities import Activity
from aims_pax.stages.beginnings.imported import extxyz_keys
from aims_pax.stages.bench import Bench

if TYPE_CHECKING:  # PyTorch and MACE take seconds to import, and what `aims-pax check` asks for needs neither
    from aims_pax.committee import EpochPlan

diary = logging.getLogger("aims_pax.run")

N_LOOKED_AT: Final = 100
"""Structures that are read before a run, spread over the pool, to see whether they can be."""


class SelectFromPool:
    """Passes over a pool until a goal is reached, or nothing is left that is worth learning."""

    def __init__(self, plan: StagePlan) -> None:
        self.plan, self.name, self._settings = plan, plan.name, plan.read_as(SelectSettings)

    def problems(self, project: Project) -> Iterator[Problem]:
        """Files that can't be read, and structures that can't be learned, as far as some of them show it."""
        try:
            stock = self._stock(project)
        except StructureError as error:
            yield from error.problems
            return
        entries = _some(stock)
        faults = [entry for entry in entries if isinstance(entry, Fault)]
        if 2 * len(faults) > len(entries):  # single ones are passed over
            yield stock.problem(faults[0])
        elif len(stock) < self._settings.first_set_size:
            found = f"The pool has {len(stock)} structures, and first_set_size is {self._settings.first_set_size}."
            yield Problem(str(stock.paths[0]), found, "more structures than first_set_size", "Lower first_set_size.")

    def remarks(self, project: Project) -> Iterator[Problem]:
        """What is worth a warning, as far as some of the structures show it; nothing of a pool that can't be read."""
        try:
            stock = self._stock(project)
        except StructureError:
            return
        entries = _some(stock)
        labelled = [one for one in entries if not isinstance(one, Fault) and one.label is not None]
        some = "" if len(entries) == len(stock) else ", structures spread over it"
        where = f"{', '.join(path.name for path in stock.paths)}{some}"
        yield from mask_remarks(where, sum(one.is_masked for one in labelled), len(labelled))

    def facts(self, project: Project) -> Iterator[str]:
        """What is gone through."""
        try:
            stock = self._stock(project)
        except StructureError:
            return
        files = ", ".join(path.name for path in stock.paths)
        yield f"{self.name}: {len(stock)} structures of {files}, whose labels are taken as they are"

    def run(self, bench: Bench) -> None:
        """Select until a goal is reached, or a whole pass picks nothing."""
        from aims_pax.stages.stock.walk import Walk

        with bench.stopwatch.during(Activity.STARTING):
            stock = self._stock(bench.project)
        Walk(
            bench, self.name, self._settings, stock, rules_of(self._settings, len(stock)), plan_of(self._settings)
        ).run()

    def _stock(self, project: Project) -> Stock:
        return Stock(self._settings.pool, extxyz_keys(project.settings.misc))


def _some(stock: Stock) -> list[Entry | Fault]:
    """Structures spread over a pool."""
    step = max(1, len(stock) // N_LOOKED_AT)
    return [stock.entry(number) for number in range(0, len(stock), step)]


def rules_of(settings: SelectSettings, n_stock: int) -> StockRules:
    """How the pool is gone through."""
    limit = settings.max_train_set_size
    return StockRules(
        n_stock=n_stock,
        stride=settings.eval_stride,
        epochs_per_batch=settings.epochs_per_batch,
        quota=Quota(settings.valid_ratio),
        c_x=settings.c_x,
        freeze_train_size=settings.freeze_threshold_dataset,
        max_train_size=None if limit == inf else int(limit),
        desired_error=settings.desired_acc or None,
    )


def plan_of(settings: SelectSettings) -> "EpochPlan":
    """What belongs to an epoch."""
    import sys

    from aims_pax.committee import EpochPlan, RandomSubset

    replay = None
    if settings.train_subset_size is not None:
        n_valid = settings.valid_subset_size or sys.maxsize
        replay = RandomSubset(settings.train_subset_size, n_valid, fresh_epochs=settings.epochs_per_batch)
    return EpochPlan(schedule=False, valid_skip=settings.valid_skip, validates_last=False, replay=replay)
