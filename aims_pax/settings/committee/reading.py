"""mace.yaml, read and validated."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aims_pax.settings.committee.mace import MACE_SECTIONS, MaceSettings
from aims_pax.settings.reading.absent import NOT_YET_MACE
from aims_pax.settings.reading.document import Document, dotted
from aims_pax.settings.reading.validation import Reading
from aims_pax.settings.sections import refuse_unknown_sections


def read_mace(document: Document, folder: Path) -> tuple[MaceSettings | None, Reading]:
    """Settings of mace.yaml; None where the reading has noted problems."""
    reading = Reading(document, folder, NOT_YET_MACE, homes=MACE_SECTIONS)
    refuse_unknown_sections(reading, MACE_SECTIONS)
    data = _with_one_home(reading, document.data)
    sections = {
        MaceSettings.SECTIONS[name]: reading.section(model, data.get(name), (name,))
        for name, model in MACE_SECTIONS.items()
    }
    return (None if reading.problems else MaceSettings.model_validate(sections)), reading


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
