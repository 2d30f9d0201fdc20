"""FHI-aims as v0.2's projects describe it: what it is told stands in several sections."""

from collections.abc import Mapping, Sequence
from os.path import normpath
from typing import Any, Final

from aims_pax.settings.reading.command import bare
from aims_pax.settings.reading.document import KeyPath, dotted
from aims_pax.settings.reading.stages import WrittenStage
from aims_pax.settings.reading.validation import Reading

FHI_AIMS_PLACES: Final[Mapping[str, tuple[KeyPath, ...]]] = {
    "command": (("REFERENCE", "command"), ("CLUSTER", "launch_str")),
    "control": (("REFERENCE", "control"), ("MISC", "path_to_control")),
    "species_dir": (("REFERENCE", "species_dir"),),
}
"""Where v0.2's projects and ours say the same of FHI-aims; a stage may say species_dir, too."""


def fhi_aims_data(reading: Reading, data: Mapping[Any, Any], stages: Sequence[WrittenStage]) -> dict[str, Any]:
    """FHI-aims by REFERENCE, by the keys of v0.2, or by both as long as they agree, as REFERENCE would have it."""
    written = {key: value for key, value in data.items() if key not in FHI_AIMS_PLACES} | {"type": "fhi-aims"}
    for key, places in FHI_AIMS_PLACES.items():
        found = [(place, value) for place in places if (value := reading.document.at(place)) is not None]
        found += [((*one.keys, key), value) for one in stages if key == "species_dir" and (value := one.written(key))]
        if not found:
            continue
        first, written[key] = found[0]
        reading.rename(("REFERENCE", key), first)
        for place, value in found[1:]:
            if _plain(value) != _plain(written[key]):
                message = f"{dotted(place)} and {dotted(first)} say different things of FHI-aims."
                reading.add(place, message, "", "All labels come from one method: keep one of them.")
    if "command" not in written and not data:
        said = "control.in or species_dir ask for FHI-aims, and nothing says how it is started."
        advice = "Add the section REFERENCE with type: fhi-aims and command: aims.x, or v0.2's CLUSTER.launch_str."
        reading.add(("REFERENCE", "command"), said, "", advice)
        written["command"] = "aims.x"  # so that the other mistakes are found, too
    return written


def _plain(value: Any) -> Any:
    """The same for ``light``, ``./light`` and ``light/``, and for a command with and without its redirections."""
    return normpath(bare(value)) if isinstance(value, str) else value
