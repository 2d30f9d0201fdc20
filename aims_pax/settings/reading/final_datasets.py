"""Datasets at the end of a run of aims-PAX v0.2, which `extend_existing_final_ds` goes on from."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from aims_pax.settings.reading.document import dotted
from aims_pax.settings.reading.stages import WrittenStage
from aims_pax.settings.reading.validation import Reading
from aims_pax.settings.stages.kinds import LEARN

EXTEND: Final = "extend_existing_final_ds"

FINAL: Final = Path("data", "final")
"""Where v0.2 keeps the datasets of a run that has learned actively, below `output_dir`."""

FILES: Final[Mapping[str, tuple[str, str]]] = {
    "initial_train_dataset": ("training", "train_set_"),
    "initial_valid_dataset": ("validation", "valid_set_"),
}
"""Folder and beginning of the names of each member's files, by the setting that may name them."""

TOLD: Final = (*FILES, "ensemble_size")
"""Settings that the files tell."""

WANTED: Final = " and ".join(f"{FINAL / folder}/{begins}TAG.xyz" for folder, begins in FILES.values())
"""The files, as a person reads of them."""


def with_final_datasets(reading: Reading, written: Sequence[WrittenStage]) -> list[WrittenStage]:
    """The same stages with the files of data/final as an initial dataset, where one asks to extend them.

    Where there are none nothing changes: it may be a run of this program that is extended.
    """
    return [_extending(reading, entry) if _asks(entry) else entry for entry in written]


def _asks(entry: WrittenStage) -> bool:
    return entry.kind == LEARN and entry.written(EXTEND) is True


def _extending(reading: Reading, entry: WrittenStage) -> WrittenStage:
    keys = (*entry.keys, EXTEND)
    if named := [key for key in FILES if entry.written(key) is not None]:
        found = f"{dotted(keys)} is true, and {named[0]} names a dataset to begin with."
        reading.add(keys, found, "", "Keep one of them.")
        return entry
    home = reading.folder / _output_folder(reading.document.data) / FINAL
    train, valid = (_by_tag(home / folder, begins) for folder, begins in FILES.values())
    if train.keys() != valid.keys():
        alone = ", ".join(sorted(train.keys() ^ valid.keys()))
        reading.add(keys, f"{home} has one file of {alone}, and not the other.", f"{WANTED} for each member")
        return entry
    if not train:
        return entry
    told = dict(zip(TOLD, (train, valid, len(train)), strict=True))
    return replace(entry, data={**entry.data, **told})


def _by_tag(folder: Path, begins: str) -> dict[str, str]:
    """The members' files in the order of their names."""
    return {path.stem.removeprefix(begins): str(path) for path in sorted(folder.glob(f"{begins}*.xyz"))}


def _output_folder(data: Mapping[str | int, Any]) -> Path:
    misc = data.get("MISC")
    written = misc.get("output_dir") if isinstance(misc, Mapping) else None
    return Path(written) if isinstance(written, str) else Path()
