"""What mean forces and stresses account for between two steps, also where the cell moves with the atoms."""

import numpy as np

from aims_pax.calculations.step import Step


def work_ev(before: Step, after: Step) -> float:
    """Energy that the mean forces and the mean stress account for between two steps, eV."""
    assert before.cell is not None
    assert after.cell is not None
    assert before.positions is not None
    assert after.positions is not None
    assert before.forces is not None
    assert after.forces is not None
    cell = (before.cell + after.cell) / 2
    moved = (after.positions @ np.linalg.inv(after.cell) - before.positions @ np.linalg.inv(before.cell)) @ cell
    work = -float(np.sum((before.forces + after.forces) / 2 * moved))
    if before.stress is not None and after.stress is not None:
        strain = np.linalg.solve(cell, after.cell - before.cell)
        mean = (before.stress + after.stress) / 2
        matrix = mean[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
        work += float(abs(np.linalg.det(cell)) * np.sum(matrix * (strain + strain.T) / 2))
    return work
