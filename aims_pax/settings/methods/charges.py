"""Charge and spin: what a reference is told, and whether electrons and structure files agree with it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from aims_pax.errors import Problem
from aims_pax.settings.methods.asi import AsiInput
from aims_pax.settings.methods.engines import (
    ChargedEngineSettings,
    CrystalEngineSettings,
    EngineSettings,
    MoleculeEngineSettings,
)
from aims_pax.settings.methods.fhi_aims import FhiAimsInput
from aims_pax.settings.methods.keywords import (
    CHARGE,
    CHARGE_OTHERWISE,
    MOLECULE_KEYWORDS,
    MOMENT,
    SPIN,
    SPIN_STARTS,
    flat,
)
from aims_pax.settings.methods.reference import (
    AseCalculatorSettings,
    PyscfSettings,
    ReferenceSettings,
    TbliteSettings,
    TeacherSettings,
)
from aims_pax.settings.own import place_of
from aims_pax.settings.reading.control_in import Keyword, keywords
from aims_pax.settings.reading.document import Document, KeyPath, dotted
from aims_pax.settings.systems import System

if TYPE_CHECKING:
    from aims_pax.settings.sections import Settings

F_IN_CORE: Final = range(58, 72)
"""Lanthanides in xTB, whose valence electrons do not follow from the atomic number."""

BOTH_KEYS: Final = "REFERENCE.charge and REFERENCE.multiplicity"
NAMES: Final = ("REFERENCE.charge", "REFERENCE.multiplicity")


@dataclass(frozen=True, slots=True)
class Told:
    """What a reference is told of charge and spin.

    Parameters
    ----------
    charge : float or None
        Elementary charges; None where it can't be seen from here.
    multiplicity : float or None
        2S + 1; None where it can't be seen, or is found by the calculation.
    where : str
        Where a person writes both.
    owned : tuple of str
        Which of both, `charge` and `multiplicity`, stands among the program's own keywords, which win over any key.
    """

    charge: float | None
    multiplicity: float | None
    where: str
    owned: tuple[str, ...] = ()

    def by_program(self, key: str) -> bool:
        """Whether this one of both stands among the program's own keywords."""
        return key in self.owned


def spin_problem(
    numbers: Sequence[int], *, charge: int, multiplicity: int, names: tuple[str, str] = NAMES
) -> str | None:
    """Why this charge and multiplicity can't belong to these atoms; None when they can.

    Parameters
    ----------
    numbers : sequence of int
        Atomic numbers of all atoms.
    names : tuple of str
        What charge and multiplicity are called where the user writes them.
    """
    n_electrons = sum(numbers) - charge
    n_unpaired = multiplicity - 1
    if n_electrons < 1:
        return f"{names[0]} = {charge} leaves {n_electrons} electrons"
    if n_unpaired > n_electrons or (n_electrons - n_unpaired) % 2:
        fitting = "1, 3, 5, ..." if n_electrons % 2 == 0 else "2, 4, 6, ..."
        return (
            f"{n_electrons} electrons can't have {names[1]} = {multiplicity}; "
            f"set it to one of {fitting}, or correct {names[0]} (now {charge})"
        )
    return None


def charge_problems(
    reference: ReferenceSettings, document: Document, systems: Sequence[System], inputs: Mapping[str, Any]
) -> list[Problem]:
    """Electrons that can't have the charge and spin of the reference, and files that speak of others.

    Parameters
    ----------
    inputs : mapping of str to FhiAimsInput or AsiInput
        What an engine with input files is given for each system.
    """
    found = [*_contradictions(reference, document, systems, inputs)]
    # A contradiction says more than the number of electrons, which follows from it.
    return found or list(_electron_problems(reference, document, systems))


def _electron_problems(
    reference: ReferenceSettings, document: Document, systems: Sequence[System]
) -> Iterator[Problem]:
    told = told_by(reference)
    if getattr(reference, "multiplicity", None) is None:
        return  # electrons at a Fermi energy are shared, and their spins are found; a model has none
    if told.charge is None or not float(told.charge).is_integer() or told.multiplicity is None:
        return
    systems_by_problem: dict[tuple[str, KeyPath], list[str]] = {}
    for system in systems:
        own, numbers = system.frame, system.frame.numbers.tolist()
        is_another_ion = own.charge not in (None, told.charge)  # which is told elsewhere
        if isinstance(reference, TbliteSettings) and any(number in F_IN_CORE for number in numbers):
            continue
        places = [place_of(document, system.name, "REFERENCE", key) for key in ("charge", "multiplicity")]
        charge, multiplicity = map(dotted, places)
        problem = spin_problem(
            numbers,
            charge=int(told.charge),
            multiplicity=int(told.multiplicity) if own.spin is None or is_another_ion else own.spin,
            names=(charge, multiplicity),
        )
        if problem is not None:
            unwritten = ("REFERENCE", "type") if places[0][0] == "REFERENCE" else places[0]
            written = next((place for place in places if place in document.lines), unwritten)
            systems_by_problem.setdefault((problem, written), []).append(system.name)
    for (problem, keys), names in systems_by_problem.items():
        words, _, advice = problem.partition("; ")
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        if keys[0] == "REFERENCE" and len(names) < len(systems):
            advice = f"say it of this structure alone: SYSTEMS.{names[0]}.multiplicity, or SYSTEMS.{names[0]}.charge"
        advice = advice or "correct it"
        found = f"{words} (structure{'s' * (len(names) > 1)} {', '.join(names[:5])}{more})."
        yield Problem(document.where(keys), found, "", f"{advice[0].upper()}{advice[1:]}.")


def _contradictions(
    reference: ReferenceSettings, document: Document, systems: Sequence[System], inputs: Mapping[str, Any]
) -> Iterator[Problem]:
    """Structure files that speak of another charge or spin than the reference is told."""
    seen = set()
    for system in systems:
        declared, told = system.declared, told_by(inputs.get(system.name, reference))
        if declared.conflict:
            found = f"The {_subject(system)} says {declared.conflict}, which can't both be."
            yield Problem(system.origin, found, "one charge and one spin", "Correct or remove one of them.")
            continue
        wrong_charge = None not in (declared.charge, told.charge) and abs(declared.charge - told.charge) > 1e-6  # type: ignore[operator]
        wrong_spin = bool(declared.multiplicities) and told.multiplicity not in (None, *declared.multiplicities)
        file = system.origin
        if system.name not in file:
            file += f" ({system.name})"  # one of several in a file
        if not (wrong_charge or wrong_spin) or (file, declared, told) in seen:
            continue
        seen.add((file, declared, told))
        facts = [
            f"charge {told.charge:g}" if told.charge is not None else "",
            f"multiplicity {told.multiplicity:g}" if told.multiplicity is not None else "",
        ]
        subject = _subject(system)
        found = f"The {subject} says {declared.words}, and the reference computes {' and '.join(filter(None, facts))}."
        where = _named(told.where, document, system)
        advice = f"Write what is meant at {where}; or correct or remove it in the {subject}."
        yield Problem(file, found, "the same charge and spin in both", advice)


def _subject(system: System) -> str:
    return "structure" if system.file is None else "file"


def _named(where: str, document: Document, system: System) -> str:
    """The same with each setting of REFERENCE where it is written for this system, or would be."""

    def named(found: re.Match[str]) -> str:
        return dotted(place_of(document, system.name, "REFERENCE", found[1]))

    return re.sub(r"REFERENCE\.(\w+)", named, where)


def told_by(reference: Any) -> Told:
    """What a reference, with its input files, is told of charge and spin."""
    match reference:
        case TbliteSettings() | PyscfSettings():
            return Told(reference.charge, reference.multiplicity, BOTH_KEYS)
        case MoleculeEngineSettings():
            said = dict(flat(reference.parameters))
            own = {key: said[name] for key, name in MOLECULE_KEYWORDS if name in said}
            charge, multiplicity = (
                _number(own.get(key, getattr(reference, key))) for key in ("charge", "multiplicity")
            )
            return Told(charge, multiplicity, "REFERENCE.parameters" if own else BOTH_KEYS, tuple(own))
        case FhiAimsInput():
            return _by_control(keywords(reference.control_text))
        case AsiInput(aims=FhiAimsInput() as aims):
            return _by_control(keywords(aims.control_text))
        case AsiInput(hsd_text=str(text)):
            found = re.search(r"^\s*Charge\s*=\s*([-+\d.]+)", text, re.MULTILINE | re.IGNORECASE)
            polarised = re.search("SpinPolari[sz]ation", text, re.IGNORECASE)
            return Told(float(found[1]) if found else 0.0, None if polarised else 1, "Charge in dftb_in.hsd")
        case EngineSettings():
            by_element = isinstance(reference, CrystalEngineSettings) and reference.magnetic_moments
            told = _by_arguments(reference.parameters, "REFERENCE.parameters")
            told = replace(told, multiplicity=None) if by_element else told
            return _by_keys(told, reference) if isinstance(reference, ChargedEngineSettings) else told
        case AseCalculatorSettings():
            return _by_keys(_by_arguments(reference.arguments, "REFERENCE.arguments"), reference)
        case TeacherSettings():
            return _by_keys(Told(0.0, 1, "the model's own data"), reference)
    return Told(0.0, 1, "a REFERENCE that has a charge (this one has none)")


def _by_keys(told: Told, reference: Any) -> Told:
    """The same with what the section's own keys say, which come first."""
    charge, multiplicity = reference.charge, getattr(reference, "multiplicity", None)
    keys = BOTH_KEYS if "multiplicity" in type(reference).model_fields else "REFERENCE.charge"
    where = keys if (charge, multiplicity) != (None, None) else f"{keys}, or {told.where}"
    return Told(
        charge=told.charge if charge is None else charge,
        multiplicity=told.multiplicity if multiplicity is None else multiplicity,
        where=where,
        owned=told.owned,
    )


def _by_control(lines: Sequence[Keyword]) -> Told:
    """control.in of FHI-aims: a later line wins over an earlier one."""
    values = {line.name: line.values[0] for line in lines if line.values}
    multiplicity: float | None = 1.0
    if values.get("spin", "none").lower() != "none":
        fixed = _number(values.get("fixed_spin_moment"))
        multiplicity = None if fixed is None else abs(fixed) + 1
        multiplicity = _number(values.get("multiplicity")) or multiplicity
    return Told(_number(values.get("charge", "0")), multiplicity, "charge, spin and fixed_spin_moment of control.in")


def _by_arguments(arguments: Mapping[str, Any], where: str) -> Told:
    said = dict(flat(arguments))
    charge: float | None = next((_number(said[name]) for name in CHARGE if name in said), 0.0)
    if any(name in said for name in CHARGE_OTHERWISE):
        charge = None
    has_charge = any(name in (*CHARGE, *CHARGE_OTHERWISE) for name in said)
    has_spin = any(name in SPIN or name.startswith(SPIN_STARTS) for name in said)
    owned = ("charge",) * has_charge + ("multiplicity",) * any(name in MOMENT for name in said)
    return Told(charge, None if has_spin else 1, where, owned)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def with_what_is_told(
    systems: tuple[System, ...], settings: "Settings", inputs: Mapping[str, FhiAimsInput | AsiInput]
) -> tuple[System, ...]:
    """The systems, of which those that are charged or have unpaired electrons carry what their reference is told."""
    found = []
    for system in systems:
        plan = settings.systems.get(system.name)
        told = told_by(inputs.get(system.name, settings.reference if plan is None else plan.reference))
        is_whole = told.charge is not None and float(told.charge).is_integer()
        if is_whole and (told.charge, told.multiplicity) != (0, 1):
            charge = int(told.charge or 0)
            spin = None if told.multiplicity is None else int(told.multiplicity)
            numbers = system.frame.numbers.tolist()
            if spin is not None and spin_problem(numbers, charge=charge, multiplicity=spin) is not None:
                spin = None  # an odd number of electrons, of which nobody asked for a spin
            system = replace(system, frame=replace(system.frame, charge=charge, spin=spin))
        found.append(system)
    return tuple(found)
