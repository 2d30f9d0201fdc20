"""Trajectories that go on in another sampler, beside others than before, are those that stayed where they were."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from aims_pax.frame import Frame
from aims_pax.protocols import Driver, Dynamics
from aims_pax.sampling import VELOCITY_VERLET, BatchedSampler, Langevin, Segment, TrajectoryStart
from aims_pax.sampling.bias import Load
from aims_pax.sampling.dynamics import Bussi, CellRescaling, Fire, MartynaTobiasKlein, NoseHoover, Shape
from aims_pax.sampling.relay import joined
from aims_pax.testing.drivers import LennardJones
from aims_pax.trajectory import Held

ROUNDING = 1e-9
"""What other companions in a batch may change within some steps, Å and eV fs/Å: the order of sums in a pass over all
atoms. Argon this cold is no chaos that would make more of it."""

N_STEPS = 10
FLEXIBLE = Shape(isotropic=False)

COURSE = (["npt"], ["npt", "nvt"], ["relax", "npt", "nvt"], ["nvt", "relax"], ["mtk", "relax", "nvt"], ["nvt", "mtk"])
"""Who stands in the sampler, one after the other."""


def start_of(frame: Frame, dynamics: Dynamics, seed: int, **segment: object) -> TrajectoryStart:
    """With a stream of its own: its index in a sampler is not what it is known by."""
    program = (Segment(dynamics, 2.0, 30.0, **segment),)  # type: ignore[arg-type]
    return TrajectoryStart(frame, program, seed=seed, stream=0)


@pytest.fixture
def starts(crystal: Frame, cluster: Frame) -> Mapping[str, TrajectoryStart]:
    """Crystals of 32 atoms and clusters of 4, in each ensemble."""
    relax = Segment(Fire(0.01, shape=FLEXIBLE), 2.0, 30.0, n_steps=25)
    lasting = replace(relax, dynamics=Fire(-1.0, shape=FLEXIBLE), n_steps=None)
    return {
        "nvt": start_of(cluster, Langevin(0.01), 1),
        "npt": start_of(crystal, CellRescaling(FLEXIBLE, 50.0, 300.0, 300.0), 2),
        "mtk": start_of(crystal, MartynaTobiasKlein(FLEXIBLE, 50.0, 300.0), 3),
        "relax": TrajectoryStart(crystal, (relax, lasting), seed=4, stream=0),
        "nve": start_of(cluster, VELOCITY_VERLET, 5),
        "bussi": start_of(cluster, Bussi(50.0), 6),
        "chains": start_of(crystal, NoseHoover(50.0), 7),
        "led": start_of(crystal, Langevin(0.01), 8, held=(Held((0, 1), velocity_ang_per_fs=(0.001, 0.0, 0.0)),)),
        "pressed": start_of(crystal, Langevin(0.01), 9, biases=(Load((4, 5), (0.0, 0.0, -0.01)),)),
    }


class Relay:
    """A sampler after the other; whoever stands in the next one, too, goes on."""

    def __init__(self, starts: Mapping[str, TrajectoryStart], driver: Driver) -> None:
        self._starts, self._driver = starts, driver
        self.names: list[str] = []
        self.sampler: BatchedSampler | None = None

    def regroup(self, names: Sequence[str]) -> BatchedSampler:
        fresh = BatchedSampler([self._starts[name] for name in names], self._driver)
        if self.sampler is not None:
            places = {k: self.names.index(name) for k, name in enumerate(names) if name in self.names}
            n_before, n_fresh = ([self._starts[one].frame.n_atoms for one in some] for some in (self.names, names))
            fresh.load(joined(self.sampler.save(), fresh.save(), places, n_before=n_before, n_fresh=n_fresh))
        self.names, self.sampler = list(names), fresh
        return fresh


def assert_same_point(sampler: BatchedSampler, place: int, alone: BatchedSampler, *, atol: float) -> None:
    ours, theirs = sampler.checkpoint(place), alone.checkpoint(0)
    assert (ours.md_step, ours.segment, ours.segment_step) == (theirs.md_step, theirs.segment, theirs.segment_step)
    for name in ("positions", "momenta", "cell"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
def test_trajectories_that_change_their_company_are_those_that_never_had_any(
    together: bool, starts: Mapping[str, TrajectoryStart]
) -> None:
    """To the bit where each is moved by itself, and within rounding where all are moved in one batch."""
    alone = {name: BatchedSampler([start], LennardJones()) for name, start in starts.items()}
    relay, seen, sampler = Relay(starts, LennardJones()), set[str](), None
    for names in COURSE:
        sampler = relay.regroup(names)
        for some in [range(len(names))] if together else [[k] for k in range(len(names))]:
            sampler.advance(list(some), N_STEPS)
        for place, name in enumerate(names):
            if name not in seen:
                alone[name] = BatchedSampler([starts[name]], LennardJones())
            alone[name].advance([0], N_STEPS)
            assert_same_point(sampler, place, alone[name], atol=ROUNDING if together else 0.0)
        seen = set(names)
    assert sampler is not None
    assert sampler.md_step(0) == 5 * N_STEPS, "it has been in all samplers but the first"


@pytest.mark.parametrize("name", ["nvt", "npt", "mtk", "relax", "nve", "bussi", "chains", "led", "pressed"])
def test_each_ensemble_goes_on_to_the_bit(name: str, starts: Mapping[str, TrajectoryStart]) -> None:
    alone, relay = BatchedSampler([starts[name]], LennardJones()), Relay(starts, LennardJones())
    others = [one for one in ("nve", "npt", "nvt") if one != name]
    for names in ([name], [others[0], name], [*others, name], [name, others[1]]):
        sampler = relay.regroup(names)
        sampler.advance([names.index(name)], N_STEPS)
        alone.advance([0], N_STEPS)
        assert_same_point(sampler, names.index(name), alone, atol=0.0)


def test_who_goes_on_needs_no_new_forces_and_who_is_new_begins_at_its_start(
    starts: Mapping[str, TrajectoryStart],
) -> None:
    class Counting(LennardJones):
        n_structures = 0

        def energies_forces(self, batch):  # type: ignore[no-untyped-def]
            Counting.n_structures += batch.n_structures
            return super().energies_forces(batch)

    relay = Relay(starts, Counting())
    relay.regroup(["nvt", "nve"]).advance([0, 1], 10)
    assert Counting.n_structures == 2 * 11
    sampler = relay.regroup(["bussi", "nvt"])
    assert (sampler.md_step(0), sampler.md_step(1)) == (0, 10)
    assert np.array_equal(sampler.frame(0).positions, starts["bussi"].frame.positions)
    sampler.advance([0, 1], 10)
    assert Counting.n_structures == 2 * 11 + 2 * 10 + 1


def test_a_relaxation_that_has_come_to_its_end_has_so_in_the_next_sampler(
    starts: Mapping[str, TrajectoryStart],
) -> None:
    relay = Relay(starts, LennardJones())
    relay.regroup(["relax"]).advance([0], 40)
    assert relay.regroup(["nvt", "relax"]).segment(1) == 1


def test_neither_saved_state_is_changed(starts: Mapping[str, TrajectoryStart]) -> None:
    old = BatchedSampler([starts["nvt"], starts["npt"]], LennardJones())
    old.advance([0, 1], 10)
    fresh = BatchedSampler([starts["npt"]], LennardJones())
    before, new = old.save(), fresh.save()
    first = joined(before, new, {0: 1}, n_before=[4, 32], n_fresh=[32])
    assert joined(before, new, {0: 1}, n_before=[4, 32], n_fresh=[32]) == first
    assert (old.save(), fresh.save()) == (before, new)
    assert joined(before, new, {}, n_before=[4, 32], n_fresh=[32]) != first
