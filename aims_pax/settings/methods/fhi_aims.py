"""REFERENCE of type fhi-aims, and what it means for each structure."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from aims_pax.errors import Problem, SettingsError
from aims_pax.settings.methods.limits import LabelLimits
from aims_pax.settings.reading.command import Command
from aims_pax.settings.reading.control_in import (
    ControlIn,
    control_problems,
    missing_species,
    read_control,
    species_block,
    structure_problems,
)
from aims_pax.settings.reading.kinds import Kind, PathOrIndexed, Schema, existing, misfit, resolved
from aims_pax.settings.systems import System

SPECIES_VARIABLE: Final = "AIMS_SPECIES_DIR"
"""Environment variable that names the folder of species defaults where the settings don't; ASE reads the same."""


def _existing_folder(path: Path) -> Path:
    if not existing(path).is_dir():
        raise misfit(f"names {path}, which is not a folder")
    return path


SpeciesFolder = Annotated[
    Path,
    BeforeValidator(resolved),
    AfterValidator(_existing_folder),
    Kind("path of a folder with files such as 01_H_default"),
    Schema({"type": "string", "minLength": 1}),
]


class FhiAimsSettings(LabelLimits):
    """All-electron DFT by FHI-aims, which has a licence of its own, from the user's control.in."""

    type: Literal["fhi-aims"] = Field("fhi-aims", description="FHI-aims; the short form is aims.")
    command: Command = Field(
        description="How FHI-aims is started, for example mpiexec -n 4 aims.x. v0.2's CLUSTER.launch_str says the same."
    )
    control: PathOrIndexed | None = Field(
        None,
        description="control.in, or one for each starting structure. control.in of the project when not given. "
        "v0.2's MISC.path_to_control says the same.",
    )
    species_dir: SpeciesFolder | None = Field(
        None,
        description="Folder of FHI-aims' species defaults, for elements that control.in has no species block of. "
        f"The environment variable {SPECIES_VARIABLE} when not given. v0.2's species_dir of the stages says the same.",
    )


class FhiAimsInput(FhiAimsSettings):
    """The same for one structure, with the content of all files: it is frozen when a run begins."""

    control_text: str = Field(description="control.in, verbatim.")
    species_text: str = Field("", description="Species blocks that control.in lacks.")
    xc: str = Field(description="Functional.")
    basis: str = Field(description="Where the species come from.")
    initial_moments: tuple[float, ...] | None = Field(
        None, description="Initial spin moment of each atom, Bohr magnetons."
    )
    initial_charges: tuple[float, ...] | None = Field(None, description="Initial charge of each atom, e.")

    @property
    def digest(self) -> str:
        """A few letters that change with any character of the input but the positions."""
        said = (self.control_text, self.species_text, repr(self.initial_moments), repr(self.initial_charges))
        return hashlib.sha256("\0".join(said).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Asked:
    """What input files are read for.

    Parameters
    ----------
    folder : Path
        The project.
    systems : tuple of System
        Which one reference labels: all starting structures, or some of them.
    n_systems : int
        All starting structures.
    want_stress : bool
        Whether labels of periodic structures need stress.
    """

    folder: Path
    systems: tuple[System, ...]
    n_systems: int
    want_stress: bool


def read_inputs(settings: FhiAimsSettings, asked: Asked) -> tuple[dict[str, FhiAimsInput], list[Problem]]:
    """What FHI-aims is given for each structure, by its name; and everything wrong with it."""
    folder, systems = asked.folder, asked.systems
    try:
        files = input_files(settings.control, folder / "control.in", asked)
    except SettingsError as error:
        return {}, list(error.problems)
    controls: dict[Path, ControlIn] = {}
    problems: list[Problem] = []
    for file in dict.fromkeys(files):
        try:
            controls[file] = read_control(file, str(file.relative_to(folder) if file.is_relative_to(folder) else file))
            problems += control_problems(controls[file], want_stress=asked.want_stress)
        except SettingsError as error:
            problems += error.problems
    inputs: dict[str, FhiAimsInput] = {}
    for file, system in zip(files, systems, strict=False):  # no systems when there is something wrong with them
        if file not in controls:
            continue
        problems += structure_problems(controls[file], system)
        try:
            inputs[system.name] = _input(settings, controls[file], system)
        except SettingsError as error:
            problems += error.problems
    return inputs, list(dict.fromkeys(problems))


def input_files(named: Path | Mapping[int, Path] | None, default: Path, asked: Asked) -> list[Path]:
    """The input file of each structure, by its number among all; where no structure is known, each file once.

    Raises
    ------
    SettingsError
        The mapping does not name one for each structure.
    """
    if not isinstance(named, Mapping):
        return [default if named is None else named] * max(1, len(asked.systems))
    n_systems = asked.n_systems
    if n_systems and set(named) != set(range(n_systems)):
        found = f"It has the indices {', '.join(map(str, sorted(named)))}."
        allowed = f"one file for each of the {n_systems} starting structures: 0 to {n_systems - 1}"
        where = "REFERENCE.control or MISC.path_to_control"
        raise SettingsError(Problem(where, found, allowed, "Name each of them, or one file for all."))
    numbers = [system.frame.trajectory for system in asked.systems]
    return [named[index] for index in numbers or sorted(named)]


def _input(settings: FhiAimsSettings, control: ControlIn, system: System) -> FhiAimsInput:
    """What FHI-aims is given for one structure.

    Raises
    ------
    SettingsError
        An element has no species.
    """
    from ase.data import atomic_numbers, chemical_symbols

    symbols = [chemical_symbols[number] for number in system.frame.numbers]
    lacking = missing_species(control, symbols)
    blocks, basis = [], "its own species"
    if lacking:
        species_dir = _species_dir(settings, control, lacking)
        blocks = [species_block(symbol, atomic_numbers[symbol], species_dir) for symbol in lacking]
        basis = "/".join(species_dir.resolve().parts[-2:])
    return FhiAimsInput.model_validate(
        {name: getattr(settings, name) for name in type(settings).model_fields}
        | {
            "control_text": control.text,
            "species_text": "\n".join(blocks),
            "xc": control.xc,
            "basis": basis,
            "initial_moments": system.moments,
            "initial_charges": system.charges,
        }
    )


def _species_dir(settings: FhiAimsSettings, control: ControlIn, lacking: tuple[str, ...]) -> Path:
    """The folder of species defaults.

    Raises
    ------
    SettingsError
        None is named, or the environment names what is no folder.
    """
    named = os.environ.get(SPECIES_VARIABLE)
    if settings.species_dir is not None:
        return settings.species_dir
    if not named:
        found = f"There is no species block for {', '.join(lacking)}, and no folder of species defaults."
        advice = f"Set REFERENCE.species_dir or {SPECIES_VARIABLE}, or copy the species' defaults into control.in."
        raise SettingsError(Problem(control.name, found, "", advice))
    if not Path(named).is_dir():
        found = f"{SPECIES_VARIABLE} names {named}, which is not a folder."
        raise SettingsError(Problem("environment", found, "", "Correct it, or set REFERENCE.species_dir."))
    return Path(named)
