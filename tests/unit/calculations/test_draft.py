"""What all readers ask of a step before they give it away."""

import numpy as np
import pytest

from aims_pax.calculations.draft import has_held


@pytest.mark.parametrize(
    ("forces", "expected"),
    [
        ([[0.0, 0.0, 0.0], [0.3, 0.1, 0.0], [0.2, -0.1, 0.0]], True),
        ([[0.0, 0.1, 0.0], [0.3, -0.1, 0.0]], True),
        ([[0.0, 0.0, 0.0], [0.3, 0.1, 0.0], [-0.3, -0.1, 0.0]], False),
        ([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], False),
        ([[0.2, 0.1, 0.0], [0.3, 0.1, 0.0]], False),
        ([[0.0, 0.0, 0.0], [0.01, 0.0, 0.0], [0.02, 0.0, 0.0]], False),
    ],
)
def test_atoms_that_are_held_leave_the_forces_of_the_others_unbalanced(
    forces: list[list[float]], expected: bool
) -> None:
    assert has_held(np.array(forces)) is expected
