"""The settings of :func:`aims_pax.fly` as arguments of Python."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aims_pax.errors import SettingsError
from aims_pax.settings.reading.arguments import Arguments
from aims_pax.settings.reading.validation import Reading
from aims_pax.settings.stages.fly import FlySettings

SECTION: Final = "fly"
"""What messages call these settings."""


def fly_argument(written: Mapping[str, object]) -> FlySettings:
    """The settings as arguments of Python, validated.

    Raises
    ------
    SettingsError
        With everything that is wrong.
    """
    document = Arguments.of({SECTION: written}, {}, call=SECTION)
    reading = Reading(document, Path.cwd())
    settings = reading.section(FlySettings, document.data[SECTION], (SECTION,))
    if settings is None or document.problems or reading.problems:
        raise SettingsError([*document.problems, *reading.problems])
    return settings
