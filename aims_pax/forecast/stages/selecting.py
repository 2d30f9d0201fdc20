"""How a dataset is chosen from a pool of labelled structures, or from what MD explores."""

from math import ceil, inf
from typing import TYPE_CHECKING, Final

from aims_pax.dataset.stock import Stock
from aims_pax.errors import StructureError
from aims_pax.forecast.amounts import Amounts, Outset, Sizes, Span
from aims_pax.forecast.stages.training import convergence_epochs
from aims_pax.learner.exploration import Exploration, RoundRules, reopened
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.settings.stages.select import SelectSettings
from aims_pax.stages.beginnings.imported import extxyz_keys
from aims_pax.stages.exploring.explore import Explore, dispersion_s

if TYPE_CHECKING:  # what times a stage imports PyTorch, and amounts need none
    from aims_pax.forecast.timetable import Pacing, StageForecast

PICKED_SHARE: Final = 0.1
"""Part of a pool that is in the dataset at the end where no goal limits it. An estimate: MD repeats itself."""

LIKELY_PASSES: Final = 2
"""Over the pool, the last of which picks little. An estimate."""


BEYOND_SHARE: Final = 0.1
"""Part of the frames of a round that is beyond a tolerance. An estimate: it may be all of them, or none."""

LIKELY_ROUNDS: Final = 3
"""Of exploration, the last of which finds nothing. An estimate."""


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


class ExploreForecast:
    """MD, labels and epochs by the round; neither how many rounds there are nor what they find is known before."""

    def amounts(self, outset: Outset) -> Amounts:
        settings, rounds = outset.plan.read_as(ExploreSettings), _rounds_left(outset)
        n_frames, md_steps = _of_a_round(outset)
        n_random = min(settings.num_random_frames, n_frames)
        n_others = n_frames - n_random
        most = min(settings.max_selected_frames, n_others) if settings.label else 0
        likely = min(most, ceil(BEYOND_SHARE * n_others))
        epochs = convergence_epochs(settings) if settings.train else Span.exactly(0)
        n_learned = max(0.0, rounds.likely - 1)
        return Amounts(
            outset.plan.name,
            labels=Span(
                n_random * rounds.low,
                likely * (n_learned if settings.train else 1) + n_random * rounds.likely,
                (most + n_random) * rounds.high,
            ),
            md_steps=Span(*(md_steps * n for n in (rounds.low, rounds.likely, rounds.high))),
            epochs=Span(0, epochs.likely * n_learned, epochs.high * rounds.high),
        )

    def after(self, outset: Outset, n_labels: float) -> Sizes:
        settings, sizes, state = outset.plan.read_as(ExploreSettings), outset.sizes, _state(outset)
        share = 1 - settings.valid_ratio - settings.test_ratio if settings.train else 0.0
        n_picked = n_labels - settings.num_random_frames * _rounds_left(outset).likely  # the others all test
        n_learned = 0 if state is None else max(one.n_train for one in state.rounds)
        n_each = max(sizes.of_each, n_learned) + round(share * max(0.0, n_picked))
        return Sizes(n_each, sizes.of_all + n_each - sizes.of_each)

    def timed(self, outset: Outset, amounts: Amounts, pacing: "Pacing") -> "StageForecast":
        """By the labels of the starting structures, and by MD and epochs as fast as they are now."""
        from aims_pax.forecast.timetable import StageForecast

        n_train = ceil((outset.sizes.of_each + self.after(outset, amounts.labels.likely).of_each) / 2)
        starts = Explore(outset.plan).starts_ahead(outset.project)
        n_at_once = pacing.n_at_once(outset.project)
        time_s = pacing.seconds(amounts, n_at_once=n_at_once, n_moving=max(1, len(starts)), n_train=n_train)
        time_s += amounts.md_steps.times(dispersion_s(outset.plan.read_as(ExploreSettings), starts))
        return StageForecast(amounts, time_s)


def _state(outset: Outset) -> Exploration | None:
    """Where the exploration stands; None when it has not begun."""
    return None if outset.standing is None else outset.standing.explorations.get(outset.plan.name)


def _rounds_left(outset: Outset) -> Span:
    """Rounds that are still to come, the present one among them."""
    settings, state = outset.plan.read_as(ExploreSettings), _state(outset)
    if state is not None:
        state = reopened(state, RoundRules(settings.rounds, trains=settings.train))
    n_over = 0 if state is None else len([one for one in state.over if one.number])
    most = 0 if state is not None and state.ended is not None else max(0, settings.rounds - n_over)
    return Span(min(1, most), min(most, max(1, LIKELY_ROUNDS - n_over)), most)


def _of_a_round(outset: Outset) -> tuple[int, int]:
    """Frames and MD steps of a round, if no trajectory ends early."""
    settings = outset.plan.read_as(ExploreSettings)
    starts = Explore(outset.plan).starts_ahead(outset.project) if settings.rounds_with_md else []
    n_steps = sum(one.n_steps(settings) for one in starts)
    return len(starts) * settings.frames_per_trajectory or settings.max_selected_frames, n_steps


def _n_stock(outset: Outset) -> int:
    """Structures of the pool; 0 where it can't be read, which the check tells."""
    settings = outset.plan.read_as(SelectSettings)
    try:
        return len(Stock(settings.pool, extxyz_keys(outset.project.settings.misc)))
    except StructureError:
        return 0
