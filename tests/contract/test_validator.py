"""Every validator, by the suite that ships."""

from pathlib import Path

import pytest

from aims_pax.atoms import telling_atoms
from aims_pax.evaluation.bonds import graphs_of
from aims_pax.evaluation.properties import Method
from aims_pax.evaluation.properties.equation_of_state import EquationOfState
from aims_pax.frame import Label
from aims_pax.outcome.evaluate import ErrorsOn
from aims_pax.outcome.properties.findings import PropertyFindings
from aims_pax.outcome.properties.validate import PropertiesOf
from aims_pax.outcome.stability import Stability
from aims_pax.outcome.trial import Span, TrialRun
from aims_pax.protocols import Validator
from aims_pax.sampling.dynamics import Langevin
from aims_pax.testing.contracts import ValidatorContract
from aims_pax.testing.contracts.structures import cluster, crystal, points
from aims_pax.testing.references import SpringCalculator
from aims_pax.trajectory import TrajectoryStart


class TestErrorsOnLabels(ValidatorContract):
    def make(self) -> Validator:
        labelled = tuple((point.frame, point.label) for point in points(6))
        return ErrorsOn(Path("data.extxyz"), labelled, ("one", "two"))

    def test_errors_are_those_of_the_models(self) -> None:
        def force_mae(visits: float) -> float:
            record = self.make().validate(self.models(visits=visits)).record()
            return float(record["mean"]["force_mae_ev_per_ang"])

        assert force_mae(1e6) < 0.01 < force_mae(0.0)

    def test_labels_with_stress_are_compared_with_stress(self) -> None:
        assert any(isinstance(label, Label) and label.stress is not None for _, label in self.make().labelled)  # type: ignore[attr-defined]
        record = self.make().validate(self.models()).record()
        assert record["mean"]["stress_mae_ev_per_ang3"] is not None


class TestPropertiesOf(ValidatorContract):
    def make(self) -> Validator:
        calculator = SpringCalculator()
        truth = Method("springs", lambda _: calculator)
        return PropertiesOf({"copper": telling_atoms(crystal())}, (EquationOfState(n_volumes=5),), truth)

    def test_models_that_know_everything_have_the_numbers_of_the_reference(self) -> None:
        findings = self.make().validate(self.models())
        assert isinstance(findings, PropertyFindings)
        deviations = [row.deviation_percent("models") for row in findings.rows if not row.is_detail]
        assert deviations == pytest.approx([0.0] * len(deviations), abs=1.0)


class TestStability(ValidatorContract):
    def make(self) -> Validator:
        graphs = graphs_of([cluster(), crystal()])
        runs = [
            TrialRun(
                TrajectoryStart.steady(start, Langevin(0.02), 200.0, 1.0, 3),
                graphs[start.system],
            )
            for start in (cluster(), crystal())
        ]
        return Stability(tuple(runs), Span(0.1, 0.1))
