"""Cutoffs that follow from the elements of a structure: energies of unequal basis sets, which one model is to learn."""

from collections.abc import Iterator
from itertools import chain

from aims_pax.checking.asked import Asked
from aims_pax.checking.meshes import made_structures
from aims_pax.errors import Doubt
from aims_pax.frame import Frame
from aims_pax.reference.programs.precision import cutoff_by_elements
from aims_pax.settings.methods.engines import EngineSettings

Elements = tuple[int, ...]


def cutoffs(asked: Asked) -> Iterator[Doubt]:
    """Crystals of different elements, whose cutoff is that of the hardest among them."""
    project = asked.project
    systems = {system.name: system for system in project.systems}
    found: dict[tuple[str, str], dict[Elements, str]] = {}
    for name, frame in chain(((name, system.frame) for name, system in systems.items()), made_structures(asked)):
        reference = project.reference_for(systems[frame.system])
        key = cutoff_by_elements(reference) if isinstance(reference, EngineSettings) and frame.pbc.any() else None
        if key is not None:
            found.setdefault((frame.system, key), {}).setdefault(_elements(frame), name)
    by_elements = {elements: name for named in found.values() for elements, name in named.items()}
    if len(by_elements) < 2:
        return
    system, key = next(iter(found))
    (first, one), (second, other), *_ = sorted(by_elements.items(), key=lambda item: len(item[0]))
    said = f"{_said(first)} ({one}) and {_said(second)} ({other}) are not alike"
    yield Doubt(
        project.where(*project.place_of(systems[system], "REFERENCE", "type")),
        f"{key} is not said: the cutoff is that of the hardest element of each structure, and {said}.",
        "one cutoff for all structures that one model learns",
        f"Write {key} into REFERENCE.parameters, as large as the hardest element of all asks for.",
    )


def _elements(frame: Frame) -> Elements:
    return tuple(sorted({int(number) for number in frame.numbers}))


def _said(elements: Elements) -> str:
    from ase.data import chemical_symbols

    return ", ".join(str(chemical_symbols[number]) for number in elements)
