"""Every pool, by the suite that ships."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from aims_pax.atoms import frame_of
from aims_pax.frame import FailureReason, Frame, LabelFailure
from aims_pax.labelling.bounded import BoundedPool
from aims_pax.labelling.inline import InlinePool
from aims_pax.labelling.shared import SharedPool
from aims_pax.protocols import LabelJob, Pool, Reference
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.reference import TbliteSettings
from aims_pax.testing.contracts import PoolContract
from aims_pax.testing.contracts.pool import collected
from aims_pax.testing.pools import ScriptedPool, computing
from aims_pax.testing.references import SpringReference


class LabelsByTblite(PoolContract):
    """Pools of what campaigns label with."""

    def reference(self) -> Reference:
        return build_reference(TbliteSettings())

    def sound(self, number: int) -> Frame:
        atoms = molecule("H2O")
        atoms.rattle(0.02, seed=number)
        return frame_of(atoms, system="water", trajectory=number)

    def periodic(self) -> Frame:
        return frame_of(bulk("C", cubic=True), system="diamond")

    def broken(self) -> Frame:
        return frame_of(Atoms("H2", positions=np.zeros((2, 3))), system="fused")

    def test_an_engine_that_raises_has_crashed(self, pool: Pool, tmp_path: Path) -> None:
        pool.submit(LabelJob(1, self.broken(), tmp_path / "label-1"))
        (done,) = collected(pool)
        assert isinstance(done.result, LabelFailure)
        assert done.result.reason is FailureReason.CRASHED


class TestInline(LabelsByTblite):
    def make(self, folder: Path) -> Pool:
        return InlinePool(self.reference(), want_stress=True)


class TestParsl(LabelsByTblite):
    def make(self, folder: Path) -> Pool:
        from aims_pax.labelling.workers.configuration import local_config
        from aims_pax.labelling.workers.parsl import ParslPool

        return ParslPool(TbliteSettings(), local_config(2), want_stress=True, run_dir=folder / "parsl")


class TestShare(LabelsByTblite):
    """Of a pool that somebody else asks, too."""

    def make(self, folder: Path) -> Pool:
        return SharedPool(InlinePool(self.reference(), want_stress=True)).share()


class TestBounded(LabelsByTblite):
    def make(self, folder: Path) -> Pool:
        return BoundedPool(InlinePool(self.reference(), want_stress=True), 3)


class TestScripted(PoolContract):
    def make(self, folder: Path) -> Pool:
        return ScriptedPool(computing(SpringReference(), want_stress=True))


class TestScriptedInAnotherOrder(PoolContract):
    def make(self, folder: Path) -> Pool:
        answer = computing(SpringReference(), want_stress=True)
        return ScriptedPool(answer, delay=lambda job: 1 + 7 * job.label_id % 5)

    def test_labels_come_after_as_many_calls_as_was_told(self, tmp_path: Path) -> None:
        pool = ScriptedPool(delay=lambda job: {1: 3, 2: 1, 3: 2}[job.label_id])
        for number in (1, 2, 3):
            pool.submit(LabelJob(number, self.sound(number), tmp_path))
        assert [[done.label_id for done in pool.collect(timeout_s=0.0)] for _ in range(3)] == [[2], [3], [1]]

    def test_waiting_for_what_never_comes_is_a_mistake_that_is_told(self, tmp_path: Path) -> None:
        pool = ScriptedPool(delay=lambda job: None)
        pool.submit(LabelJob(7, self.sound(1), tmp_path))
        with pytest.raises(AssertionError, match=r"wait for ever: labels \[7\]"):
            pool.collect(timeout_s=None)
        pool.wake()
        assert pool.collect(timeout_s=None) == []
        pool.answer(7)
        assert [done.label_id for done in pool.collect(timeout_s=None)] == [7]
