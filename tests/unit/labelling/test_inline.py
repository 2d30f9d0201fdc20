"""Labels in the campaign's own process, when the campaign is asked to leave."""

from pathlib import Path

import pytest
from ase.build import molecule

from aims_pax.atoms import frame_of
from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.labelling.inline import InlinePool
from aims_pax.labelling.result import read_finished
from aims_pax.protocols import LabelJob
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.reference import AseCalculatorSettings

WATER = frame_of(molecule("H2O"), system="water")


class Interrupted:
    """A reference during whose calculation the campaign is asked to leave; its engine may be ended by that."""

    name = "engine"

    def __init__(self, *, fails: bool) -> None:
        settings = AseCalculatorSettings(calculator="ase.calculators.lj:LennardJones", max_force_ev_per_ang=1000.0)
        self._reference = build_reference(settings)
        self._fails = fails
        self.pool = InlinePool(self, want_stress=False)
        self.n_labels = 0

    def problems(self, numbers: object, *, periodic: bool) -> list[str]:
        return []

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        return None

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        self.n_labels += 1
        self.pool.wake()
        if self._fails:
            raise RuntimeError("the engine was ended by SIGINT")
        return self._reference.label(frame, folder=folder, want_stress=want_stress)


@pytest.mark.parametrize("fails", [False, True])
def test_engine_that_ends_by_ctrl_c_is_no_failed_label(fails: bool, tmp_path: Path) -> None:
    reference = Interrupted(fails=fails)
    jobs = [LabelJob(number, WATER, tmp_path / f"label-{number}") for number in (1, 2)]
    for job in jobs:
        reference.pool.submit(job)
    assert reference.n_labels == 1, "nothing is begun that nobody waits for"
    answers = reference.pool.collect(timeout_s=None)
    assert [done.label_id for done in answers] == ([] if fails else [1])
    assert (read_finished(jobs[0]) is None) == fails
