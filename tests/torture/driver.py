"""Campaigns that are harmed at random instants until they are complete, one after the other."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .campaign import Broken, Campaign, Shared
from .disk import SmallDisk
from .evidence import Held, held_by, judge, models_of
from .harm import MANNERS, ON_SMALL_DISK, Harm
from .project import PoolKind, TestSet
from .tally import Tally, Undisturbed

N_UNDISTURBED: Final = 3

N_TWINS: Final = 3
PLAUSIBLE_RATIO: Final = 1.5
"""A force error that is suspect may be this many times the highest of undisturbed campaigns with the same seed."""

MAX_BROKEN: Final = 5
"""After so many campaigns that are not what they should be, more of them tell nothing new."""


@dataclass(frozen=True, slots=True)
class Twin:
    """What an undisturbed campaign has come to."""

    held: Held
    force_mae: float


class Torture:
    """All campaigns of one call.

    Parameters
    ----------
    folder : Path
        For everything that is written.
    seed : int
    small_disk : bool
        Whether a third of the campaigns lies on a disk that gets full and read-only.
    say : callable
        Takes lines for a person.
    """

    def __init__(self, folder: Path, *, seed: int, small_disk: bool, say: Callable[[str], None]) -> None:
        self._folder, self._seed, self._small_disk, self._say = folder, seed, small_disk, say
        self._tests = TestSet.drawn()
        self.tally = Tally()
        self._shared = Shared(random.Random(seed), self.tally, say)

    def run(self, n_kills: int, only: tuple[Harm, ...] = ()) -> Tally:
        """Harm campaigns so many times, and complete the last one."""
        undisturbed = self._undisturbed()
        while self.tally.n_kills < n_kills and self.tally.n_broken < MAX_BROKEN:
            number = self.tally.n_campaigns + 1
            pool = PoolKind.INLINE if number % 4 == 0 else PoolKind.LOCAL
            with self._place(f"campaign-{number:03d}", small=self._small_disk and number % 3 == 1) as (place, disk):
                allowed = tuple(harm for harm in only or MANNERS if disk is not None or harm not in ON_SMALL_DISK)
                seed = 1000 * self._seed + number
                campaign = Campaign(place, pool, seed=seed, disk=disk, allowed=allowed, shared=self._shared)
                self.tally.n_campaigns += 1
                verdict = campaign.torment(n_kills, undisturbed.length_s[pool])
                if verdict.is_clean:
                    verdict.other += self._compare(campaign, undisturbed)
                self.tally.take(campaign.name, verdict)
                if verdict.is_clean:
                    campaign.forget()
                else:
                    self.tally.n_broken += 1
                    campaign.keep(self._folder / "kept")
        return self.tally

    def _undisturbed(self) -> Undisturbed:
        """Campaigns of both pools that nobody harms."""
        lengths: dict[PoolKind, list[float]] = {pool: [] for pool in PoolKind}
        force_mae = []
        for number in range(N_UNDISTURBED + 1):
            pool = PoolKind.INLINE if number == N_UNDISTURBED else PoolKind.LOCAL
            with self._place(f"undisturbed-{number}", small=False) as (place, _):
                seed = 1000 * self._seed + 900 + number
                campaign = Campaign(place, pool, seed=seed, disk=None, allowed=(), shared=self._shared)
                lengths[pool].append(campaign.complete())
                verdict = judge(campaign.project, campaign.evidence)
                if not verdict.is_clean:
                    raise Broken(f"{place}: an undisturbed campaign is not clean: {verdict}")
                force_mae.append(self._tests.force_mae(models_of(campaign.project)))
                self._say(f"undisturbed, {pool} pool: {lengths[pool][-1]:.1f} s, {1e3 * force_mae[-1]:.0f} meV/Å")
                campaign.forget()
        return Undisturbed({pool: min(seconds) for pool, seconds in lengths.items()}, force_mae)

    def _compare(self, campaign: Campaign, undisturbed: Undisturbed) -> list[str]:
        """What a harmed campaign has that an undisturbed one would not have."""
        found = []
        held = held_by(campaign.project)
        self.tally.n_labels += len(held)
        force_mae = self._tests.force_mae(models_of(campaign.project))
        self.tally.force_mae.append(force_mae)
        if campaign.pool is PoolKind.INLINE:
            twin = self._twin(campaign)
            if twin.held != held:
                found.append("its labels are not those of the same campaign undisturbed")
            elif twin.force_mae != force_mae:
                found.append("its models are not those of the same campaign undisturbed")
        elif not force_mae <= undisturbed.highest_plausible():
            twins = [self._twin(campaign).force_mae for _ in range(N_TWINS)]
            words = f"a force error of {1e3 * force_mae:.0f} meV/Å; the same campaign undisturbed: {_in_mev(twins)}"
            self._say(f"{campaign.name}: {words}")
            if not force_mae <= PLAUSIBLE_RATIO * max(twins):
                found.append(words)
        self._say(f"{campaign.name} complete: {len(held)} labels, {1e3 * force_mae:.0f} meV/Å")
        return found

    def _twin(self, campaign: Campaign) -> Twin:
        """The same campaign, which nobody harms. Without a pool it has the same labels and models to the last bit."""
        with self._place(f"{campaign.name}-twin", small=False) as (place, _):
            twin = Campaign(place, campaign.pool, seed=campaign.seed, disk=None, allowed=(), shared=self._shared)
            twin.complete()
            outcome = Twin(held_by(twin.project), self._tests.force_mae(models_of(twin.project)))
            twin.forget()
            return outcome

    @contextmanager
    def _place(self, name: str, *, small: bool) -> Iterator[tuple[Path, SmallDisk | None]]:
        place = self._folder / name
        disk = SmallDisk(place / "disk") if small else None
        try:
            yield place, disk
        finally:
            if disk is not None:
                disk.close()


def _in_mev(force_mae: list[float]) -> str:
    return ", ".join(f"{1e3 * one:.0f}" for one in force_mae)
