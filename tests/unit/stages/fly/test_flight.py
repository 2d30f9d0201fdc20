"""A trajectory that models drive: who is asked when, what follows, and that nothing paid for is lost."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import molecule

from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.errors import CampaignStopped
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure, LabelledFrame
from aims_pax.protocols import FramePrediction, LabelJob
from aims_pax.settings.reading.arguments import project_to_label
from aims_pax.settings.reading.fly import fly_argument
from aims_pax.stages.fly.comparison import Check
from aims_pax.stages.fly.flight import STAGE, Felt, Flight
from aims_pax.testing.pools import ScriptedPool, failing, labelled

ENERGIES = {1: -0.5, 8: -10.0}
MACE = {"ARCHITECTURE": {"atomic_energies": ENERGIES}}


class Learned:
    """A committee that is wrong by a tenth for each label less than it needs."""

    def __init__(self, n_labels: int, generation: int) -> None:
        self.n_labels, self.generation = n_labels, generation

    def save(self, path: Path) -> None:
        path.write_text(f"{self.n_labels} {self.generation}", encoding="utf-8")


class Models:
    """What a flight asks of its models; the reference says -1 eV and no forces."""

    are_given = False

    def __init__(self, *, needs: int, members: int = 1, spread: Callable[[int], float] = lambda _n: 0.0) -> None:
        self.committee: Learned | None = None
        self._needs, self._members, self._spread, self.n_asked = needs, members, spread, 0
        self.learned: list[int] = []
        self.energies: Mapping[int, float] = {}

    def begin(self) -> None:
        """None were given."""

    def learn(self, labelled: Sequence[LabelledFrame], *, atomic_energies_ev: Mapping[int, float]) -> Learned:
        self.learned.append(len(labelled))
        self.energies = atomic_energies_ev
        self.committee = Learned(len(labelled), 1 if self.committee is None else self.committee.generation + 1)
        return self.committee

    def resume(self, checkpoint: Path, labelled: Sequence[LabelledFrame]) -> None:
        n_labels, generation = checkpoint.read_text(encoding="utf-8").split()
        self.committee = Learned(int(n_labels), int(generation))

    def predict(self, frame: Frame) -> FramePrediction:
        assert self.committee is not None
        self.n_asked += 1
        error = 0.1 * max(0, self._needs - self.committee.n_labels)
        forces = np.full((self._members, frame.n_atoms, 3), error)
        forces[0] += self._spread(self.n_asked)
        return FramePrediction(np.full(self._members, -1.0), forces, None)


class Made:
    """A flight in a folder, and what was asked of it."""

    def __init__(self, folder: Path, models: Models, *, pool: ScriptedPool | None = None, **settings: Any) -> None:
        reached = settings.pop("reached", None)
        wishes = fly_argument({"tolerances": {"frmse": 0.05}, "num_initial_steps": 2, "check_interval": 3, **settings})
        self.pool, self.models, self._atoms = pool or ScriptedPool(), models, molecule("H2O")
        project = project_to_label(self._atoms, "tblite", call="fly", mace=MACE)
        self.store = RunStore.open(folder)
        self.flight = Flight(
            project,
            wishes,
            store=self.store,
            folder=RunFolder(folder, folder / "calculations"),
            pool=self.pool,
            models=models,  # type: ignore[arg-type]
            reached=reached,
        )

    def fly(self, n_steps: int) -> list[Felt]:
        return [self.flight.advance(frame(self.flight.n_steps)) for _ in range(n_steps)]

    @property
    def asked(self) -> list[int]:
        """Steps that the reference was asked for."""
        return [job.frame.md_step for job in self.pool.jobs]


def frame(number: int) -> Frame:
    atoms = molecule("H2O")
    return Frame("water", 0, 0, 0, atoms.numbers, atoms.positions + 1e-3 * number)


def test_the_reference_begins_and_then_is_asked_at_checks(tmp_path: Path) -> None:
    made = Made(tmp_path, Models(needs=4))
    felt = made.fly(15)
    assert made.asked == [0, 1, 2, 5, 8, 11, 14]
    assert [one.is_reference for one in felt[:4]] == [True, True, True, False]
    assert [check.passed for check in made.flight.checks] == [False, True, True, True]
    assert made.models.learned == [3, 4]
    assert made.models.energies == ENERGIES
    assert np.abs(felt[4].forces).max() == pytest.approx(0.1)
    assert np.abs(felt[5].forces).max() == 0, "it drives by what it has learned from the check"


def test_what_was_predicted_is_kept_beside_the_label(tmp_path: Path) -> None:
    made = Made(tmp_path, Models(needs=4, members=2))
    made.fly(6)
    points = list(made.store.predicted())
    assert [(point.frame.md_step, point.source) for point in points] == [(5, "check")]
    assert np.abs(points[0].prediction.forces).max() == pytest.approx(0.1)
    assert [point.split for point in made.store.labelled()] == ["training"] * 4


def test_models_that_may_not_learn_are_measured(tmp_path: Path) -> None:
    made = Made(tmp_path, Models(needs=99), can_update=False)
    made.fly(9)
    assert made.models.learned == [3], "the first, without which nothing would drive"
    assert [check.learned for check in made.flight.checks] == [False, False]


def test_models_that_learn_at_each_check(tmp_path: Path) -> None:
    made = Made(tmp_path, Models(needs=0), refit={"at_each_check": True})
    made.fly(9)
    assert made.models.learned == [3, 4, 5]


def test_intervals_grow(tmp_path: Path) -> None:
    adaptive = {"n_min": 2, "n_max": 7, "factor": 2.0}
    made = Made(tmp_path, Models(needs=0), adaptive_method_parameters=adaptive)
    made.fly(30)
    assert [check.step for check in made.flight.checks] == [5, 11, 18, 25]


def test_a_deviation_calls_a_check_before_its_time(tmp_path: Path) -> None:
    models = Models(needs=0, members=2, spread=lambda n_asked: 0.4 if n_asked == 2 else 0.0)
    made = Made(tmp_path, models, ensemble_size=2, early_check=0.15, check_interval=5)
    made.fly(12)
    assert [(check.step, check.is_early) for check in made.flight.checks] == [(4, True), (9, False)]


@pytest.mark.parametrize("n_steps", range(1, 13))
def test_a_session_that_was_killed_is_gone_on_with(tmp_path: Path, n_steps: int) -> None:
    """Whatever it had come to, no label is asked for twice, and the models are those that it had."""
    first = Made(tmp_path, Models(needs=5))
    first.fly(n_steps)
    known, generation = first.store.counts().n_received, first.models.committee
    first.store.close()
    again = Made(tmp_path, Models(needs=5))
    assert again.store.counts().n_received == known
    if generation is not None:
        assert again.models.committee is not None
        assert again.models.committee.generation == generation.generation
    again.fly(12)
    numbers = [point.frame.md_step for point in again.store.labelled()]
    assert len(numbers) == len(set(numbers))
    assert again.models.learned[-1:] == [5] or n_steps > 8


def test_a_label_under_way_is_learned_and_training_that_was_due_is_made_up_for(tmp_path: Path) -> None:
    def answer(job: LabelJob) -> Label | LabelFailure:
        if job.frame.md_step == 5:
            raise KeyboardInterrupt("killed")
        return labelled(job)

    first = Made(tmp_path, Models(needs=9), pool=ScriptedPool(answer))
    with pytest.raises(KeyboardInterrupt, match="killed"):
        first.fly(6)
    first.store.close()
    again = Made(tmp_path, Models(needs=9))
    assert again.store.counts().n_received == 4
    again.fly(2)
    assert again.models.learned == [5], "with the check that was made anew at its step"


def test_a_session_goes_on_from_the_step_that_it_is_told(tmp_path: Path) -> None:
    first = Made(tmp_path, Models(needs=0))
    first.fly(10)  # checks at 5 and 8
    first.flight.keep()
    first.store.close()
    again = Made(tmp_path, Models(needs=0), reached=7)
    again.fly(8)
    assert [check.step - 11 for check in again.flight.checks[2:]] == [3, 6]


def test_failures_are_survived_up_to_a_number(tmp_path: Path) -> None:
    def answer(job: LabelJob) -> Label | LabelFailure:
        is_check = job.frame.md_step > 2
        return failing(FailureReason.NOT_CONVERGED)(job) if is_check else Label(-1.0, np.zeros((3, 3)), None, "x", 1.0)

    made = Made(tmp_path, Models(needs=0), pool=ScriptedPool(answer))
    made.fly(9)  # checks at 5 and 8 fail
    with pytest.raises(CampaignStopped, match="failed for 3 checks in a row"):
        made.fly(3)
    assert made.flight.checks == ()


def test_an_initial_step_must_have_a_label(tmp_path: Path) -> None:
    made = Made(tmp_path, Models(needs=0), pool=ScriptedPool(failing(FailureReason.NOT_CONVERGED)))
    with pytest.raises(CampaignStopped, match="no label for an initial step"):
        made.fly(1)


def test_the_state_is_kept_as_it_is(tmp_path: Path) -> None:
    made = Made(tmp_path, Models(needs=4))
    made.fly(9)
    made.flight.keep()
    stored = made.store.load_state(STAGE)
    assert stored is not None
    assert b'"step": 9' in stored
    assert isinstance(made.flight.checks[0], Check)
