"""`augment` from a file, a line of text, or an argument of Python."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aims_pax.errors import SettingsError
from aims_pax.settings.augmentation.augment import PUBLISHED, AugmentSettings
from aims_pax.settings.reading.arguments import Arguments
from aims_pax.settings.reading.document import Document, read_document, read_text
from aims_pax.settings.reading.validation import Reading, suggestion

SECTION: Final = "augment"


def augment_file(path: Path) -> AugmentSettings:
    """`augment` of a YAML file, which holds nothing else.

    Raises
    ------
    SettingsError
        With everything that is wrong.
    """
    return _validated(read_document(path))


def augment_text(text: str, *, name: str) -> AugmentSettings:
    """The mapping as a line of YAML: ``{distort: 20}``; `name` is what messages call it.

    Raises
    ------
    SettingsError
        With everything that is wrong.
    """
    return _validated(read_text(f"{SECTION}: {text}", Path(name)))


def augment_argument(augment: Mapping[str, object] | None) -> AugmentSettings:
    """The mapping as Python has it; None: what the TrainsPot paper makes.

    Raises
    ------
    SettingsError
        With everything that is wrong.
    """
    written = PUBLISHED if augment is None else augment
    return _validated(Arguments.of({SECTION: written}, {SECTION: SECTION}, call="collect"))


def _validated(document: Document) -> AugmentSettings:
    reading = Reading(document, Path.cwd())
    for key in document.data:
        if key != SECTION:
            found = f"{key} does not belong here."
            advice = suggestion(str(key), [SECTION]) or f"Indent what belongs to {SECTION} below it."
            reading.add((key,), found, SECTION, advice)
    if SECTION not in document.data:
        reading.add((), f"There is no {SECTION}.", f"{SECTION}: {{distort: 20, ...}}")
    written = document.data.get(SECTION)
    settings = reading.section(AugmentSettings, PUBLISHED if written is True else written, (SECTION,))
    if settings is None or document.problems or reading.problems:
        raise SettingsError([*document.problems, *reading.problems])
    return settings
