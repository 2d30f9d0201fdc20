"""The methods of a set, each told by a short name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from aims_pax.calculations.method import Aspect, Method
from aims_pax.calculations.numerals import number as number_in


def settings_text(method: Method) -> str:
    """All that energies depend on besides k points, in one line: ``VASP; functional PBE; basis 500 eV``."""
    told = [f"{aspect} {method.aspects[aspect]}" for aspect in Aspect if aspect in method.aspects]
    return "; ".join([method.program, *told])


def method_id(method: Method) -> str:
    """A name of these settings, the same in every set: ``vasp-3f2a9c1e``; versions and k points do not count."""
    program = "".join(letter for letter in method.program.lower() if letter.isalnum())
    return f"{program}-{sha256(settings_text(method).encode()).hexdigest()[:8]}"


def reference_text(method: Method) -> str:
    """How a label was made, for a person: program, version, functional, basis."""
    aspects = [method.aspects.get(aspect, "") for aspect in (Aspect.FUNCTIONAL, Aspect.DISPERSION, Aspect.BASIS)]
    words = [f"{method.program} {method.version}".strip(), *(one for one in aspects if one and one != "none")]
    return f"{', '.join(words)} ({method_id(method)})"


@dataclass(slots=True)
class Methods:
    """All methods that were met, by their numbers."""

    known: list[Method] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    _numbers: dict[tuple[object, ...], int] = field(default_factory=dict)
    _last: tuple[Method, int] | None = None

    def number_of(self, method: Method) -> int:
        """The number of a method, a new one where it was not met."""
        if self._last is not None and self._last[0] is method:
            return self._last[1]
        rounded = frozenset(method.decimals.items())
        key = (
            method.program,
            method.version,
            frozenset(method.aspects.items()),
            method.mesh,
            method.k_spacing,
            rounded,
        )
        number = self._numbers.setdefault(key, len(self.known))
        if number == len(self.known):
            self.known.append(method)
            self.ids.append(method_id(method))
            self.references.append(reference_text(method))
        self._last = method, number
        return number

    def settle(self) -> None:
        """Let settings that an output rounds be those that another one tells in full.

        Where others tell several that would be rounded to the same, or none, they stay as they are.
        """
        for number, method in enumerate(self.known):
            told = {aspect: self._in_full(method, aspect) for aspect in method.decimals}
            found = {aspect: texts.pop() for aspect, texts in told.items() if len(texts) == 1}
            if found:
                settled = replace(method, aspects=MappingProxyType({**method.aspects, **found}))
                self.known[number], self.ids[number] = settled, method_id(settled)
                self.references[number] = reference_text(settled)

    def _in_full(self, method: Method, aspect: Aspect) -> set[str]:
        """What others of the program tell of an aspect that this one may have rounded."""
        others = [one for one in self.known if one.program == method.program and aspect not in one.decimals]
        texts = {one.aspects[aspect] for one in others if aspect in one.aspects}
        rounded, n_places = method.aspects.get(aspect, ""), method.decimals[aspect]
        return {text for text in texts if _is_rounded(text, rounded, n_places)}

    def facts(self, counts: Mapping[int, int]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """What is written of each name, and how many structures it has; `counts` are by number."""
        by_id: dict[str, list[int]] = {}
        for number in counts:
            by_id.setdefault(self.ids[number], []).append(number)
        for name, numbers in by_id.items():
            method = self.known[numbers[0]]
            meshes = sorted({known.mesh for one in numbers if (known := self.known[one]).mesh is not None})
            facts = {
                "program": method.program,
                "versions": sorted({self.known[one].version for one in numbers if self.known[one].version}),
                "settings": {str(aspect): said for aspect, said in method.aspects.items()},
                "meshes": [list(mesh) for mesh in meshes],
                "structures": sum(counts[one] for one in numbers),
            }
            yield name, MappingProxyType(facts)


def _is_rounded(text: str, rounded: str, n_places: int) -> bool:
    """Whether one text is the other with its numbers rounded to so many decimals, either way where two are as near."""
    words, others = text.split(), rounded.split()
    return len(words) == len(others) and all(
        one == other or _is_near(number_in(one), number_in(other), 0.5001 * 10**-n_places)
        for one, other in zip(words, others, strict=True)
    )


def _is_near(value: float | None, other: float | None, limit: float) -> bool:
    return value is not None and other is not None and abs(value - other) <= limit
