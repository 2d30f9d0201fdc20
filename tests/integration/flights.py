"""Cheap flights: small models of water, kept within loose tolerances of GFN2-xTB, or trained by somebody else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.build import molecule

from aims_pax.committee import Committee
from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.frame import LabelledFrame, Split
from aims_pax.settings.committee.mace import MaceSettings

SMALL: dict[str, dict[str, object]] = {
    "ARCHITECTURE": {"r_max": 4.0, "num_channels": 8, "max_L": 0, "num_interactions": 1, "correlation": 2},
    "TRAINING": {"batch_size": 5},
    "MISC": {"device": "cpu"},
}
REFIT = {"first_epochs": 30, "epochs": 6}
LOOSE = {"tolerances": {"ediff": 0.05, "frmse": 0.6}, "num_initial_steps": 6, "check_interval": 4, "refit": REFIT}


def water() -> Atoms:
    """A molecule that moves as at 300 K, without a cell."""
    atoms = molecule("H2O")
    momenta = np.random.default_rng(1).normal(size=(3, 3))
    atoms.set_momenta(momenta * np.sqrt(atoms.get_masses() * 300 * units.kB)[:, None])
    return atoms


def trained_for_an_epoch(
    labels: Path, models: Sequence[Path], folder: Path, *, mace: Mapping[str, Mapping[str, Any]], seeds: Sequence[int]
) -> list[Path]:
    """What a training function of a user's own may do: it goes on from the models that there are, or makes some."""
    settings = MaceSettings.model_validate({"general": {"name_exp": "mine"}} | {k.lower(): v for k, v in mace.items()})
    points = [
        LabelledFrame(number, frame, label, Split.TRAINING)
        for number, (frame, label) in enumerate(read_extxyz(labels), start=1)
    ]
    if models:
        committee = Committee.from_models(settings, models, seeds=seeds)
        committee.add(points)
    else:
        committee = Committee.build(settings, points, seeds=seeds)
    committee.train(1)
    return committee.export(folder, "mine")
