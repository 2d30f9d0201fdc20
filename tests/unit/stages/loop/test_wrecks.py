"""Labels that nothing can be learned from are told early."""

import logging

import numpy as np
import pytest

from aims_pax.errors import CampaignStopped
from aims_pax.frame import FailureReason, Label, LabelFailure
from aims_pax.stages.loop.wrecks import WINDOW, WreckWatch, require_something_to_learn

WRECK = LabelFailure(FailureReason.UNPHYSICAL, "forces beyond reason")
UNCONVERGED = LabelFailure(FailureReason.NOT_CONVERGED, "50 cycles")


def labelled(n_atoms: int, *, force: float, stress: bool = False) -> Label:
    return Label(-1.0, np.full((n_atoms, 3), force), np.zeros(6) if stress else None, "test", 0.0)


SOUND = labelled(2, force=0.1)


def warnings_for(answers: list[Label | LabelFailure], caplog: pytest.LogCaptureFixture) -> list[str]:
    watch = WreckWatch()
    with caplog.at_level(logging.WARNING, logger="aims_pax.labels"):
        for answer in answers:
            watch.note(answer)
    return [record.getMessage() for record in caplog.records]


def test_most_of_the_newest_labels_being_wrecks_is_told_with_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = warnings_for([SOUND, WRECK] * 3 + [WRECK] * 4, caplog)
    assert line.startswith("7 of the last 10 labels were unphysical")
    assert "MD.timestep" in line


def test_it_is_told_again_only_for_another_such_stretch(caplog: pytest.LogCaptureFixture) -> None:
    assert len(warnings_for([WRECK] * (3 * WINDOW - 1), caplog)) == 2


@pytest.mark.parametrize(
    "answers",
    [[SOUND, WRECK] * 20, [WRECK] * (WINDOW - 1), [UNCONVERGED] * 40],
    ids=["half of them", "too few", "other failures"],
)
def test_healthy_runs_hear_nothing(answers: list[Label | LabelFailure], caplog: pytest.LogCaptureFixture) -> None:
    assert warnings_for(answers, caplog) == []


def test_a_lone_atom_is_told_as_what_it_is() -> None:
    with pytest.raises(CampaignStopped, match="forces of the first 2 labels are zero: a lone atom has none"):
        require_something_to_learn([labelled(1, force=0.0)] * 2)


def test_a_reference_without_forces_is_named() -> None:
    with pytest.raises(CampaignStopped, match=r"are zero: the reference \(test\) computes none"):
        require_something_to_learn([labelled(4, force=0.0)] * 3)


@pytest.mark.parametrize(
    "labels",
    [
        [labelled(4, force=0.0), labelled(4, force=1e-6)],
        [labelled(1, force=0.0, stress=True)],
        [],
    ],
    ids=["one has forces", "stress alone", "no label"],
)
def test_what_can_be_learned_from_is_no_reason_to_stop(labels: list[Label]) -> None:
    require_something_to_learn(labels)
