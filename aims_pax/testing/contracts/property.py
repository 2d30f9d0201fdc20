"""What every property of materials owes to those who compare models by it."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from aims_pax.evaluation.properties import Lack, Measured, Method, Property, Specimen, Unmeasured, measured
from aims_pax.evaluation.properties.effort import Effort, Foretold

if TYPE_CHECKING:
    from ase import Atoms


class Spoilt(EMT):  # type: ignore[misc]
    """Gives no sensible number, in one of the ways in which calculators do not."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self._way = way
        self.results: dict[str, Any]

    def calculate(self, *arguments: Any, **named: Any) -> None:
        """Raise, or give what is no number."""
        super().calculate(*arguments, **named)
        if self._way == "raises":
            raise KeyError("an element that nobody told it of")
        self.results = {name: np.full_like(np.asarray(value), np.nan) for name, value in self.results.items()}


class Counting(EMT):  # type: ignore[misc]
    """Remembers which structures it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.sizes = set[bytes](), list[int]()

    def calculate(self, *arguments: Any, **named: Any) -> None:
        """Note the structure, and compute it."""
        super().calculate(*arguments, **named)
        atoms: Atoms = self.atoms
        self.seen.add(atoms.positions.tobytes() + atoms.cell.array.tobytes())
        self.sizes.append(len(atoms))


class PropertyContract:
    """Derive from it, and give :meth:`make` and :meth:`fit`; :meth:`unfit` where a structure has no such property."""

    def make(self) -> Property:
        """One with settings that are quick."""
        raise NotImplementedError("say how a property is made")

    def fit(self) -> "Atoms":
        """A structure that has it, of an element that EMT knows."""
        return bulk("Cu", cubic=True)

    def unfit(self) -> "Atoms | None":
        """A structure that has none; None: all have."""
        return None

    def specimen(self, calculator: Any = None) -> Specimen:
        """The structure in the hands of a calculator; of EMT by itself."""
        chosen = calculator or EMT()
        return Specimen("fit", self.fit(), Method("it", lambda _: chosen), show=lambda _words: None)

    def test_its_numbers_have_names_with_units(self) -> None:
        """Unique ones, in letters that files and columns can have."""
        outcome = measured(self.make(), self.specimen())
        assert isinstance(outcome, Measured), outcome
        keys = [one.key for one in outcome.quantities]
        assert len(set(keys)) == len(keys) > 0
        for one in outcome.quantities:
            assert one.key == one.key.lower()
            assert one.words
            assert " " not in one.key
            assert not one.unit or "_" in one.key, f"{one.key} does not end with its unit, {one.unit}"

    def test_the_same_structure_has_the_same_numbers(self) -> None:
        """Asked again, and of another specimen."""
        one = self.specimen()
        each = [measured(self.make(), specimen) for specimen in (one, one, self.specimen())]
        values = [[one.value for one in outcome.quantities] for outcome in each if isinstance(outcome, Measured)]
        assert len(values) == 3
        np.testing.assert_allclose(values[1], values[0], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(values[2], values[0], rtol=1e-9, atol=1e-9)

    def test_no_more_is_computed_than_it_foretells(self) -> None:
        """Different structures, as a reference would be asked for them; nothing where it does not foretell any."""
        wanted, counting = self.make(), Counting()
        if not isinstance(wanted, Foretold):
            return
        effort = wanted.effort(self.fit())
        assert effort.usual <= effort.at_most
        outcome = measured(wanted, self.specimen(counting))
        assert isinstance(outcome, Measured)
        shared = Effort(1, 0, len(self.fit()))  # the relaxation of the structure itself
        assert len(counting.seen) <= effort.at_most + shared.at_most
        assert max(counting.sizes) <= max(effort.n_atoms, shared.n_atoms)

    def test_the_structure_stays_as_it_was_given(self) -> None:
        """Other properties are measured on it."""
        one, before = self.specimen(), self.fit()
        measured(self.make(), one)
        assert one.atoms == before
        assert one.atoms.calc is None

    def test_curves_have_axes_with_units(self) -> None:
        """Of each panel, and as many places as values."""
        outcome = measured(self.make(), self.specimen())
        assert isinstance(outcome, Measured)
        for panel in outcome.panels:
            assert panel.x_label
            assert "(" in panel.y_label, "its unit"
            assert all(len(line.x) == len(line.y) for line in panel.lines)

    @pytest.mark.parametrize("way", ["raises", "is no number"])
    def test_a_calculator_that_fails_is_a_reason_and_no_traceback(self, way: str) -> None:
        """In words that name it or what it gave."""
        outcome = measured(self.make(), self.specimen(Spoilt(way)))
        assert isinstance(outcome, Unmeasured)
        assert outcome.lack is Lack.FAILED
        assert "finite" in outcome.reason or "it: " in outcome.reason

    def test_a_structure_that_has_none_is_told_without_computing(self) -> None:
        """Why, in a sentence's words."""
        atoms = self.unfit()
        if atoms is None:
            return
        never = Method("it", lambda _: pytest.fail("something was computed"))
        outcome = measured(self.make(), Specimen("unfit", atoms, never, show=lambda _words: None))
        assert isinstance(outcome, Unmeasured)
        assert outcome.lack is Lack.UNFIT
        assert outcome.reason
