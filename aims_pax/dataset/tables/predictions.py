"""What the committee said of structures before it learned from them: true errors, for every label, at no cost."""

import math
from collections.abc import Iterator
from typing import Any

from aims_pax.dataset.records import PredictedLabel
from aims_pax.dataset.tables.blobs import float_array, float_blob
from aims_pax.dataset.tables.database import Row
from aims_pax.dataset.tables.labels import LABEL, N_LABEL, LabelTables, unknown
from aims_pax.dataset.tables.structures import FRAME, frame_of_row
from aims_pax.errors import StoreError
from aims_pax.frame import CommitteePrediction, FloatArray, Split

_PREDICTION = ", ".join(
    f"predictions.{column}"
    for column in (
        *("generation", "energy", "energy_deviation"),
        *("forces", "forces_deviation", "stress", "stress_deviation"),
    )
)
_N_PREDICTION = len(_PREDICTION.split(","))


class PredictionTables(LabelTables):
    """Predictions beside the labels that came after them."""

    def add_prediction(self, label_id: int, prediction: CommitteePrediction) -> None:
        """Keep what the committee says of a structure whose label is asked for.

        Numbers that are not finite are kept, too: a committee that diverges must not end a run.

        Raises
        ------
        StoreError
            There is a prediction of this structure already, it is one of another number of atoms, or the structure is
            trained on: what is said then is no prediction.
        """
        found = self._database.first(
            "SELECT structure_id, length(numbers) / 8, split FROM jobs JOIN structures USING (structure_id) "
            "LEFT JOIN splits USING (structure_id) WHERE label_id = ?",
            label_id,
        )
        if found is None:
            raise unknown(label_id)
        structure_id, n_atoms, split = found
        if len(prediction.forces) != n_atoms:
            raise StoreError(
                f"label {label_id} is of {n_atoms} atoms, and what is predicted of it is of {len(prediction.forces)}"
            )
        if split == Split.TRAINING:
            raise StoreError(f"label {label_id} is trained on: what the committee says of it now is no prediction")
        self._database.execute(
            "INSERT INTO predictions (structure_id, generation, energy, energy_deviation, stress, stress_deviation, "
            "forces, forces_deviation) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(structure_id, int(prediction.generation)),
                *(float(prediction.energy), float(prediction.energy_deviation)),
                *(_blob(prediction.stress), _blob(prediction.stress_deviation)),
                *(float_blob(prediction.forces), float_blob(prediction.forces_deviation)),
            ),
        )

    def prediction_of(self, label_id: int) -> CommitteePrediction | None:
        """What the committee had said of the structure of this label; None when that was not noted."""
        row = self._database.first(
            f"SELECT {_PREDICTION} FROM jobs JOIN predictions USING (structure_id) WHERE label_id = ?", label_id
        )
        with self._database.decoding():
            return None if row is None else _prediction(row)

    def predicted(self, after: int = 0, *, reference: str | None = None) -> Iterator[PredictedLabel]:
        """Labels beside what was predicted of their structures, in the order of the requests.

        Parameters
        ----------
        after : int
            Only those of a higher number than this.
        reference : str or None
            Whose labels; None: of each structure the one that it was picked for, its first.
        """
        first = "jobs.label_id = (SELECT min(j.label_id) FROM jobs AS j WHERE j.structure_id = jobs.structure_id)"
        which, own = (first, ()) if reference is None else ("+jobs.reference = ?", (reference,))
        sql = (
            f"SELECT jobs.label_id, structures.stage, structures.source, {_PREDICTION}, {LABEL}, {FRAME} FROM jobs "
            "CROSS JOIN predictions USING (structure_id) CROSS JOIN labels USING (label_id) "
            "CROSS JOIN structures USING (structure_id) "
            f"WHERE {which} AND jobs.label_id > ? ORDER BY jobs.label_id LIMIT ?"
        )
        for label_id, stage, source, *columns in self._pages(sql, *own, after=after):
            predicted, rest = columns[:_N_PREDICTION], columns[_N_PREDICTION:]
            with self._database.decoding():
                point = PredictedLabel(
                    label_id=label_id,
                    frame=frame_of_row(rest[N_LABEL:]),
                    stage=stage,
                    source=source,
                    label=self._label(label_id, rest[:N_LABEL]),
                    prediction=_prediction(predicted),
                )
            yield point


def _blob(values: FloatArray | None) -> bytes | None:
    return None if values is None else float_blob(values)


def _prediction(row: Row | list[Any]) -> CommitteePrediction:
    generation, energy, energy_deviation, forces, forces_deviation, stress, stress_deviation = row
    return CommitteePrediction(
        generation=generation,
        energy=math.nan if energy is None else energy,
        energy_deviation=math.nan if energy_deviation is None else energy_deviation,
        forces=float_array(forces, -1, 3),
        forces_deviation=float_array(forces_deviation, -1, 3),
        stress=None if stress is None else float_array(stress, 6),
        stress_deviation=None if stress_deviation is None else float_array(stress_deviation, 6),
    )
