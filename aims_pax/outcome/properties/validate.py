"""Properties of some structures by some models, and by what they are compared with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aims_pax.departure import Departed, Departure
from aims_pax.evaluation.properties import (
    Judged,
    Measured,
    Method,
    Property,
    Specimen,
    Together,
    Unmeasurable,
    measured,
)
from aims_pax.evaluation.properties.comparison import Entry
from aims_pax.evaluation.properties.property import Quantity
from aims_pax.outcome.properties.findings import PropertyFindings
from aims_pax.outcome.properties.methods import GAMMA_ONLY, by_models

if TYPE_CHECKING:
    from ase import Atoms

    from aims_pax.protocols import Predictor


@dataclass(frozen=True, slots=True, eq=False)
class Inquiry:
    """What is to be found out.

    Parameters
    ----------
    structures : mapping of str to Atoms
    properties : tuple of Property
    models : tuple of Method
        Of distinct names.
    reference : Method or None
        What they are compared with; it gets a name that is none of theirs.
    """

    structures: "Mapping[str, Atoms]"
    properties: tuple[Property, ...]
    models: tuple[Method, ...]
    reference: Method | None = None

    def __post_init__(self) -> None:
        if self.reference is not None and self.reference.name in {model.name for model in self.models}:
            object.__setattr__(self, "reference", replace(self.reference, name=f"{self.reference.name} (reference)"))

    @property
    def methods(self) -> tuple[Method, ...]:
        """The reference first: what it can't compute is known before the models are asked."""
        return (*(() if self.reference is None else (self.reference,)), *self.models)

    def unfit(self) -> list[str]:
        """Pairs of a property and a structure that will have no numbers, each in a sentence."""
        return [
            f"{wanted.TITLE} of {name}: not for this structure: {reason}"
            for wanted in self.properties
            for name, atoms in self.structures.items()
            if (reason := wanted.unfit(atoms)) is not None
        ]

    @property
    def is_empty(self) -> bool:
        """Whether no property is one of any structure."""
        return len(self.unfit()) == len(self.properties) * len(self.structures)


@dataclass(frozen=True, slots=True, eq=False)
class PropertiesOf:
    """The validator of committees by properties of materials: their mean is measured.

    Parameters
    ----------
    structures : mapping of str to Atoms
    properties : tuple of Property
    reference : Method or None
    name : str
        What the models are called.
    """

    structures: "Mapping[str, Atoms]"
    properties: tuple[Property, ...]
    reference: Method | None = None
    name: str = "models"

    def validate(self, models: "Predictor") -> PropertyFindings:
        """All properties of all structures."""
        inquiry = Inquiry(self.structures, self.properties, (by_models(self.name, models),), self.reference)
        return Validation(inquiry).carry_out()


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """Finds it out, one number after the other.

    Parameters
    ----------
    inquiry : Inquiry
    departure : Departure
        Whether to leave before the end; what was found until then is kept.
    show : callable
        Takes what is being done, in words.
    """

    inquiry: Inquiry
    departure: Departure = field(default_factory=Departure)
    show: Callable[[str], None] = lambda _words: None

    def carry_out(self) -> PropertyFindings:
        """All of it, or as much as there was when it was asked to leave."""
        inquiry, entries = self.inquiry, list[Entry]()
        specimens = {
            (name, method.name): Specimen(name, atoms, method, show=self._unheard)
            for name, atoms in inquiry.structures.items()
            for method in inquiry.methods
        }
        try:
            for wanted in inquiry.properties:
                for name in inquiry.structures:
                    relaxed: Measured | None = None
                    for method in inquiry.methods:
                        entries.append(self._entry(wanted, specimens[name, method.name], specimens, relaxed))
                        outcome = entries[-1].outcome
                        if method is inquiry.reference and isinstance(outcome, Measured):
                            relaxed = outcome
        except Departed:
            if self.departure.reason is None:
                raise
        names = tuple(method.name for method in inquiry.models)
        reference = None if inquiry.reference is None else inquiry.reference.name
        return PropertyFindings(
            names,
            reference,
            tuple(together(entries, inquiry.properties)),
            titles={wanted.NAME: wanted.TITLE for wanted in inquiry.properties},
            remarks=tuple(remark for method in inquiry.methods for remark in self._remarks(method)),
            is_complete=self.departure.reason is None,
        )

    def _entry(
        self,
        wanted: Property,
        specimen: Specimen,
        specimens: Mapping[tuple[str, str], Specimen],
        by_reference: Measured | None,
    ) -> Entry:
        specimen.show = self._showing(f"{specimen.name}, {wanted.TITLE} by {specimen.method.name}")
        specimen.show("")
        outcome = measured(wanted, specimen)
        return Entry(
            wanted.NAME,
            specimen.name,
            dict(specimen.atoms.symbols.formula.count()),
            specimen.method.name,
            outcome,
            self._judged(wanted, specimen, outcome, specimens),
            self._at(wanted, by_reference, specimen),
        )

    def _judged(
        self,
        wanted: Property,
        specimen: Specimen,
        outcome: object,
        specimens: Mapping[tuple[str, str], Specimen],
    ) -> tuple[Quantity, ...]:
        """What the reference says of geometries of a model; nothing where it can't compute them."""
        reference = self.inquiry.reference
        is_model = reference is not None and specimen.method.name != reference.name
        if reference is None or not is_model or not isinstance(wanted, Judged) or not isinstance(outcome, Measured):
            return ()
        judge = specimens[specimen.name, reference.name]
        judge.show = self._showing(f"{specimen.name}, {wanted.TITLE} by {reference.name} at {specimen.method.name}'s")
        return self._at(wanted, outcome, judge)

    def _at(self, wanted: Property, relaxed: Measured | None, judge: Specimen) -> tuple[Quantity, ...]:
        """What a method says of geometries that another one has relaxed; nothing where it can't compute them."""
        if relaxed is None or not isinstance(wanted, Judged):
            return ()
        try:
            return wanted.judged(relaxed.geometries, judge)
        except Unmeasurable:
            return ()

    def _showing(self, where: str) -> Callable[[str], None]:
        def show(words: str) -> None:
            if self.departure.reason is not None:
                self.departure.leave()
            self.show(f"{where}: {words}" if words else where)

        return show

    def _unheard(self, _words: str) -> None:
        """A specimen before its first property."""

    def _remarks(self, method: Method) -> tuple[str, ...]:
        is_periodic = any(atoms.pbc.any() for atoms in self.inquiry.structures.values())
        return tuple(remark for remark in method.remarks if is_periodic or GAMMA_ONLY not in remark)


def together(entries: Sequence[Entry], properties: Sequence[Property]) -> list[Entry]:
    """The same, with numbers of all methods made together where a property has them so."""
    found = list(entries)
    for wanted in properties:
        if not isinstance(wanted, Together):
            continue
        places: dict[str, dict[int, Measured]] = {}
        for place, one in enumerate(found):
            if one.property_name == wanted.NAME and isinstance(one.outcome, Measured):
                places.setdefault(one.structure, {})[place] = one.outcome
        for those in (some for some in places.values() if len(some) > 1):
            for place, outcome in zip(those, wanted.together(list(those.values())), strict=True):
                found[place] = replace(found[place], outcome=outcome)
    return found
