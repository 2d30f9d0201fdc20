"""Predictions beside the labels of structures that were not learned from."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from aims_pax.dataset.records import PredictedLabel
from aims_pax.dataset.store import RunStore
from aims_pax.evaluation.blocks import Interval, blocks_of
from aims_pax.evaluation.intervals import mean_interval
from aims_pax.frame import CommitteePrediction, FloatArray, Frame, IntArray, Label, LabelledFrame, Split
from aims_pax.outcome.errors.origins import origin_of
from aims_pax.outcome.predictions import SavedPredictions
from aims_pax.settings.stage import INITIAL


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One structure with its label and what was predicted of it.

    Parameters
    ----------
    label_id : int
    frame : Frame
    label : Label
    stage, source : str
        As in the store.
    origin : str
        Where it comes from, in words.
    energy : float, eV
    forces : (n_atoms, 3), eV/Å
    stress : (6,), eV/Å³, or None
    deviation : float, eV/Å
        Of the members, largest of any atom (aims-PAX, Eq. 1); NaN where there is one member.
    """

    label_id: int
    frame: Frame
    label: Label
    stage: str
    source: str
    origin: str
    energy: float
    forces: FloatArray
    stress: FloatArray | None
    deviation: float

    @property
    def force_error(self) -> FloatArray:
        """(n_atoms, 3), eV/Å: prediction minus label."""
        error: FloatArray = self.forces - self.label.forces
        return error

    @property
    def atomic_error(self) -> FloatArray:
        """(n_atoms,), eV/Å: of each atom in the measure of aims-PAX, Eq. 1, as the deviation is."""
        error: FloatArray = np.sqrt(np.square(self.force_error).sum(axis=1) / 3)
        return error

    @property
    def energy_error_per_atom(self) -> float:
        """eV: prediction minus label."""
        return (self.energy - self.label.energy) / self.frame.n_atoms


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Structures that were not learned from, and whose predictions they are compared with.

    Parameters
    ----------
    of : str
        Who has predicted, and on what: ``ethanol.model on 12 test structures, of which it has learned nothing``.
    on : str
        ``12 test structures``
    rows : tuple of Compared
    is_of_product : bool
        Whether it is the finished model's; else the committee's, of each structure before it learned from it.
    """

    of: str
    on: str
    rows: tuple[Compared, ...]
    is_of_product: bool = False

    def interval(self, chosen: Sequence[int], value_of: Callable[[Compared], float]) -> Interval:
        """The mean of a number over some structures, with its 95 % interval by blocks of their trajectories."""
        rows = [self.rows[index] for index in chosen]
        return blocked_mean([row.frame for row in rows], np.array([value_of(row) for row in rows]))


def blocked_mean(frames: Sequence[Frame], values: FloatArray) -> Interval:
    """The mean over blocks of trajectories of a number of each structure (n,), and its 95 % interval."""
    means = np.array([values[block].mean() for block in blocks_of(frames)])
    if len(means) < 2:
        return Interval(float(means.mean()), None, None)
    return Interval(*mean_interval(means))


def blocked_correlation(
    frames: Sequence[Frame], x: FloatArray, y: FloatArray, *, n_draws: int = 2000
) -> Interval | None:
    """Pearson's correlation of two numbers (n,) of each structure, with its 95 % interval; None where it has no sense.

    Notes
    -----
    The interval is that of a bootstrap of blocks: whole trajectories are drawn again, not structures (Künsch, Ann.
    Stat. 17, 1217, 1989).
    """
    if len(x) < 5 or x.std() == 0 or y.std() == 0:
        return None
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    blocks = blocks_of(frames)
    moments = np.array([_moments(x[block], y[block]) for block in blocks])
    value = _pearson(moments.sum(axis=0))
    if len(blocks) < 3:
        return Interval(float(value), None, None)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(len(blocks), np.full(len(blocks), 1 / len(blocks)), size=n_draws) @ moments
    found = _pearson(drawn.T)
    low, high = np.percentile(found[np.isfinite(found)], [2.5, 97.5])
    return Interval(float(value), float(low), float(high))


def _moments(x: FloatArray, y: FloatArray) -> tuple[float, ...]:
    return (float(len(x)), x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum())


def _pearson(moments: FloatArray) -> FloatArray:
    n, x, y, xx, yy, xy = moments
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt((xx / n - (x / n) ** 2) * (yy / n - (y / n) ** 2))
        value: FloatArray = (xy / n - x * y / n**2) / spread
    return value


def before_learning(store: RunStore) -> Comparison | None:
    """What the committee said of each structure of active learning before it learned from it; None where it did not.

    Predictions that are not finite, as of a committee that has diverged, are left out.
    """
    points = (point for point in store.predicted() if point.stage != INITIAL)
    rows = tuple(_of_committee(point) for point in points if _is_finite(point.prediction))
    if not rows:
        return None
    return Comparison(f"the committee, before it learned from each of {len(rows)} labels", f"{len(rows)} labels", rows)


def of_product(points: Iterable[LabelledFrame], saved: SavedPredictions | None, name: str) -> Comparison | None:
    """What the product says of test structures, or of those for validation where there are none; None without any."""
    if saved is None:
        return None
    measured = [point for point in points if point.label_id in saved.by_label]
    for split in (Split.TEST, Split.VALIDATION):
        rows = tuple(_of_model(point, saved) for point in measured if point.split is split)
        if rows:
            structures = f"{len(rows)} {split} structure{'s' if len(rows) > 1 else ''}"
            return Comparison(
                f"{name} on {structures}, of which it has learned nothing", structures, rows, is_of_product=True
            )
    return None


def _is_finite(said: CommitteePrediction) -> bool:
    return bool(np.isfinite(said.energy) and np.isfinite(said.forces).all())


def _of_committee(point: PredictedLabel) -> Compared:
    said = point.prediction
    return Compared(
        label_id=point.label_id,
        frame=point.frame,
        label=point.label,
        stage=point.stage,
        source=point.source,
        origin=origin_of(point),
        energy=said.energy,
        forces=said.forces,
        stress=said.stress,
        deviation=said.max_atomic_deviation,
    )


def _of_model(point: LabelledFrame, saved: SavedPredictions) -> Compared:
    said = saved.by_label[point.label_id]
    deviation = np.sqrt(np.square(said.forces.std(axis=0)).sum(axis=1) / 3).max()
    return Compared(
        label_id=point.label_id,
        frame=point.frame,
        label=point.label,
        stage=point.stage,
        source=point.source,
        origin=origin_of(point),
        energy=float(said.energies[saved.product]),
        forces=said.forces[saved.product],
        stress=None if said.stress is None else said.stress[saved.product],
        deviation=float(deviation) if len(said.energies) > 1 else float("nan"),
    )


def pairs(
    rows: Sequence[Compared],
) -> dict[str, tuple[IntArray, FloatArray, FloatArray]]:
    """Numbers of labels (n,), references (n,) and predictions (n,) of all components, by quantity.

    ``energy`` in eV/atom; ``force`` in eV/Å; ``stress`` in eV/Å³, where both have one.
    """
    ids = np.array([row.label_id for row in rows], dtype=np.int64)
    n_atoms = np.array([row.frame.n_atoms for row in rows])
    energy = np.array([(row.label.energy, row.energy) for row in rows]).T / n_atoms
    found = {
        "energy": (ids, energy[0], energy[1]),
        "force": (
            np.repeat(ids, 3 * n_atoms),
            np.concatenate([row.label.forces.ravel() for row in rows]),
            np.concatenate([row.forces.ravel() for row in rows]),
        ),
    }
    both = [(row.label_id, row.label.stress, row.stress) for row in rows]
    stressed = [(i, label, said) for i, label, said in both if label is not None and said is not None]
    if stressed:
        found["stress"] = (
            np.repeat(np.array([i for i, _, _ in stressed], dtype=np.int64), 6),
            np.concatenate([label for _, label, _ in stressed]),
            np.concatenate([said for _, _, said in stressed]),
        )
    return found
