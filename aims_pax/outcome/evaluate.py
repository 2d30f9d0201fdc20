"""Models measured on labelled structures: what `aims-pax evaluate` does, and every run does in the end."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aims_pax.committee import devices_of, load_models
from aims_pax.dataset.durable import replacing
from aims_pax.dataset.entries import Keys
from aims_pax.dataset.extxyz import Dataset, dataset_of_atoms, read_dataset
from aims_pax.dataset.foreign import unit_remarks
from aims_pax.errors import Problem
from aims_pax.evaluation import Evaluation, evaluate, evaluation_json, evaluation_table
from aims_pax.evaluation.parity import Matched, Method
from aims_pax.frame import Frame, Label, Split
from aims_pax.outcome.assessment.findings import Assessment
from aims_pax.protocols import FramePrediction, Predictor
from aims_pax.report.figures import Parity, draw_parity

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredModels:
    """How far some models are from the labels of one file.

    Parameters
    ----------
    names : tuple of str
        What to call each model.
    data : Path
        The labelled structures.
    errors : Evaluation
        Of each model and of their mean.
    labels, predictions : sequences
        What was compared, structure by structure.
    product : tuple of str and int, or None
        Name of the one model that is handed over, and its place among the models; None where there is no such.
    remarks : tuple of Problem
        What may be wrong with the labels.
    frames : sequence of Frame
        The structures.
    files : tuple of str and int
        Names of the files that they come from, and how many of each.
    temperatures_k : tuple of float or None, K
        Of the MD that the structures come from; empty where none is told.
    """

    names: tuple[str, ...]
    data: Path
    errors: Evaluation
    labels: Sequence[Label]
    predictions: Sequence[FramePrediction]
    product: tuple[str, int] | None = None
    remarks: tuple[Problem, ...] = ()
    frames: Sequence[Frame] = ()
    files: tuple[tuple[str, int], ...] = ()
    temperatures_k: tuple[float | None, ...] = ()

    def text(self) -> str:
        """A heading and the table of errors."""
        table = evaluation_table(self.errors, names=self.names, product=self.product)
        return f"{_structures(self.errors.mean.n_structures)} of {self.data.name}\n\n{table}"

    def record(self) -> dict[str, Any]:
        """The errors as plain values, with the table as ``text``."""
        errors = evaluation_json(self.errors, names=self.names, product=self.product)
        return {"data": str(self.data), **errors, "text": self.text()}

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
        draw_parity(self._parity(), paths[2])
        return paths

    def assessment(self) -> Assessment:
        """The same models in all ways in which errors are told, with figures for a paper."""
        methods = [Method(name, (number,)) for number, name in enumerate(self.names)]
        if len(methods) > 1:
            methods.append(Method("committee mean", tuple(range(len(methods)))))
        matched = Matched(tuple(methods), self.frames, self.labels, self.predictions, self.files, self.temperatures_k)
        return Assessment(matched, self.text(), self.remarks, self.record())

    def of_product(self, name: str, member: int) -> "MeasuredModels":
        """The same, with one of the models as what is handed over."""
        return replace(self, product=(name, member))

    def _parity(self) -> Parity:
        """Labels, and what the product says; the mean prediction where there is none."""
        name = "committee mean" if len(self.names) > 1 else self.names[0]
        chosen = slice(None)
        if self.product is not None:
            name, member = self.product
            chosen = slice(member, member + 1)
        title = f"{name}, {_structures(len(self.labels))} of {self.data.name}"
        return _parity(title, self.labels, self.predictions, chosen)


@dataclass(frozen=True, slots=True, eq=False)
class ErrorsOn:
    """Measures models against labels.

    Parameters
    ----------
    data : Path
        Where the labelled structures were read.
    labelled : tuple of Frame and Label
    names : tuple of str
        What to call each model.
    remarks : tuple of Problem
        What was found wrong with the labels as they were read.
    """

    data: Path
    labelled: tuple[tuple[Frame, Label], ...]
    names: tuple[str, ...]
    remarks: tuple[Problem, ...] = ()

    def validate(self, models: Predictor) -> MeasuredModels:
        """How far the models are from the labels; with stress where the labels have one.

        Raises
        ------
        ModelError
            The models do not know an element.
        """
        labels = [label for _, label in self.labelled]
        frames, want_stress = [frame for frame, _ in self.labelled], any(label.stress is not None for label in labels)
        predictions = models.predict(frames, want_stress=want_stress)
        remarks = (*self.remarks, *unit_remarks(self.data, self.labelled))
        errors = evaluate(labels, predictions)
        return MeasuredModels(self.names, self.data, errors, labels, predictions, remarks=remarks, frames=frames)


def evaluate_models(
    models: Sequence[Path],
    data: "Path | Sequence[Path] | Sequence[Atoms]",
    *,
    device: str = "auto",
    keys: Keys | None = None,
    names: Sequence[str] | None = None,
) -> MeasuredModels:
    """Measure models, together a committee, on the labelled structures of extended XYZ files.

    Parameters
    ----------
    models : sequence of Path
        MACE model files.
    data : Path, or sequence of Path or of Atoms
        Labels of atoms are the results of their calculators; where they have none, they stand in `info` and `arrays`
        by their keys.
    device : str
        auto, cpu, cuda, or a GPU by its number, such as cuda:1.
    keys : Keys or None
        Names of the labels in the file; REF_energy, REF_forces and REF_stress when None.
    names : sequence of str or None
        What to call the models; their files when None.

    Raises
    ------
    StructureError
        The file can't be read, or structures have no labels.
    ModelError
        A model can't be loaded, the models do not belong together, or do not know an element.
    """
    given = given_data(data, keys)
    called = names_of(models) if names is None else tuple(names)
    measure = ErrorsOn(given.path, given.structures, called, (*_remarks_on_mixed(models), *given.remarks))
    measured = measure.validate(load_models(models, device=devices_of(device)))
    return replace(measured, files=given.files, temperatures_k=given.temperatures_k)


@dataclass(frozen=True, slots=True, eq=False)
class GivenData:
    """Labelled structures that models are measured on.

    Parameters
    ----------
    path : Path
        The file, or the names of all.
    structures : tuple of Frame and Label
    files : tuple of str and int
        Names of files, and how many structures each has.
    remarks : tuple of Problem
        What may be wrong with them.
    temperatures_k : tuple of float or None, K
        Of the MD that they come from.
    """

    path: Path
    structures: tuple[tuple[Frame, Label], ...]
    files: tuple[tuple[str, int], ...]
    remarks: tuple[Problem, ...]
    temperatures_k: tuple[float | None, ...]


def given_data(data: "Path | Sequence[Path] | Sequence[Atoms]", keys: Keys | None) -> GivenData:
    """Labelled structures of files, or of atoms.

    Raises
    ------
    StructureError
        A file can't be read, or structures have no labels.
    """
    read = list(_datasets(data, keys))
    names = [one.path.name for one in read]
    remarks = [(*one.mask_remarks(), *one.left_out_remarks(), *_remarks_on_trained(one)) for one in read]
    return GivenData(
        read[0].path if len(read) == 1 else Path(" and ".join(names)),
        tuple(pair for one in read for pair in one.structures),
        tuple((name, len(one.structures)) for name, one in zip(names, read, strict=True)),
        tuple(remark for some in remarks for remark in some),
        tuple(one for dataset in read for one in dataset.temperatures_k),
    )


def _remarks_on_mixed(models: Sequence[Path]) -> Iterator[Problem]:
    """Models of several folders are those of several runs; all models of one run are in its results, or below."""
    homes = {path.resolve().parent for path in models}
    runs = sorted({home.parent if home.name == "committee" else home for home in homes})
    if len(runs) > 1:
        found = f"They are from {len(runs)} folders, and their mean is taken over all: {', '.join(map(str, runs))}."
        yield Problem("--models", found, "", "To compare runs, measure the models of each by themselves.")


def _remarks_on_trained(read: Dataset) -> Iterator[Problem]:
    """Structures that a model of the same dataset has learned say little of others."""
    n_trained = read.splits.count(Split.TRAINING)
    if n_trained:
        found = f"{n_trained} of {len(read.structures)} structures are training structures of their dataset."
        yield Problem(str(read.path), found, "", "If these models have learned them, measure on others.")


def _datasets(data: "Path | Sequence[Path] | Sequence[Atoms]", keys: Keys | None) -> Iterator[Dataset]:
    every = [data] if isinstance(data, Path) else list(data)
    paths = [one for one in every if isinstance(one, Path)]
    if paths:
        for path in paths:
            yield read_dataset(path, keys, named_by="--energy-key, --forces-key and --stress-key")
        return
    images = [one for one in every if not isinstance(one, Path)]
    computed = any(getattr(atoms.calc, "results", None) for atoms in images)
    own = Keys(energy="energy", forces="forces", stress="stress") if computed else keys or Keys()
    yield dataset_of_atoms(images, own, name="data", named_by="keys=Keys(energy=..., forces=..., stress=...)")


def names_of(models: Sequence[Path]) -> tuple[str, ...]:
    """File names, or whole paths where these are not distinct."""
    names = tuple(path.name for path in models)
    return names if len(set(names)) == len(names) else tuple(str(path) for path in models)


def _parity(title: str, labels: Sequence[Label], predictions: Sequence[FramePrediction], members: slice) -> Parity:
    """What these members say on average, against the labels."""
    pairs = list(zip(labels, predictions, strict=True))
    energies = [
        (label.energy / len(label.forces), prediction.energies[members].mean() / len(label.forces))
        for label, prediction in pairs
    ]
    forces = [
        np.stack([label.forces.ravel(), prediction.forces[members].mean(axis=0).ravel()]) for label, prediction in pairs
    ]
    stress = [
        np.stack([label.stress, prediction.stress[members].mean(axis=0)])
        for label, prediction in pairs
        if label.stress is not None and prediction.stress is not None
    ]
    return Parity(
        title,
        np.array(energies, dtype=np.float64).T,
        np.concatenate(forces, axis=1),
        np.concatenate(stress, axis=1) if stress else None,
    )


def _structures(number: int) -> str:
    return "1 structure" if number == 1 else f"{number} structures"
