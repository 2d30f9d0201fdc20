"""What the benchmarks of training and of whole runs share: ethanol labelled by GFN2-xTB, and models of it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import molecule

from aims_pax.atoms import frame_of
from aims_pax.frame import Frame, Label, LabelledFrame, Split
from aims_pax.reference.embedded.tblite import TbliteReference
from aims_pax.settings import TbliteSettings
from aims_pax.settings.committee.mace import MaceSettings

MODELS = {"16x0": (16, 0), "32x1": (32, 1), "128x1": (128, 1)}
"""Channels and largest angular momentum of the messages; the last are the defaults of mace.yaml."""


def ethanol() -> Atoms:
    """The molecule at rest."""
    return molecule("CH3CH2OH")


def mace_settings(model: str, *, batch_size: int = 5) -> MaceSettings:
    """mace.yaml of one of the models; everything else by default."""
    channels, degree = MODELS[model]
    return MaceSettings.model_validate(
        {
            "general": {"name_exp": "benchmark"},
            "architecture": {"num_channels": channels, "max_L": degree},
            "training": {"batch_size": batch_size},
        }
    )


def labelled_ethanol(n_train: int, n_valid: int, *, seed: int) -> list[LabelledFrame]:
    """Distorted molecules with their labels, those for training first; atoms are displaced by 0.08 Å or so."""
    rng = np.random.default_rng(seed)
    atoms = ethanol()
    frames = []
    for index in range(n_train + n_valid):
        distorted = atoms.copy()
        distorted.positions += rng.normal(scale=0.05, size=distorted.positions.shape)
        frames.append(frame_of(distorted, system="ethanol", trajectory=0, md_step=index))
    splits = [Split.TRAINING] * n_train + [Split.VALIDATION] * n_valid
    return [
        LabelledFrame(index + 1, frame, label, split, None)
        for index, (frame, label, split) in enumerate(zip(frames, labels_of(frames), splits, strict=True))
    ]


def labels_of(frames: Sequence[Frame], method: str = "GFN2-xTB") -> list[Label]:
    """Labels by one of tblite's methods."""
    reference = TbliteReference(TbliteSettings.model_validate({"method": method}))
    found = []
    with tempfile.TemporaryDirectory(prefix="aims-pax-benchmark-") as folder:
        for index, frame in enumerate(frames):
            label = reference.label(frame, folder=Path(folder) / str(index), want_stress=False)
            if not isinstance(label, Label):
                raise SystemExit(f"{method} failed: {label.message}")
            found.append(label)
    return found
