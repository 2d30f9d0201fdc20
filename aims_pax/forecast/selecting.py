"""How a dataset is chosen from a pool of labelled structures."""

from math import ceil, inf
from typing import TYPE_CHECKING, Final

from aims_pax.dataset.stock import Stock
from aims_pax.errors import StructureError
from aims_pax.forecast.amounts import Amounts, Outset, Sizes, Span
from aims_pax.settings.stages.select import SelectSettings
from aims_pax.stages.beginnings.imported import extxyz_keys

if TYPE_CHECKING:  # what times a stage imports PyTorch, and amounts need none
    from aims_pax.forecast.timetable import Pacing, StageForecast

PICKED_SHARE: Final = 0.1
"""Part of a pool that is in the dataset at the end where no goal limits it. An estimate: MD repeats itself."""

LIKELY_PASSES: Final = 2
"""Over the pool, the last of which picks little. An estimate."""


class SelectForecast:
    """Epochs after each chunk; how much is picked is not known before."""

    def amounts(self, outset: Outset) -> Amounts:
        settings = outset.plan.read_as(SelectSettings)
        n_chunks = ceil(_n_stock(outset) / settings.eval_stride)
        likely = settings.epochs_per_batch * (1 + LIKELY_PASSES * n_chunks)
        if settings.max_train_set_size != inf:  # the goal is met within fewer chunks where each gives much
            likely = min(likely, settings.epochs_per_batch * (1 + ceil(settings.max_train_set_size)))
        return Amounts(outset.plan.name, epochs=Span(settings.epochs_per_batch, likely, inf))

    def after(self, outset: Outset, n_labels: float) -> Sizes:
        settings, sizes = outset.plan.read_as(SelectSettings), outset.sizes
        n_train = (1 - settings.valid_ratio) * max(settings.first_set_size, PICKED_SHARE * _n_stock(outset))
        n_each = max(sizes.of_each, round(min(settings.max_train_set_size, n_train)))
        return Sizes(n_each, sizes.of_all + n_each - sizes.of_each)

    def timed(self, outset: Outset, amounts: Amounts, pacing: "Pacing") -> "StageForecast":
        """Epochs on half of what there is at the end; judging takes less than learning."""
        from aims_pax.forecast.timetable import StageForecast

        n_train = ceil((outset.sizes.of_each + self.after(outset, 0).of_each) / 2)
        return StageForecast(amounts, amounts.epochs.times(pacing.speed.epoch_s(n_train)))


def _n_stock(outset: Outset) -> int:
    """Structures of the pool; 0 where it can't be read, which the check tells."""
    settings = outset.plan.read_as(SelectSettings)
    try:
        return len(Stock(settings.pool, extxyz_keys(outset.project.settings.misc)))
    except StructureError:
        return 0
