"""Calculators of other people: what they raise becomes a reason, whatever it is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT

from aims_pax.atoms import frame_of
from aims_pax.batch import AtomBatch
from aims_pax.errors import ReferenceUnavailable
from aims_pax.frame import FailureReason, LabelFailure
from aims_pax.reference.embedded.teacher import made_calculator
from aims_pax.reference.registry import build_reference
from aims_pax.sampling import CalculatorForces
from aims_pax.settings.methods.reference import AseCalculatorSettings

COPPER = frame_of(bulk("Cu", cubic=True), system="copper")


class UnheardOfError(Exception):
    """An exception class of a package of somebody else."""


class Manner(EMT):  # type: ignore[misc]
    """EMT that ends each calculation in a manner of its own."""

    def __init__(self, manner: str) -> None:
        super().__init__()
        self._manner = manner

    def calculate(self, *args: Any, **kwargs: Any) -> None:
        super().calculate(*args, **kwargs)
        match self._manner:
            case "own":
                raise UnheardOfError("the moon is full")
            case "typo":
                raise AttributeError("'Manner' object has no attribute 'forzes'")
            case "exit":
                raise SystemExit("no licence: good bye")
            case "import":
                raise ModuleNotFoundError("No module named 'xcfun'")
            case "no forces":
                self.results["forces"] = None
            case "no energy":
                self.results["energy"] = self.results["free_energy"] = None
            case "words":
                self.results["forces"] = [["far", "too", "large"]] * 4


class Unlicensed(EMT):  # type: ignore[misc]
    def __init__(self, error: type[BaseException] = RuntimeError) -> None:
        raise error("licence server does not answer")


class EnergyOnly(Calculator):  # type: ignore[misc]
    implemented_properties = ["energy"]  # noqa: RUF012 - as ASE has it


def no_calculator() -> None:
    """A function that forgets to return what it makes."""


def a_class() -> type[EMT]:
    """A function that returns the class and not the calculator."""
    return EMT


MANNERS = [
    ("own", FailureReason.CRASHED, "UnheardOfError: the moon is full"),
    ("typo", FailureReason.CRASHED, "AttributeError: 'Manner' object has no attribute 'forzes'"),
    ("exit", FailureReason.CRASHED, "SystemExit: no licence: good bye"),
    ("import", FailureReason.MISSING_EXECUTABLE, "No module named 'xcfun'"),
    ("no forces", FailureReason.UNPHYSICAL, "forces have the shape () where (4, 3) was expected"),
    ("no energy", FailureReason.CRASHED, "NoneType"),
    ("words", FailureReason.CRASHED, "could not convert string to float"),
]


@pytest.mark.parametrize(("manner", "reason", "words"), MANNERS)
def test_whatever_a_calculator_raises_is_the_reason_of_a_failed_label(
    manner: str, reason: FailureReason, words: str, tmp_path: Path
) -> None:
    settings = AseCalculatorSettings(calculator=f"{__name__}:Manner", arguments={"manner": manner})
    result = build_reference(settings).label(COPPER, folder=tmp_path / "label", want_stress=False)
    assert isinstance(result, LabelFailure)
    assert result.reason is reason
    assert words in result.message
    account = (tmp_path / "label" / "failure.txt").read_text(encoding="utf-8")
    assert ("Traceback" in account) == (manner != "no forces")


@pytest.mark.parametrize(("manner", "words"), [(manner, words) for manner, _, words in MANNERS])
def test_whatever_a_driver_raises_is_why_its_trajectory_stops(manner: str, words: str) -> None:
    forces = CalculatorForces(lambda: Manner(manner))
    energies, _ = forces.energies_forces(AtomBatch.from_frames([COPPER], None))
    assert np.isnan(energies.numpy()).all()
    assert words in (forces.failure_of(0) or "")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Unlicensed", r"Unlicensed\(\) can't be made: RuntimeError: licence server does not answer"),
        ("EnergyOnly", r"EnergyOnly does not compute forces \(implemented_properties\)"),
        ("no_calculator", "no_calculator returns an object NoneType, no ASE calculator"),
        ("a_class", "a_class returns a class, no ASE calculator"),
    ],
)
def test_what_makes_no_calculator_is_told_by_the_key_it_stands_at(name: str, words: str) -> None:
    with pytest.raises(ReferenceUnavailable, match=f"^MY.key: .*{words}"):
        made_calculator(f"{__name__}:{name}", {}, key="MY.key")


@pytest.mark.parametrize("error", [RuntimeError, TypeError, SystemExit, UnheardOfError])
def test_whatever_a_constructor_raises_is_a_problem_of_the_reference(error: type[BaseException]) -> None:
    settings = AseCalculatorSettings(calculator=f"{__name__}:Unlicensed", arguments={"error": error})
    (problem,) = build_reference(settings).problems([29], periodic=True)
    assert f"can't be made: {error.__name__}: licence server does not answer; Mend" in problem
