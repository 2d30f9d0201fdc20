"""What the viewer of structures is told of each."""

from dataclasses import replace

import numpy as np
from ase.build import bulk

from aims_pax.atoms import frame_of
from aims_pax.frame import Label
from aims_pax.page.comparison import Compared
from aims_pax.page.structures import drawn_structures
from aims_pax.protocols import NO_TRAJECTORY


def test_a_structure_that_no_md_has_made_is_told_by_kind_and_number() -> None:
    frame = frame_of(bulk("Cu", cubic=True), system="cu", trajectory=3, md_step=28)
    made = replace(frame, trajectory=NO_TRAJECTORY, config_type="strain_grid")
    label = Label(0.0, np.zeros((4, 3)), None, "", 0.0)
    rows = [
        Compared(1, one, label, "collect", "", "made", 0.0, np.zeros((4, 3)), None, 0.0)
        for one in (frame, made, replace(made, config_type=""))
    ]
    words = [one["words"].partition(". ")[0] for one in drawn_structures(rows)]
    assert words == ["made; trajectory 3, MD step 28", "made; strain grid 28", "made; structure 28"]
