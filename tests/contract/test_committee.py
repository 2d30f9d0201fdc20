"""Every committee, by the suite that ships."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from aims_pax.committee import Committee as MaceCommittee
from aims_pax.committee import load_models
from aims_pax.committee.deepmd.family import DeepmdFamily
from aims_pax.committee.deepmd.installation import OVERRIDE
from aims_pax.committee.gap.family import GapFamily
from aims_pax.frame import LabelledFrame
from aims_pax.protocols import Committee, Predictor
from aims_pax.testing.committee import SpringCommittee
from aims_pax.testing.contracts import CommitteeContract
from aims_pax.testing.springs import Nature, read_springs

from .families import GAP_SETTINGS, built, deepmd_settings


class TestMace(CommitteeContract):
    def build(self, labelled: Sequence[LabelledFrame], *, seeds: Sequence[int]) -> Committee:
        return built(labelled, seeds=seeds)

    def load(self, path: Path) -> Committee:
        return MaceCommittee.load(path)

    def read(self, paths: Sequence[Path]) -> Predictor:
        return load_models(paths, device="cpu")


class TestSprings(CommitteeContract):
    def build(self, labelled: Sequence[LabelledFrame], *, seeds: Sequence[int]) -> Committee:
        committee = SpringCommittee(seeds, nature=Nature(numbers=(29,)))
        committee.add(labelled)
        return committee

    def load(self, path: Path) -> Committee:
        return SpringCommittee.load(path)

    def read(self, paths: Sequence[Path]) -> Predictor:
        return read_springs(paths)


@pytest.mark.process
class TestGap(CommitteeContract):
    """Fitted anew rather than trained on: there are no weights to go on from, and no stage two."""

    HAS_STAGE_TWO = False

    def build(self, labelled: Sequence[LabelledFrame], *, seeds: Sequence[int]) -> Committee:
        pytest.importorskip("quippy", reason="GAP needs quippy-ase")
        return GapFamily().build(GAP_SETTINGS, labelled, seeds=seeds, atomic_energies_ev={29: 0.0})

    def load(self, path: Path) -> Committee:
        return GapFamily().load(path)

    def read(self, paths: Sequence[Path]) -> Predictor:
        return GapFamily().load_models(paths, device="cpu")


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.skipif(OVERRIDE not in os.environ, reason=f"{OVERRIDE} names no environment with DeePMD-kit")
class TestDeepmd(CommitteeContract):
    """Its weights go on; there is no stage two."""

    HAS_STAGE_TWO = False
    EPOCH_STEPS: ClassVar[int | None] = 20

    def build(self, labelled: Sequence[LabelledFrame], *, seeds: Sequence[int]) -> Committee:
        settings = deepmd_settings(os.environ[OVERRIDE], epoch_steps=self.EPOCH_STEPS)
        return DeepmdFamily().build(settings, labelled, seeds=seeds, atomic_energies_ev={29: 0.0})

    def load(self, path: Path) -> Committee:
        return DeepmdFamily().load(path)

    def read(self, paths: Sequence[Path]) -> Predictor:
        return DeepmdFamily().load_models(paths, device="cpu")


class TestDeepmdAnew(TestDeepmd):
    """Trained from random weights whenever there are new points."""

    EPOCH_STEPS: ClassVar[int | None] = None
