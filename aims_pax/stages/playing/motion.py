"""Players on their way: those that one driver moves are one batch, but for those that LAMMPS moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aims_pax.frame import Frame
from aims_pax.learner.workflows import DrivenBy
from aims_pax.sampling import Advanced, BatchedSampler, TrajectoryStart
from aims_pax.sampling.lammps import LammpsSampler
from aims_pax.sampling.relay import joined
from aims_pax.settings.motion.lammps_lines import LammpsLines
from aims_pax.stages.memory import pack, unpack
from aims_pax.stages.playing.drivers import Drivers


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a player begins a phase.

    Parameters
    ----------
    driven_by : DrivenBy
    start : TrajectoryStart
    lines : LammpsLines or None
        What moves it in the place of this program.
    """

    driven_by: DrivenBy
    start: TrajectoryStart
    lines: LammpsLines | None = None

    def group(self, player: int) -> str:
        """Who moves together has this in common."""
        return str(self.driven_by) if self.lines is None else f"{self.driven_by} {player}"


class Motion:
    """Trajectories that come and go, each at its own phase; who moves beside whom changes nothing for anybody.

    Parameters
    ----------
    drivers : Drivers
    folder : Path
        What LAMMPS writes is written into a folder for each player there.
    overlap : float
        Atoms closer than this times the sum of their covalent radii end a trajectory.
    max_force_ev_per_ang : float, eV/Å
        A force beyond this does, too.
    """

    def __init__(self, drivers: Drivers, *, folder: Path, overlap: float, max_force_ev_per_ang: float) -> None:
        self._drivers, self._folder = drivers, folder
        self._overlap, self._max_force = overlap, max_force_ev_per_ang
        self._beginnings: dict[int, Beginning] = {}
        self._players: dict[str, tuple[int, ...]] = {}
        self._samplers: dict[str, BatchedSampler | LammpsSampler] = {}

    def begin(self, player: int, beginning: Beginning) -> None:
        """Let a player begin a phase, and move no longer where it was."""
        self.leave(player)
        self._beginnings[player] = beginning
        group = beginning.group(player)
        self._regroup(group, tuple(sorted((*self._players.get(group, ()), player))))

    def leave(self, player: int) -> None:
        """Let a player move no more."""
        if (beginning := self._beginnings.get(player)) is not None:
            group = beginning.group(player)
            self._regroup(group, tuple(one for one in self._players[group] if one != player))
            del self._beginnings[player]

    def close(self) -> None:
        """End all processes of LAMMPS."""
        for sampler in self._samplers.values():
            if isinstance(sampler, LammpsSampler):
                sampler.close()

    def advance(self, players: Sequence[int], n_steps: int) -> list[Advanced]:
        """Move some players on; what became of each, by the number of the player."""
        moved: list[Advanced] = []
        for sampler, own, places in self.together(players):
            found = zip(own, sampler.advance(places, n_steps), strict=True)
            moved += [replace(one, trajectory=player) for player, one in found]
        return sorted(moved, key=lambda one: one.trajectory)

    def frame(self, player: int) -> Frame:
        """Where a player stands; its steps are those of its phase."""
        ((sampler, _, (place,)),) = self.together([player])
        return replace(sampler.frame(place), trajectory=player)

    def is_at_rest(self, player: int) -> bool:
        """Whether it has come to the end of what it was to do by itself, as a relaxation does."""
        ((sampler, _, (place,)),) = self.together([player])
        return isinstance(sampler, BatchedSampler) and sampler.segment(place) > 0

    def together(self, players: Sequence[int]) -> "list[tuple[BatchedSampler | LammpsSampler, list[int], list[int]]]":
        """Players that move together: their sampler, their numbers, and their places in it."""
        found = []
        for group, own in self._players.items():
            if some := [player for player in players if player in own]:
                found.append((self._samplers[group], some, [own.index(player) for player in some]))
        return found

    def save(self) -> bytes:
        """Everything that :meth:`load` needs besides the beginnings."""
        return pack({group: sampler.save() for group, sampler in self._samplers.items()})

    def load(self, saved: bytes, beginnings: Mapping[int, Beginning]) -> None:
        """Go on from what :meth:`save` gave, with the beginnings of all who moved then."""
        self._beginnings = dict(beginnings)
        for group, state in unpack(saved).items():
            own = tuple(sorted(player for player, one in beginnings.items() if one.group(player) == group))
            self._players[group], self._samplers[group] = own, self._sampler(own)
            self._samplers[group].load(state)

    def _regroup(self, group: str, players: tuple[int, ...]) -> None:
        """Let other players than before move together; who stays goes on from where it is."""
        before, old = self._players.pop(group, ()), self._samplers.pop(group, None)
        if isinstance(old, LammpsSampler):
            old.close()
        if not players:
            return
        sampler = self._sampler(players)
        if isinstance(old, BatchedSampler):
            places = {k: before.index(one) for k, one in enumerate(players) if one in before}
            n_before = [old.frame(k).n_atoms for k in range(len(before))]
            n_fresh = [self._beginnings[one].start.frame.n_atoms for one in players]
            sampler.load(joined(old.save(), sampler.save(), places, n_before=n_before, n_fresh=n_fresh))
        self._players[group], self._samplers[group] = players, sampler

    def _sampler(self, players: tuple[int, ...]) -> BatchedSampler | LammpsSampler:
        several = [self._beginnings[player] for player in players]
        driver, starts = self._drivers.of(several[0].driven_by), [one.start for one in several]
        limits = {"max_force_ev_per_ang": self._max_force, "min_distance_factor": self._overlap}
        if (lines := several[0].lines) is None:
            return BatchedSampler(starts, driver, device=self._drivers.device, **limits)
        folder = self._folder / f"player_{players[0]}"
        return LammpsSampler(starts, driver, lines=[lines], folder=folder, device=self._drivers.device, **limits)
