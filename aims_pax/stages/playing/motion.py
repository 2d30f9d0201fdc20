"""Players on their way: those that one driver moves are one batch."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aims_pax.frame import Frame
from aims_pax.learner.workflows import DrivenBy
from aims_pax.sampling import Advanced, BatchedSampler, TrajectoryStart
from aims_pax.sampling.relay import joined
from aims_pax.stages.memory import pack, unpack
from aims_pax.stages.playing.drivers import Drivers


class Motion:
    """Trajectories that come and go, each at its own phase; who moves beside whom changes nothing for anybody.

    Parameters
    ----------
    drivers : Drivers
    overlap : float
        Atoms closer than this times the sum of their covalent radii end a trajectory.
    max_force_ev_per_ang : float, eV/Å
        A force beyond this does, too.
    """

    def __init__(
        self,
        drivers: Drivers,
        *,
        overlap: float,
        max_force_ev_per_ang: float,
    ) -> None:
        self._drivers = drivers
        self._overlap, self._max_force = overlap, max_force_ev_per_ang
        self._starts: dict[int, TrajectoryStart] = {}
        self._players: dict[DrivenBy, tuple[int, ...]] = {}
        self._samplers: dict[DrivenBy, BatchedSampler] = {}

    def begin(self, player: int, driven_by: DrivenBy, start: TrajectoryStart) -> None:
        """Let a player move from a start, and no longer where it was."""
        self.leave(player)
        self._starts[player] = start
        self._regroup(driven_by, tuple(sorted((*self._players.get(driven_by, ()), player))))

    def leave(self, player: int) -> None:
        """Let a player move no more."""
        for driven_by, players in list(self._players.items()):
            if player in players:
                self._regroup(driven_by, tuple(one for one in players if one != player))
        self._starts.pop(player, None)

    def advance(self, players: Sequence[int], n_steps: int) -> list[Advanced]:
        """Move some players on; what became of each, by the number of the player."""
        moved: list[Advanced] = []
        for driven_by, own in self._players.items():
            some = [player for player in players if player in own]
            if some:
                places = [own.index(player) for player in some]
                found = self._samplers[driven_by].advance(places, n_steps)
                moved += [replace(one, trajectory=own[one.trajectory]) for one in found]
        return sorted(moved, key=lambda one: one.trajectory)

    def frame(self, player: int) -> Frame:
        """Where a player stands; its steps are those of its phase."""
        sampler, place = self._place(player)
        return replace(sampler.frame(place), trajectory=player)

    def is_at_rest(self, player: int) -> bool:
        """Whether it has come to the end of what it was to do by itself, as a relaxation does."""
        sampler, place = self._place(player)
        return sampler.segment(place) > 0

    def md_step(self, player: int) -> int:
        """Steps that a player has made of its phase."""
        sampler, place = self._place(player)
        return sampler.md_step(place)

    def by_driver(self, players: Sequence[int]) -> list[tuple[BatchedSampler, list[int], list[int]]]:
        """Players that move together: their sampler, their numbers, and their places in it."""
        found = []
        for driven_by, own in self._players.items():
            some = [player for player in players if player in own]
            if some:
                found.append((self._samplers[driven_by], some, [own.index(player) for player in some]))
        return found

    def save(self) -> bytes:
        """Everything that :meth:`load` needs besides the starts."""
        return pack({driven_by: sampler.save() for driven_by, sampler in self._samplers.items()})

    def load(self, saved: bytes, starts: Mapping[int, tuple[DrivenBy, TrajectoryStart]]) -> None:
        """Go on from what :meth:`save` gave, with the starts of all who moved then."""
        self._starts = {player: start for player, (_, start) in starts.items()}
        for driven_by, state in unpack(saved).items():
            own = tuple(sorted(player for player, (by, _) in starts.items() if by == driven_by))
            sampler = self._sampler(DrivenBy(driven_by), own)
            sampler.load(state)
            self._players[DrivenBy(driven_by)], self._samplers[DrivenBy(driven_by)] = own, sampler

    def _place(self, player: int) -> tuple[BatchedSampler, int]:
        (sampler, _, places), *_ = self.by_driver([player])
        return sampler, places[0]

    def _regroup(self, driven_by: DrivenBy, players: tuple[int, ...]) -> None:
        """Let other players than before be moved by a driver; who stays goes on from where it is."""
        before, old = self._players.get(driven_by, ()), self._samplers.pop(driven_by, None)
        self._players.pop(driven_by, None)
        if not players:
            return
        sampler = self._sampler(driven_by, players)
        if old is not None:
            places = {k: before.index(one) for k, one in enumerate(players) if one in before}
            n_before = [old.frame(k).n_atoms for k in range(len(before))]
            n_fresh = [self._starts[one].frame.n_atoms for one in players]
            sampler.load(joined(old.save(), sampler.save(), places, n_before=n_before, n_fresh=n_fresh))
        self._players[driven_by], self._samplers[driven_by] = players, sampler

    def _sampler(self, driven_by: DrivenBy, players: tuple[int, ...]) -> BatchedSampler:
        return BatchedSampler(
            [self._starts[player] for player in players],
            self._drivers.of(driven_by),
            device=self._drivers.device,
            max_force_ev_per_ang=self._max_force,
            min_distance_factor=self._overlap,
        )
