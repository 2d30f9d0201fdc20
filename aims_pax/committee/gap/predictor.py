"""Fitted GAPs, for prediction by quippy."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from aims_pax.committee.gap.installation import require_quippy
from aims_pax.committee.gap.potential import GapPotential, read_potentials
from aims_pax.committee.hosted.hosts import Program
from aims_pax.committee.hosted.predictor import Hosted, HostedModel
from aims_pax.committee.mace.elements import Elements
from aims_pax.errors import ModelError, Problem

GapModel: TypeAlias = HostedModel[GapPotential]

QUIPPY: Final = Program(
    "quippy",
    (sys.executable, "-m", "aims_pax.committee.gap.host"),
    # One thread each unless it is said otherwise, for the last bits depend on their number.
    defaults=(("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1")),
    advice="The structure, or the potential, is one that QUIP gives up at; the command goes on from here.",
)


def load_gaps(paths: Sequence[Path]) -> Hosted[GapPotential]:
    """The models in some files of gap_fit or of this program, for prediction.

    Raises
    ------
    ModelError
        A file is missing or no GAP, there is none, or they know different elements.
    """
    found = read_potentials(paths)
    require_quippy()
    for path, (_, energies) in zip(paths, found, strict=True):
        if set(energies) != set(found[0][1]):
            first, own = (Elements.of(one).symbols() for one in (found[0][1], energies))
            advice = "Give models of one committee."
            raise ModelError(Problem(str(path), f"has the elements {own}", f"{first}, as in {paths[0]}", advice))
    models = [HostedModel(energies, potential) for potential, energies in found]
    cutoff = max(potential.cutoff_ang for potential, _ in found)
    return Hosted(models, numbers=sorted(found[0][1]), cutoff_ang=cutoff, program=QUIPPY)
