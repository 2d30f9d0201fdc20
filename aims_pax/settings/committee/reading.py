"""mace.yaml, read and validated."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aims_pax.errors import Problem
from aims_pax.settings.committee.deepmd import read_deepmd_input
from aims_pax.settings.committee.families import NAMES
from aims_pax.settings.committee.mace import MACE_SECTIONS, ArchitectureSettings, MaceSettings
from aims_pax.settings.reading.absent import NOT_YET_MACE
from aims_pax.settings.reading.document import Document, dotted
from aims_pax.settings.reading.validation import Reading
from aims_pax.settings.section import Section
from aims_pax.settings.sections import Settings, refuse_unknown_sections
from aims_pax.settings.systems import System


def read_mace(document: Document, folder: Path) -> tuple[MaceSettings | None, Reading]:
    """Settings of mace.yaml; None where the reading has noted problems."""
    reading = Reading(document, folder, NOT_YET_MACE, homes=MACE_SECTIONS)
    refuse_unknown_sections(reading, MACE_SECTIONS)
    data = _with_one_home(reading, document.data)
    sections = {
        MaceSettings.SECTIONS[name]: reading.section(model, data.get(name), (name,))
        for name, model in MACE_SECTIONS.items()
    }
    _refuse_what_others_have_not(reading, sections["architecture"], data)
    return (None if reading.problems else MaceSettings.model_validate(sections)), reading


def _refuse_what_others_have_not(reading: Reading, architecture: Section | None, data: Mapping[str | int, Any]) -> None:
    """Settings of optimizers, precision and devices, where models are not of MACE."""
    if not isinstance(architecture, ArchitectureSettings) or architecture.is_mace:
        return
    name_of_family = NAMES[architecture.model_choice]
    refused = {"GENERAL": {"default_dtype": ("float64",)}, "MISC": OF_MACE, "TRAINING": dict[str, tuple[Any, ...]]()}
    for name, keys in refused.items():
        written = data.get(name)
        for key, value in written.items() if isinstance(written, Mapping) else ():
            if (name == "TRAINING" or key in keys) and value not in keys.get(key, ()):
                found = f"{name}.{key} is given, and models are of {name_of_family}, which has no such setting."
                reading.add((name, key), found, "", f"Remove {key}, or set model_choice: mace.")


OF_MACE: Final[dict[str, tuple[Any, ...]]] = {
    "device": ("auto", "cpu"),
    "compile": (False,),
    "enable_cueq": (False,),
    "enable_cueq_train": (False,),
}
"""Of MISC, and what each may be nevertheless."""


def family_problems(settings: Settings, document: Document, mace: MaceSettings) -> Iterator[Problem]:
    """What stages ask of models that are not of MACE."""
    architecture = mace.architecture
    if architecture.is_mace:
        return
    name = NAMES[architecture.model_choice]
    for plan in settings.stages:
        subset = getattr(plan.settings, "train_subset_size", None)
        if subset is not None:
            keys = (*plan.keys, "train_subset_size")
            found = f"{dotted(keys)} is {subset}, and models are of {name}, which learns all points."
            yield Problem(document.where(keys), found, "", "Remove it, or set model_choice: mace.")
        refit = getattr(plan.settings, "refit", None)
        if getattr(refit, "function_name", None) is not None:
            keys = (*plan.keys, "refit", "function_name")
            found = f"{dotted(keys)} is given, and models are of {name}: its models are read as those of MACE."
            yield Problem(document.where(keys), found, "", "Remove it, or set model_choice: mace.")


def deepmd_problems(mace: MaceSettings, document: Document, systems: Sequence[System]) -> Iterator[Problem]:
    """What input.json lacks for the structures and for what is to be learned of them."""
    from ase.data import chemical_symbols

    if mace.architecture.deepmd_input is None:
        return
    asked, keys = read_deepmd_input(mace.architecture.deepmd_input), ("ARCHITECTURE", "deepmd_input")
    present = {int(number) for system in systems for number in system.frame.numbers}
    if missing := [chemical_symbols[number] for number in sorted(present - set(asked.numbers))]:
        known, more = ", ".join(asked.type_map), " and ".join(missing)
        found = f"{dotted(keys)} has the model.type_map {known}, and the structures hold {more}, too."
        advice = f"Add {more} to model.type_map, and to sel where that has a number for each type."
        yield Problem(document.where(keys), found, "", advice)
    if mace.general.compute_stress and not asked.learns_virials:
        found = f"GENERAL.compute_stress is true, and the loss of {dotted(keys)} has no virials."
        advice = "Give start_pref_v and limit_pref_v in its loss, or set compute_stress: false."
        yield Problem(document.where(keys), found, "prefactors above 0", advice)


OTHER_HOMES: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    ("MISC", "compute_stress"): ("GENERAL", "compute_stress"),
    ("GENERAL", "model_choice"): ("ARCHITECTURE", "model_choice"),
    ("ARCHITECTURE", "model"): ("ARCHITECTURE", "model_choice"),
}
"""Other places in v0.2's model.yaml, and the one that the setting has here."""


def _with_one_home(reading: Reading, data: Mapping[str | int, Any]) -> Mapping[str | int, Any]:
    """The same with each setting in its own place; two places may say the same."""
    for other, (section, key) in OTHER_HOMES.items():
        there, home = data.get(other[0]), data.get(section) or {}
        if not (isinstance(there, Mapping) and isinstance(home, Mapping) and other[1] in there):
            continue
        value = there[other[1]]
        data = {**data, other[0]: {name: item for name, item in there.items() if name != other[1]}}
        home = data.get(section) or {}
        if key not in home:
            reading.rename((section, key), other)
            data = {**data, section: {**home, key: value}}
        elif str(home[key]).lower() != str(value).lower():
            kept = dotted(reading.written((section, key)))
            reading.add(other, f"{dotted(other)} and {kept} contradict each other.", "", f"Keep {kept}.")
    return data
