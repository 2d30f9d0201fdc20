"""A committee that learns the forces on whole molecules, too."""

from dataclasses import replace
from pathlib import Path

import pytest

from aims_pax.committee import Committee
from aims_pax.frame import LabelledFrame

from .toys import equal, molecules, settings, weights

ETHANOL = {"C2H6O": ((0, 3, 4, 5), (1, 6, 7))}
"""Two parts of it, in the place of molecules."""


def points(n: int = 3) -> list[LabelledFrame]:
    return [replace(one, frame=replace(one.frame, system="C2H6O")) for one in molecules(n)]


def trained(*, loss: str = "intermol", weight: float = 0.0, is_late: bool = False) -> Committee:
    """By one epoch; its molecules are weighed before its last points come, or after."""
    committee = Committee.build(settings(loss=loss), points()[:2], seeds=(1, 2))
    if is_late:
        committee.add(points())
    if weight:
        committee.weigh_molecules(ETHANOL, weight=weight)
    committee.add(points())
    committee.train(1)
    return committee


def test_nothing_changes_until_molecules_are_weighed() -> None:
    assert equal(weights(trained()), weights(trained(loss="weighted")))
    assert not equal(weights(trained(weight=100.0)), weights(trained()))


def test_other_losses_read_no_molecules() -> None:
    assert equal(weights(trained(loss="weighted", weight=100.0)), weights(trained(loss="weighted")))


def test_points_have_their_molecules_whenever_they_come() -> None:
    assert equal(weights(trained(weight=100.0, is_late=True)), weights(trained(weight=100.0)))


def test_the_loss_says_what_molecules_weigh() -> None:
    committee = Committee.build(settings(loss="intermol"), points(), seeds=(1,))
    (before,) = committee.errors()
    committee.weigh_molecules(ETHANOL, weight=100.0)
    (after,) = committee.errors()
    assert before is not None
    assert after is not None
    assert after.loss > before.loss
    assert after.force_mae_ev_per_ang == before.force_mae_ev_per_ang


def test_a_committee_that_goes_on_weighs_them_still(tmp_path: Path) -> None:
    committee = trained(weight=100.0)
    committee.save(tmp_path / "committee.pt")
    again = Committee.load(tmp_path / "committee.pt")
    again.add(points())
    assert again.weighed == committee.weighed
    committee.train(1)
    again.train(1)
    assert equal(weights(again), weights(committee))
    other = committee.relabelled(points())
    assert other.weighed == committee.weighed


@pytest.mark.parametrize("system", ["C2H6O", "another"])
def test_structures_of_other_systems_have_none(system: str) -> None:
    named = [replace(one, frame=replace(one.frame, system=system)) for one in molecules(4)]
    committee = Committee.build(settings(loss="intermol"), named, seeds=(1,))
    (before,) = committee.errors()
    committee.weigh_molecules(ETHANOL, weight=100.0)
    (after,) = committee.errors()
    assert before is not None
    assert after is not None
    assert (after.loss > before.loss) == (system == "C2H6O")
