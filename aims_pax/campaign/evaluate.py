"""Models measured on labelled structures: what `aims-pax evaluate` does, and every run does in the end."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aims_pax.committee import FramePrediction, devices_of, load_models
from aims_pax.dataset.durable import replacing
from aims_pax.dataset.extxyz import Keys, read_extxyz
from aims_pax.evaluation import Evaluation as Errors
from aims_pax.evaluation import evaluate, evaluation_json, evaluation_table
from aims_pax.frame import Label
from aims_pax.report.figures import Parity, draw_parity


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """How far some models are from the labels of one file.

    Parameters
    ----------
    names : tuple of str
        What to call each model.
    data : Path
        The labelled structures.
    errors : aims_pax.evaluation.Evaluation
        Of each model and of their mean.
    parity : Parity
        Labels, and the mean prediction.
    """

    names: tuple[str, ...]
    data: Path
    errors: Errors
    parity: Parity

    def text(self) -> str:
        """A heading and the table of errors."""
        table = evaluation_table(self.errors, names=self.names)
        return f"{self.errors.mean.n_structures} structures of {self.data.name}\n\n{table}"

    def record(self) -> dict[str, Any]:
        """The errors as plain values, with the table as ``text``."""
        return {"data": str(self.data), **evaluation_json(self.errors, names=self.names), "text": self.text()}

    def write(self, folder: Path) -> list[Path]:
        """Write metrics.json, metrics.txt and parity.png; the folder is made when missing.

        Raises
        ------
        OSError
            The folder can't be written to.
        """
        paths = [folder / name for name in ("metrics.json", "metrics.txt", "parity.png")]
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(paths[0]) as file:
            json.dump(self.record(), file, indent=2)
        with replacing(paths[1]) as file:
            file.write(self.text() + "\n")
        draw_parity(self.parity, paths[2])
        return paths


def evaluate_models(
    models: Sequence[Path], data: Path, *, device: str = "auto", keys: Keys | None = None
) -> Evaluation:
    """Measure models, together a committee, on the labelled structures of an extended XYZ file.

    Parameters
    ----------
    models : sequence of Path
        MACE model files.
    data : Path
    device : str
        auto, cpu, cuda, or a GPU by its number, such as cuda:1.
    keys : Keys or None
        Names of the labels in the file; REF_energy, REF_forces and REF_stress when None.

    Raises
    ------
    StructureError
        The file can't be read, or structures have no labels.
    ModelError
        A model can't be loaded, the models do not belong together, or do not know an element.
    """
    labelled = read_extxyz(data, keys)
    labels = [label for _, label in labelled]
    ensemble = load_models(models, device=devices_of(device))
    predictions = ensemble.predict(
        [frame for frame, _ in labelled], want_stress=any(label.stress is not None for label in labels)
    )
    title = f"{'committee mean' if len(models) > 1 else models[0].name}, {len(labels)} structures of {data.name}"
    return Evaluation(_names(models), data, evaluate(labels, predictions), _parity(title, labels, predictions))


def _names(models: Sequence[Path]) -> tuple[str, ...]:
    """File names, or whole paths where these are not distinct."""
    names = tuple(path.name for path in models)
    return names if len(set(names)) == len(names) else tuple(str(path) for path in models)


def _parity(title: str, labels: Sequence[Label], predictions: Sequence[FramePrediction]) -> Parity:
    pairs = list(zip(labels, predictions, strict=True))
    energies = [
        (label.energy / len(label.forces), prediction.energies.mean() / len(label.forces))
        for label, prediction in pairs
    ]
    forces = [np.stack([label.forces.ravel(), prediction.forces.mean(axis=0).ravel()]) for label, prediction in pairs]
    stress = [
        np.stack([label.stress, prediction.stress.mean(axis=0)])
        for label, prediction in pairs
        if label.stress is not None and prediction.stress is not None
    ]
    return Parity(
        title,
        np.array(energies, dtype=np.float64).T,
        np.concatenate(forces, axis=1),
        np.concatenate(stress, axis=1) if stress else None,
    )
