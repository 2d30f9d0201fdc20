"""How the end of training is told: "converged" only where it was."""

import pytest

from aims_pax.learner.training.annealing import Annealing
from aims_pax.learner.training.stagnation import Stagnation
from aims_pax.stages.convergence import ConvergenceState, stored_convergence
from aims_pax.stages.memory import Memory

LATE = "in the last 10 epochs at the full rate"
FALLING = tuple(0.9**epoch for epoch in range(20))
LEVEL = (1.0,) * 20


def ended(losses: tuple[float, ...], *, waited: int = 0, n_epochs: int = 40) -> Annealing:
    return Annealing(Stagnation(5, 0.0, 1.0, waited), n_epochs, n_epochs // 2, losses)


@pytest.mark.parametrize(
    ("annealing", "words"),
    [
        (ended(LEVEL, waited=5), "converged after 40 epochs"),
        (ended(FALLING), f"stopped at the cap of 40 epochs, still falling by 65 % {LATE}"),
        (ended(LEVEL), f"stopped at the cap of 40 epochs, level {LATE}"),
        (ended(LEVEL[:4], n_epochs=8), "stopped at the cap of 8 epochs"),
        (
            ended((), waited=5),
            "trained for 40 epochs, with no validation structures to see whether that was enough",
        ),
    ],
)
def test_the_end_of_training_is_called_what_it_was(annealing: Annealing, words: str) -> None:
    assert ConvergenceState((2,), 40, (annealing,)).endings() == {2: words}


class Kept(Memory):
    """A memory of one value."""

    def __init__(self, value: object) -> None:
        self.value = value

    def recall_json(self, key: str) -> object | None:
        return self.value


def test_a_convergence_of_an_older_program_is_read_without_its_rule() -> None:
    older = {"members": [0, 1], "stagnations": {"members": []}, "n_epochs": 12}
    assert stored_convergence(Kept(older), "convergence.active") == ConvergenceState((0, 1), 12)
    assert stored_convergence(Kept(None), "convergence.active") is None
