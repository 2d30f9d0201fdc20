"""Structures with their origin, apart from what references say of them."""

from typing import Any

from aims_pax.dataset.tables.base import Tables
from aims_pax.dataset.tables.blobs import bool_array, bool_blob, float_array, float_blob, int_array, int_blob
from aims_pax.dataset.tables.database import Row
from aims_pax.frame import Frame

FRAME = ", ".join(
    f"structures.{column}"
    for column in (
        *("system", "trajectory", "md_step", "generation", "charge", "spin"),
        *("numbers", "positions", "cell", "pbc", "config_type"),
    )
)
"""Columns of which :func:`frame_of_row` makes a frame."""


class StructureTables(Tables):
    """Where structures come from, and what they are."""

    def add_structure(self, frame: Frame, stage: str, *, source: str = "") -> int:
        """Keep a structure; its number is the result.

        Parameters
        ----------
        frame : Frame
        stage : str
            Name of the stage that it comes from.
        source : str
            What picked it, or where it was taken from.

        Raises
        ------
        StoreError
            There is one of the same stage, trajectory and MD step.
        """
        structure_id = self._database.execute(
            "INSERT INTO structures (stage, source, system, trajectory, md_step, generation, charge, spin, pbc, cell, "
            "numbers, positions, config_type) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(str(stage), source, frame.system, int(frame.trajectory), int(frame.md_step), int(frame.generation)),
                *(None if number is None else int(number) for number in (frame.charge, frame.spin)),
                *(bool_blob(frame.pbc), float_blob(frame.cell), int_blob(frame.numbers), float_blob(frame.positions)),
                frame.config_type,
            ),
        ).lastrowid
        assert structure_id is not None
        return structure_id


def frame_of_row(row: Row | list[Any]) -> Frame:
    """The frame in the columns of :data:`FRAME`."""
    system, trajectory, md_step, generation, charge, spin, numbers, positions, cell, pbc, kind = row
    return Frame(
        system=system,
        trajectory=trajectory,
        md_step=md_step,
        generation=generation,
        numbers=int_array(numbers, -1),
        positions=float_array(positions, -1, 3),
        cell=float_array(cell, 3, 3),
        pbc=bool_array(pbc, 3),
        charge=charge,
        spin=spin,
        config_type=kind,
    )
