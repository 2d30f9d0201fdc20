"""When a method counts as sane for a structure."""

from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from aims_pax.frame import FailureReason, FloatArray, Frame, Label, LabelFailure
from aims_pax.labelling.sanity import RATTLE_ANG, DriverProbe, ProbeResult, Response, SystemProbe, rattled, response

Method = Callable[[FloatArray], tuple[float, FloatArray]]

RNG = np.random.default_rng(3)
START = RNG.normal(size=(8, 3))
MOVED = RATTLE_ANG * RNG.normal(size=(8, 3))


def spring(stiffness_ev_per_ang2: float) -> Method:
    """A well, or a hill, around the start."""

    def evaluate(positions: FloatArray) -> tuple[float, FloatArray]:
        away = positions - START
        return 0.5 * stiffness_ev_per_ang2 * float((away**2).sum()), -stiffness_ev_per_ang2 * away

    return evaluate


def asked(method: Method, *, unit: float = 1.0) -> Response:
    """The response of a method whose forces are given in another unit, or with another sign."""
    (before, forces), (after, pushed) = method(START), method(START + MOVED)
    return Response(MOVED, (before, after), (unit * forces, unit * pushed))


def tblite(method: str) -> Callable[[], object]:
    from tblite.ase import TBLite

    return lambda: TBLite(method=method, verbosity=0)


def response_of(atoms: Atoms, make: Callable[[], object]) -> Response:
    frame = Frame("a", 0, 0, 0, atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
    copy = rattled(frame, 0)
    seen = []
    for one in (frame, copy):
        atoms = Atoms(one.numbers, positions=one.positions, cell=one.cell, pbc=one.pbc, calculator=make())
        seen.append((float(atoms.get_potential_energy()), atoms.get_forces()))
    return Response(copy.positions - frame.positions, (seen[0][0], seen[1][0]), (seen[0][1], seen[1][1]))


def test_well_is_sane() -> None:
    assert list(asked(spring(20.0)).complaints()) == []


def test_flat_or_slightly_unstable_surface_is_sane() -> None:
    for stiffness in (0.0, -1.0):
        assert list(asked(spring(stiffness)).complaints()) == []


def test_hill_is_told_with_the_energy_that_is_lost() -> None:
    response = asked(spring(-40.0))
    (said,) = response.complaints()
    assert f"the energy falls by {-response.change_ev:.2f} eV" in said


def test_fall_along_a_force_that_explains_it_is_sane() -> None:
    """A structure that is not relaxed loses energy along its forces, which is no fault of the method."""
    pull = 40.0 * MOVED

    def slope(positions: FloatArray) -> tuple[float, FloatArray]:
        energy, forces = spring(20.0)(positions)
        return energy - float((pull * (positions - START)).sum()), forces + pull

    response = asked(slope)
    assert response.change_ev < -0.5
    assert list(response.complaints()) == []


@pytest.mark.parametrize("unit", [-1.0, 1 / 51.42, 51.42, 0.0])
def test_forces_of_another_sign_or_unit_contradict_the_energy(unit: float) -> None:
    said = list(asked(spring(20.0), unit=unit).complaints())
    assert any("Energy and forces contradict each other" in sentence for sentence in said)


def test_absurd_and_infinite_numbers_are_told() -> None:
    far = np.full((8, 3), 40.0)
    assert any("The largest force is 69 eV/Å" in said for said in Response(MOVED, (0.0, 0.0), (far, far)).complaints())
    lost = np.full((8, 3), np.nan)
    assert list(Response(MOVED, (0.0, 0.0), (lost, far)).complaints()) == ["Energy or forces are not finite."]


@pytest.mark.parametrize(
    ("atoms", "make"),
    [
        (bulk("Si", cubic=True), tblite("GFN1-xTB")),
        (molecule("CH3CH2OH"), tblite("GFN2-xTB")),
        (molecule("H2O"), tblite("GFN2-xTB")),
        (molecule("H2"), tblite("GFN2-xTB")),
        (bulk("Cu", cubic=True), EMT),
    ],
)
def test_usable_methods_are_sane(atoms: Atoms, make: Callable[[], object]) -> None:
    assert list(response_of(atoms, make).complaints()) == []


def test_failed_labels_are_told_with_what_the_engine_said() -> None:
    frame = Frame("a", 0, 0, 0, np.array([1]), np.zeros((1, 3)))
    failure = LabelFailure(FailureReason.NOT_CONVERGED, "no convergence in 250 cycles.", "/calc/1")
    label = Label(0.0, np.zeros((1, 3)), None, "reference", 2.0)
    probe = SystemProbe("reference", (frame, rattled(frame, 0)), (label, failure))
    assert list(probe.complaints()) == [
        "The rattled copy of it got no label (not converged): no convergence in 250 cycles. "
        "Its files are kept in /calc/1."
    ]
    assert probe.label_s == 2.0


def test_driver_that_is_the_reference_is_not_told_twice() -> None:
    frame = Frame("a", 0, 0, 0, np.array([1]), np.zeros((1, 3)))
    pair = (frame, rattled(frame, 0))
    labels = (Label(0.0, np.zeros((1, 3)), None, "GFN2", 2.0), Label(0.1, np.zeros((1, 3)), None, "GFN2", 2.0))
    system = SystemProbe("GFN2", pair, labels)
    assert system.response is not None
    same = DriverProbe("GFN2-xTB", "KEY", "", {"a": system.response}, 0.1)
    softer = response(pair, (0.0, 0.05), (np.zeros((1, 3)), np.zeros((1, 3))))
    other = DriverProbe("GFN1-xTB", "KEY", "", {"a": softer}, 0.1)
    told = ProbeResult({"a": system}, (same, other)).lines()
    assert [line.partition(":")[0] for line in told] == ["a", "a, by GFN1-xTB"]


def test_copies_are_the_same_each_time_and_another_for_each_system() -> None:
    frame = Frame("a", 0, 0, 0, np.full(3, 1), np.zeros((3, 3)))
    first, again, other = rattled(frame, 0), rattled(frame, 0), rattled(frame, 1)
    np.testing.assert_array_equal(first.positions, again.positions)
    assert not np.array_equal(first.positions, other.positions)
    assert np.sqrt(np.mean(first.positions**2)) == pytest.approx(RATTLE_ANG)
