"""REFERENCE of type asi: FHI-aims or DFTB+ as a library that stays loaded from one structure to the next."""

import hashlib
import shlex
from collections.abc import Hashable, Iterator, Mapping
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from aims_pax.errors import Problem, SettingsError
from aims_pax.frame import Frame
from aims_pax.settings.methods.fhi_aims import (
    Asked,
    FhiAimsInput,
    FhiAimsSettings,
    SpeciesFolder,
    input_files,
    read_inputs,
)
from aims_pax.settings.methods.limits import LabelLimits
from aims_pax.settings.reading.command import Command
from aims_pax.settings.reading.kinds import ExistingFile, Kind, PathOrIndexed, misfit
from aims_pax.settings.section import Contradiction

HSD: Final = "dftb_in.hsd"
"""Input of DFTB+."""

GEOMETRY: Final = "geo.gen"
"""Structure of a label, to be included by the input of DFTB+: what the library is told later has no elements."""


def _variables(values: dict[str, str]) -> dict[str, str]:
    for name in values:
        if not name or "=" in name or "\0" in name:
            raise misfit(f"has the key {name!r}, which is not the name of an environment variable")
    return values


Variables = Annotated[
    dict[str, str], AfterValidator(_variables), Kind("mapping of environment variables to values in quotes")
]


class AsiSettings(LabelLimits):
    """FHI-aims or DFTB+ as a library with the Atomic Simulation Interface; needs the extra aims-pax[asi]."""

    OWN_PROCESS: ClassVar[bool] = True
    FREE_ATOMS: ClassVar[bool] = False

    type: Literal["asi"] = Field("asi", description="An engine as a library, by ASI.")
    library: ExistingFile = Field(description="The engine's shared library, for example libaims.so.")
    engine: Literal["fhi-aims", "dftb+"] = Field("fhi-aims", description="What the library is.")
    launch: Command | None = Field(
        None,
        description="How the ranks of a label are started, for example mpiexec -n {ranks}. One process when not given.",
    )
    environment: Variables = Field(
        default_factory=dict,
        description="Environment variables of the engine's process, for example LD_LIBRARY_PATH; besides the worker's.",
    )
    control: PathOrIndexed | None = Field(
        None,
        description="Input file, or one for each starting structure. control.in or dftb_in.hsd of the project when not "
        "given.",
    )
    species_dir: SpeciesFolder | None = Field(
        None,
        description="Folder of FHI-aims' species defaults, for elements that control.in has no species block of. "
        "The environment variable AIMS_SPECIES_DIR when not given.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        if self.engine == "dftb+" and self.species_dir is not None:
            yield Contradiction("species_dir", "species_dir is for FHI-aims, and engine is dftb+.", "Remove it.")

    @property
    def launcher(self) -> tuple[str, ...]:
        """Words of `launch`."""
        return () if self.launch is None else tuple(shlex.split(self.launch))

    @property
    def own_environment(self) -> Mapping[str, str]:
        """`environment`."""
        return self.environment

    def session(self, frame: Frame, *, want_stress: bool) -> Hashable:
        """Atoms in their order, directions of periodicity, and whether stress is asked for: the library is told these
        at its start, and takes other atoms of the same number without complaint."""
        return frame.numbers.tobytes(), frame.pbc.tobytes(), want_stress and bool(frame.pbc.all())


class AsiInput(AsiSettings):
    """The same for one structure, with the content of all files: it is frozen when a run begins.

    One of the two inputs is given, that of the engine.
    """

    aims: FhiAimsInput | None = Field(None, description="Input of FHI-aims.")
    hsd_text: str | None = Field(None, description="dftb_in.hsd, verbatim.")

    @property
    def digest(self) -> str:
        """A few letters that change with any character of the input but the positions."""
        return hashlib.sha256((self.hsd_text or "").encode()).hexdigest()[:8] if self.aims is None else self.aims.digest


def read_asi_inputs(settings: AsiSettings, asked: Asked) -> tuple[dict[str, AsiInput], list[Problem]]:
    """What the library is given for each structure, by its name; and everything wrong with it."""
    if settings.engine == "dftb+":
        return _hsd_inputs(settings, asked)
    shared = {key: getattr(settings, key) for key in ("control", "species_dir", "max_force_ev_per_ang")}
    like_a_program = FhiAimsSettings(command="asi", **shared)  # no command of it is ever run
    inputs, problems = read_inputs(like_a_program, asked)
    return {name: _with_input(settings, aims=aims) for name, aims in inputs.items()}, problems


def _hsd_inputs(settings: AsiSettings, asked: Asked) -> tuple[dict[str, AsiInput], list[Problem]]:
    try:
        files = input_files(settings.control, asked.folder / HSD, asked)
    except SettingsError as error:
        return {}, list(error.problems)
    inputs: dict[str, AsiInput] = {}
    problems: list[Problem] = []
    for file, system in zip(files, asked.systems, strict=False):
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            advice = f"Put {HSD} of DFTB+ into the project, or name it by REFERENCE.control."
            problems.append(Problem(str(file), f"This input of DFTB+ can't be read ({error}).", "", advice))
            continue
        if GEOMETRY not in text:
            found = f"This input of DFTB+ does not include {GEOMETRY}, which holds the structure of a label."
            advice = f'Write: Geometry = GenFormat {{ <<< "{GEOMETRY}" }}'
            problems.append(Problem(str(file), found, "", advice))
        inputs[system.name] = _with_input(settings, hsd_text=text)
    return inputs, list(dict.fromkeys(problems))


def _with_input(settings: AsiSettings, *, aims: FhiAimsInput | None = None, hsd_text: str | None = None) -> AsiInput:
    written = {name: getattr(settings, name) for name in AsiSettings.model_fields}
    return AsiInput.model_validate(written | {"aims": aims, "hsd_text": hsd_text})
