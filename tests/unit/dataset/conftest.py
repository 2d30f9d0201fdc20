"""Structures and labels to store."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from aims_pax.dataset import RunStore
from aims_pax.frame import Frame, Label


def _frame(md_step: int = 25, *, trajectory: int = 0, n_atoms: int = 3, periodic: bool = False) -> Frame:
    rng = np.random.default_rng((md_step, trajectory))
    return Frame(
        system="ethanol",
        trajectory=trajectory,
        md_step=md_step,
        generation=7,
        numbers=rng.integers(1, 90, n_atoms),
        positions=rng.normal(size=(n_atoms, 3)),
        cell=rng.normal(size=(3, 3)) if periodic else np.zeros((3, 3)),
        pbc=np.array([periodic, False, periodic]),
    )


def _label(n_atoms: int = 3, *, energy: float = -1.5, with_stress: bool = False) -> Label:
    rng = np.random.default_rng(n_atoms)
    return Label(
        energy=energy,
        forces=rng.normal(size=(n_atoms, 3)),
        stress=rng.normal(size=6) if with_stress else None,
        reference="tblite 0.4.0 GFN2-xTB",
        wall_s=0.25,
        extras={"dipole": rng.normal(size=3), "charges": rng.normal(size=n_atoms)},
    )


@pytest.fixture
def frame() -> Callable[..., Frame]:
    return _frame


@pytest.fixture
def label() -> Callable[..., Label]:
    return _label


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "run", clock=lambda: 1000.0) as opened:
        yield opened
