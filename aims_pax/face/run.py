"""What a run folder holds, for whoever looks at it, also while a campaign works there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aims_pax.atoms import labelled_atoms
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.face.status import RunStatus, read_status, run_home
from aims_pax.frame import Split
from aims_pax.report.table import Table
from aims_pax.selection import max_atomic_error
from aims_pax.settings.project import Project, load_project
from aims_pax.stages.memory import Memory

if TYPE_CHECKING:
    from ase import Atoms

    from aims_pax.committee import CommitteeCalculator
    from aims_pax.outcome.results import Summary
    from aims_pax.page.figure import Figure


@dataclass(frozen=True, slots=True)
class Run:
    """A run, to be looked at: each question opens its store for itself, and is answered as of that moment.

    Parameters
    ----------
    folder : Path
        Holds run.db.
    project : Project or None
        That it is a run of; None for a run folder by itself.
    """

    folder: Path
    project: Project | None = field(default=None, repr=False, compare=False)

    def status(self, *, wanted_ev_per_ang: float | None = None) -> RunStatus:
        """Where it stands.

        Parameters
        ----------
        wanted_ev_per_ang : float or None, eV/Å
            Force MAE of which it is foretold with how many structures it is reached; None: the one in the settings.
        """
        return read_status(self.folder, wanted_ev_per_ang=wanted_ev_per_ang)

    def sets(self) -> "dict[str, list[Atoms]]":
        """The labelled structures by what they are for: ``training``, ``validation``, ``test``.

        The label is the result of each one's calculator; `info` says where it comes from.
        """
        found: dict[str, list[Atoms]] = {str(split): [] for split in Split}
        with self._opened() as (store, _):
            for point in store.labelled():
                found[str(point.split)].append(labelled_atoms(point))
        return found

    def scores(self) -> Table:
        """How structures on the way were judged: stage, selector and kind of each score, and the threshold it met.

        Scores and thresholds are in the unit of their kind, eV/Å for deviations of forces.
        """
        with self._opened() as (store, _):
            series, scores = store.series(), store.scores()
        names = {field: [getattr(series[number], field) for number in scores["series"].tolist()] for field in SERIES}
        columns = {field: scores[field].copy() for field in scores.dtype.names or () if field != "series"}
        return Table({field: np.array(values, dtype=object) for field, values in names.items()} | columns)

    def epochs(self) -> Table:
        """The learning curves: losses, and errors on validation structures; NaN where nothing was measured."""
        with self._opened() as (store, _):
            epochs = store.epochs()
        return Table({name: epochs[name].copy() for name in epochs.dtype.names or ()})

    def errors(self) -> Table:
        """True errors of what the committee said of structures before it learned from them, label by label."""
        with self._opened() as (store, _):
            rows = [_error_row(point) for point in store.predicted()]
        names = tuple(ERROR_COLUMNS)
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        return Table(
            {name: np.array(column, dtype=ERROR_COLUMNS[name]) for name, column in zip(names, columns, strict=True)}
        )

    def figures(self) -> "dict[str, Figure]":
        """The figures of `aims-pax report` by their names, without those that this run has no data for.

        A notebook shows each of them; `table` is its data, `good` says what a good one looks like, `draw` puts it on
        axes of your own, `save` writes ``.png``, ``.svg`` or ``.csv``.
        """
        from aims_pax.page.charts import figures_of
        from aims_pax.page.figure import Figure
        from aims_pax.page.material import read_material

        found = figures_of(read_material(self.folder, name=self.folder.name))
        return {figure.name: figure for figure in found if isinstance(figure, Figure)}

    def report(self, out: str | Path | None = None) -> Path:
        """Write what `aims-pax report` writes; the page is the result.

        Parameters
        ----------
        out : path or None
            A name that ends with .html; report.html in the run folder when None.

        Raises
        ------
        UserError
            It can't be written there.
        """
        from aims_pax.page.material import read_material
        from aims_pax.page.writing import PAGE, write_page

        page = self.folder / PAGE if out is None else Path(out).expanduser()
        return write_page([read_material(self.folder, name=self.folder.name)], page).page

    def summary(self) -> "Summary":
        """What was written when it ended: errors, times, faults, the verdict.

        Raises
        ------
        StoreError
            It has not ended, or the file is gone.
        """
        from aims_pax.outcome.results import read_summary

        return read_summary(self._places.results)

    def calculator(self, *, device: str = "auto") -> "CommitteeCalculator":
        """The models as they are now, as a calculator of ASE.

        Of a finished run those that were trained to the end, of another one all members of its newest checkpoint.
        The best member alone is trained to the end unless `converge_best` is False; one model has no deviation.

        Parameters
        ----------
        device : str
            auto, cpu, cuda, or one GPU such as cuda:1. auto is the CPU while a campaign is at work, which has the GPU
            for itself.

        Raises
        ------
        ModelError
            There are no models yet, or their files are gone.
        """
        from aims_pax.face.models import models_of_run

        with self._opened() as (store, memory):
            return models_of_run(store, memory, self._places, device=device)

    def export(self, out: str | Path | None = None, *, models: bool = False) -> list[Path]:
        """Write training, validation and test structures as extended XYZ, and the models of now if they are wanted.

        Parameters
        ----------
        out : path or None
            A folder, or a file of all structures (.extxyz, or .h5, which MACE reads); None: results/ of the run, and
            with models of a run that has not ended snapshot/.
        models : bool
            With model files of the newest checkpoint, their errors, and figures.

        Returns
        -------
        list of Path
            Files that were written.

        Raises
        ------
        UserError
            The project can't be read; or there are no models yet.
        """
        from aims_pax.campaign.snapshot import export_snapshot
        from aims_pax.outcome.datasets import Wanted, export_datasets

        project = self.project or load_project(self.folder, stages=())
        folder = None if out is None else Path(out).expanduser()
        if not models:
            return list(export_datasets(project, Wanted(folder)))
        written = export_snapshot(project, folder)
        return [*written.models, *sorted(written.folder.glob("*.extxyz"))]

    @property
    def _places(self) -> RunFolder:
        return RunFolder(self.folder, self.folder)  # calculations may be elsewhere, and are not looked at

    @contextmanager
    def _opened(self) -> Iterator[tuple[RunStore, Memory]]:
        with RunStore.open_readonly(self.folder) as store:
            yield store, Memory(store, self._places)


SERIES = ("stage", "selector", "kind")

ERROR_COLUMNS: dict[str, Any] = {
    "label_id": np.int64,
    "stage": object,
    "source": object,
    "system": object,
    "trajectory": np.int64,
    "md_step": np.int64,
    "generation": np.int64,
    "energy_error_ev_per_atom": np.float64,
    "force_mae_ev_per_ang": np.float64,
    "max_atomic_error_ev_per_ang": np.float64,
    "max_atomic_deviation_ev_per_ang": np.float64,
}
"""Columns of :meth:`Run.errors`. The last two are in one measure: aims-PAX, Eq. 1."""


def open_run(folder: "str | Path | Project") -> Run:
    """The run in a folder, to be looked at; nothing is changed, and a campaign that is at work there goes on.

    Parameters
    ----------
    folder : str, Path or Project
        A run folder, or a project that was run.

    Raises
    ------
    UserError
        There is no run.
    """
    found: list[Project] = [folder] if isinstance(folder, Project) else []

    def of_project(home: Path) -> Path:
        found.append(load_project(home, stages=()))
        return found[0].run_folder

    home = folder.run_folder if isinstance(folder, Project) else run_home(Path(folder), of_project)
    RunStore.open_briefly(home).close()
    return Run(home, found[0] if found else None)


def _error_row(point: Any) -> tuple[Any, ...]:
    frame, label, said = point.frame, point.label, point.prediction
    return (
        *(point.label_id, point.stage, point.source, frame.system),
        *(frame.trajectory, frame.md_step, said.generation),
        (said.energy - label.energy) / frame.n_atoms,
        float(np.abs(said.forces - label.forces).mean()),
        max_atomic_error(said.forces, label.forces),
        said.max_atomic_deviation,
    )
