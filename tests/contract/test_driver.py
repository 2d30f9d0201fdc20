"""Every driver, by the suite that ships."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from ase.calculators.emt import EMT

from aims_pax.committee import CommitteeForces, PushedForces, load_foundation
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.departure import Departure
from aims_pax.frame import Frame
from aims_pax.labelling.errands import errands_in
from aims_pax.labelling.inline import InlinePool
from aims_pax.protocols import Driver, Pool
from aims_pax.reference.dispersion import Dispersion
from aims_pax.sampling import CalculatorForces, DispersedForces, ReferenceForces, shared_by_system
from aims_pax.settings.methods.dispersion import DispersionSettings
from aims_pax.testing.contracts import DriverContract
from aims_pax.testing.contracts.structures import cluster, crystal, fused, rattled
from aims_pax.testing.drivers import Bonds, FailingDriver, LennardJones, Tethers
from aims_pax.testing.pools import ScriptedPool, computing
from aims_pax.testing.references import SpringReference
from aims_pax.testing.springs import Knowledge, Nature, Springs

from .families import mace_committee


class TestTethers(DriverContract):
    def make(self) -> Driver:
        return Tethers(5.0)


class TestTethersToPlaces(DriverContract):
    def make(self) -> Driver:
        import torch

        return Tethers(5.0, torch.as_tensor(cluster().positions))


class TestBonds(DriverContract):
    def make(self) -> Driver:
        return Bonds()


class TestLennardJones(DriverContract):
    def make(self) -> Driver:
        return LennardJones(depth_ev=0.4, diameter_ang=2.2, cutoff=4.5)


class TestFailingDriver(DriverContract):
    """When it is not time to fail."""

    def make(self) -> Driver:
        return FailingDriver(Bonds(), 0, calls=[])


class TestCalculator(DriverContract):
    def make(self) -> Driver:
        return CalculatorForces(EMT)

    def impossible(self) -> Frame | None:
        return unknown()


class TestCalculatorsInThreads(DriverContract):
    def make(self) -> Driver:
        return CalculatorForces(EMT, n_threads=2)

    def impossible(self) -> Frame | None:
        return unknown()


class TestCalculatorOfASystem(DriverContract):
    """Of models: one for all structures of a system."""

    def make(self) -> Driver:
        return CalculatorForces(EMT, owner=shared_by_system)

    def impossible(self) -> Frame | None:
        return unknown()


class TestReference(DriverContract):
    """Step by step through a pool."""

    @pytest.fixture(autouse=True)
    def _books(self, tmp_path: Path) -> Iterator[None]:
        self.folder, self.books = tmp_path, ExitStack()
        with self.books:
            yield

    def pool(self) -> Pool:
        return InlinePool(SpringReference(), want_stress=True)

    def make(self) -> Driver:
        folder = Path(mkdtemp(dir=self.folder))
        places, departure = RunFolder(folder, folder), Departure()
        steps = errands_in(places, self.pool(), departure, keeps_folders=False, no_progress_s=60.0, called="step")
        return ReferenceForces(self.books.enter_context(steps))

    def impossible(self) -> Frame | None:
        return fused()


class TestReferenceInAnotherOrder(TestReference):
    """Workers come to their end in any order."""

    def pool(self) -> Pool:
        return ScriptedPool(computing(SpringReference()), delay=lambda job: 1 + 7 * job.label_id % 5)


class TestDispersed(DriverContract):
    def make(self) -> Driver:
        pytest.importorskip("dftd3")
        return DispersedForces(CalculatorForces(EMT), Dispersion(DispersionSettings(xc="pbe", cutoff=12.0)))

    def structures(self) -> list[Frame]:
        return [rattled(cluster(), 1), rattled(crystal(), 2)]

    def impossible(self) -> Frame | None:
        return unknown()


class TestCommitteeOfSprings(DriverContract):
    def make(self) -> Driver:
        return CommitteeForces(Springs(Nature(), [Knowledge(1), Knowledge(2)]))


class TestMemberOfMace(DriverContract):
    def make(self) -> Driver:
        return CommitteeForces(mace_committee(), member=1)


class TestCommitteeOfMace(DriverContract):
    def make(self) -> Driver:
        return CommitteeForces(mace_committee())


class TestBiasedSprings(DriverContract):
    def make(self) -> Driver:
        springs = Springs(Nature(), [Knowledge(1), Knowledge(2), Knowledge(4)])
        return PushedForces(springs, [2.0, 2.0, 2.0], [cluster(), crystal(), cluster()])


class TestBiasedMace(DriverContract):
    def make(self) -> Driver:
        return PushedForces(mace_committee(), [2.0, 2.0, 2.0], [cluster(), crystal(), cluster()])


class TestDispersionOverABias(DriverContract):
    def make(self) -> Driver:
        pytest.importorskip("dftd3")
        springs = Springs(Nature(), [Knowledge(1), Knowledge(2), Knowledge(4)])
        biased = PushedForces(springs, [2.0, 2.0], [cluster(), crystal()])
        return DispersedForces(biased, Dispersion(DispersionSettings(xc="pbe", cutoff=12.0)))

    def structures(self) -> list[Frame]:
        return [rattled(cluster(), 1), rattled(crystal(), 2)]


class TestFoundation(DriverContract):
    """A model from its file, as it drives either stage."""

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.file = mace_committee().export(tmp_path, "foundation")[0]

    def make(self) -> Driver:
        return CommitteeForces(load_foundation("mace", str(self.file), device="cpu"))


class TestFoundationInSinglePrecision(TestFoundation):
    FORCE_TOLERANCE_EV_PER_ANG = 0.01  # energies of 10 eV are rounded to 1e-6 eV, over 1e-4 Å

    def make(self) -> Driver:
        return CommitteeForces(load_foundation("mace", str(self.file), device="cpu", dtype="float32"))


class TestDispersedFoundation(TestFoundation):
    def make(self) -> Driver:
        pytest.importorskip("dftd3")
        return DispersedForces(super().make(), Dispersion(DispersionSettings(xc="pbe", cutoff=12.0)))


def unknown() -> Frame:
    """EMT knows no xenon."""
    frame = cluster()
    return Frame("xenon", 0, 0, 0, np.full(4, 54), frame.positions)
