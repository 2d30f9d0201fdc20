import numpy as np

from aims_pax.evaluation.relaxation import Relaxation


def relaxation(*largest: float) -> Relaxation:
    n = len(largest)
    return Relaxation("cell", 2, -np.arange(n, dtype=float), np.zeros(n), np.array(largest), np.full(n, np.nan))


def test_step_from_which_forces_stay_below_a_limit_is_counted_from_one() -> None:
    one = relaxation(1.0, 0.04, 0.2, 0.03, 0.02)
    assert one.below_from(0.1) == 4, "it was above once more in step 3"
    assert one.below_from(2.0) == 1
    assert one.below_from(0.01) is None
    assert relaxation(1.0, np.nan).below_from(2.0) is None, "nobody knows the last one"


def test_energy_changes_are_by_atom_and_the_first_has_none() -> None:
    change = relaxation(1.0, 1.0, 1.0).energy_difference_ev_per_atom
    assert np.isnan(change[0])
    assert change[1:].tolist() == [-0.5, -0.5]
