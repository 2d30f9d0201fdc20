"""Checkpoints survive being written down."""

import numpy as np
import pytest

from aims_pax.errors import StoreError
from aims_pax.trajectory import TrajectoryCheckpoint


def checkpoint() -> TrajectoryCheckpoint:
    rng = np.random.default_rng(0)
    return TrajectoryCheckpoint(12_345, rng.normal(size=(7, 3)), rng.normal(size=(7, 3)))


def test_checkpoint_comes_back_bit_for_bit() -> None:
    before = checkpoint()
    after = TrajectoryCheckpoint.from_bytes(before.to_bytes())
    assert after.md_step == before.md_step
    assert np.array_equal(after.positions, before.positions)
    assert np.array_equal(after.momenta, before.momenta)


@pytest.mark.parametrize("content", [b"", b"no archive", checkpoint().to_bytes()[:200]])
def test_a_damaged_checkpoint_is_a_store_error(content: bytes) -> None:
    with pytest.raises(StoreError, match="can't be read"):
        TrajectoryCheckpoint.from_bytes(content)
