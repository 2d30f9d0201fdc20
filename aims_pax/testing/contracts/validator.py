"""What every validator owes to those who want to know how good models are."""

import json
from pathlib import Path

import numpy as np
import pytest

from aims_pax.protocols import Predictor, Validator
from aims_pax.testing.contracts.structures import cluster, crystal, rattled
from aims_pax.testing.springs import Knowledge, Nature, Springs


class ValidatorContract:
    """Derive from it, and give :meth:`make`; :meth:`models` where springs of copper can't be tried."""

    def make(self) -> Validator:
        """One that tries models of copper; :class:`aims_pax.testing.references.SpringReference` is the truth of it."""
        raise NotImplementedError("say how a validator is made")

    def models(self, *, visits: float = 1e6) -> Predictor:
        """Models that have learned so much; 1e6: next to everything."""
        return Springs(Nature(numbers=(29,)), [Knowledge(1, visits), Knowledge(2, visits)])

    @pytest.fixture
    def validator(self) -> Validator:
        """A new validator."""
        return self.make()

    def test_what_is_found_is_for_programs_and_for_people(self, validator: Validator) -> None:
        """JSON without infinities, and a text without a line feed at its end."""
        findings = validator.validate(self.models())
        assert json.loads(json.dumps(findings.record(), allow_nan=False)) == findings.record()
        assert findings.record()
        assert findings.text().strip()
        assert not findings.text().endswith("\n")

    def test_numbers_and_figures_are_written_where_it_is_told(self, validator: Validator, tmp_path: Path) -> None:
        """Into a folder that need not exist, complete, and a second time as well."""
        folder = tmp_path / "not there" / "yet"
        findings = validator.validate(self.models())
        findings.write(folder)
        paths = findings.write(folder)
        assert sorted(paths) == sorted(path for path in folder.rglob("*") if path.is_file())
        assert all(path.stat().st_size > 0 for path in paths)
        assert any(path.suffix == ".json" for path in paths)

    def test_the_same_models_are_judged_the_same(self, validator: Validator) -> None:
        """Asked again, and by another validator that was made alike."""
        first = validator.validate(self.models()).record()
        assert validator.validate(self.models()).record() == first
        assert self.make().validate(self.models()).record() == first

    def test_other_models_are_judged_otherwise(self, validator: Validator) -> None:
        """What says the same of all models says nothing."""
        assert validator.validate(self.models()).record() != validator.validate(self.models(visits=0.0)).record()

    def test_models_are_left_as_they_are(self, validator: Validator) -> None:
        """They may be in the middle of learning."""
        models, frames = self.models(visits=3.0), [rattled(cluster(), 1), rattled(crystal(), 2)]
        before, generation = models.predict(frames), models.generation
        validator.validate(models)
        assert models.generation == generation
        for one, other in zip(models.predict(frames), before, strict=True):
            np.testing.assert_array_equal(one.forces, other.forces)
