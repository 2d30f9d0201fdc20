"""What stands in a project's files, given as arguments of Python."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aims_pax.errors import Problem
from aims_pax.settings.places import Found, found
from aims_pax.settings.reading.document import Document, KeyPath, dotted
from aims_pax.settings.reading.kinds import GIVEN_ATOMS
from aims_pax.settings.reading.stages import SECTION
from aims_pax.settings.sections import Settings
from aims_pax.settings.systems import read_named_systems, systems_of

if TYPE_CHECKING:
    from ase import Atoms

    from aims_pax.settings.project import Project

CALL: Final = "Project.of"
"""What messages call the whole of the arguments, as they call a file by its name."""

ALLOWED: Final = (
    "aims_pax.initial(...), aims_pax.converge(...), aims_pax.learn(...), aims_pax.select(...), aims_pax.relabel(...), "
    "aims_pax.pretrain(...), aims_pax.explore(...), or an entry as STAGES has it"
)

VALUES: Final = "numbers, texts, paths, True, False, None, and lists and mappings of them, as a file may hold"

NVT: Final[Mapping[str, object]] = {"stat_ensemble": "nvt"}
"""How atoms move where nothing is said."""

NAME_EXP: Final = "mace"
"""What the models are called where nothing is said."""


@dataclass(frozen=True, slots=True)
class StageEntry:
    """One entry of a campaign's list of stages.

    Parameters
    ----------
    kind : str
        What STAGES calls it: ``initial``, ``converge``, ``learn``, ``select``, ``relabel``, ``pretrain``, ``explore``.
    settings : mapping of str to object
        As in STAGES, its name among them.
    """

    kind: str
    settings: Mapping[str, object]


Listed = StageEntry | str | Mapping[str, Mapping[str, object] | None]
"""An entry, or one as STAGES has it."""


def initial(**settings: object) -> StageEntry:
    """The initial dataset, with settings of INITIAL_DATASET_GENERATION."""
    return StageEntry("initial", settings)


def learn(**settings: object) -> StageEntry:
    """Active learning, with settings of ACTIVE_LEARNING."""
    return StageEntry("learn", settings)


def select(**settings: object) -> StageEntry:
    """A selection from a pool of labelled structures, with settings of DATA_FILTERING."""
    return StageEntry("select", settings)


def converge(**settings: object) -> StageEntry:
    """Training to the end, with the settings that `converge` has in STAGES."""
    return StageEntry("converge", settings)


def relabel(reference: Mapping[str, object], **settings: object) -> StageEntry:
    """Labels by another reference, with the settings that `relabel` has in STAGES besides its REFERENCE."""
    return StageEntry("relabel", {"REFERENCE": reference, **settings})


def pretrain(reference: Mapping[str, object], **settings: object) -> StageEntry:
    """Labels of a cheap method that are learned first, with the settings that `pretrain` has in STAGES besides."""
    return StageEntry("pretrain", {"REFERENCE": reference, **settings})


def explore(**settings: object) -> StageEntry:
    """Rounds of MD whose frames are labelled where models are likely to be wrong, as `explore` in STAGES."""
    return StageEntry("explore", settings)


@dataclass(frozen=True, slots=True)
class Arguments(Document):
    """Sections that were given as arguments, in the place of a file.

    Parameters
    ----------
    places : mapping of str to str
        The argument that gave each section.
    otherwise : str
        The argument that gave all others; empty for none.
    """

    places: Mapping[str, str] = field(default_factory=dict)
    otherwise: str = ""

    @classmethod
    def of(
        cls, data: Mapping[Any, object], places: Mapping[str, str], *, call: str = CALL, otherwise: str = ""
    ) -> "Arguments":
        """From values of Python and NumPy, taken for what YAML would have said."""
        strange: dict[KeyPath, object] = {}
        made = cls(Path(call), _plain(data, (), strange), places=places, otherwise=otherwise)
        problems = [
            Problem(made.where(keys), f"{dotted(keys)} is of the type {type(value).__name__}.", VALUES)
            for keys, value in strange.items()
        ]
        return replace(made, problems=tuple(problems))

    @property
    def name(self) -> str:
        """What the whole of it is called."""
        return f"{self.path}, {self.otherwise}" if self.otherwise else str(self.path)

    def where(self, keys: KeyPath) -> str:
        """The argument."""
        argument = self.places.get(str(keys[0]), self.otherwise) if keys else ""
        if keys[:1] == (SECTION,) and len(keys) > 1:
            argument = f"{argument}[{keys[1]}]"
        return f"{self.path}, {argument}" if argument else str(self.path)


def systems_given(atoms: object) -> dict[str, Mapping[str, object]] | None:
    """What an argument says as SYSTEMS does, by name; None where it holds structures alone."""
    if not isinstance(atoms, Mapping) or not any(isinstance(one, Mapping) for one in atoms.values()):
        return None
    return {name: one if isinstance(one, Mapping) else {"geometry": one} for name, one in atoms.items()}


def structures_given(systems: Mapping[str, Mapping[str, object]], read: Settings | None) -> Found:
    """The structures of these systems: atoms as they came, and files as they were read, as far as they exist."""
    files = {} if read is None else {name: plan.settings.geometry for name, plan in read.systems.items()}
    places = {name: _atoms_of(one) or files.get(name) for name, one in systems.items()}
    return found(lambda: read_named_systems(Path.cwd(), {name: one for name, one in places.items() if one is not None}))


def _atoms_of(system: Mapping[str, object]) -> "Atoms | None":
    from ase import Atoms

    geometry = system.get("geometry")
    return geometry if isinstance(geometry, Atoms) else None


def _without_atoms(systems: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """The same as a file could say it."""
    return {
        name: dict(one) if _atoms_of(one) is None else {**one, "geometry": GIVEN_ATOMS} for name, one in systems.items()
    }


def arguments(
    reference: str | Mapping[str, object],
    stages: Sequence[Listed],
    *,
    systems: Mapping[str, Mapping[str, object]] | None = None,
    md: Mapping[Any, object] | None = None,
    cluster: Mapping[str, object] | None = None,
    misc: Mapping[str, object] | None = None,
) -> Arguments:
    """What stands in the place of aims_PAX.yaml, and what in it no file could hold."""
    data: dict[str, object] = {"REFERENCE": {"type": reference} if isinstance(reference, str) else reference}
    if systems is not None:
        data["SYSTEMS"] = _without_atoms(systems)
    places = {"REFERENCE": "reference", "MD": "md", "CLUSTER": "cluster", "MISC": "misc", "SYSTEMS": "atoms"}
    moving: object = {} if md is None else md
    if isinstance(moving, Mapping) and not any(isinstance(key, int) for key in moving):
        moving = {**NVT, **moving}
    data |= {name: given for name, given in (("MD", moving), ("CLUSTER", cluster), ("MISC", misc)) if given is not None}
    listed = stages if isinstance(stages, list | tuple) else [stages]
    data[SECTION], places[SECTION] = [_entry(one) for one in listed], "stages"
    return Arguments.of(data, places)


def _entry(entry: object) -> object:
    """The same as STAGES has it."""
    return {entry.kind: entry.settings} if isinstance(entry, StageEntry) else entry


def mace_arguments(sections: Mapping[str, object] | None) -> Arguments:
    """What stands in the place of mace.yaml."""
    general = (sections or {}).get("GENERAL", {})
    named = {"name_exp": NAME_EXP, **general} if isinstance(general, Mapping) else general
    return Arguments.of({**(sections or {}), "GENERAL": named}, {}, otherwise="mace")


def project_to_label(
    atoms: object,
    reference: str | Mapping[str, object],
    *,
    call: str,
    mace: Mapping[str, Mapping[str, object]] | None = None,
) -> "Project":
    """Structures and what labels them, as a project of no stages; lone atoms may be among them.

    Parameters
    ----------
    atoms, reference, mace
        As for :meth:`~aims_pax.settings.Project.of`.
    call : str
        What messages call the whole of the arguments.

    Raises
    ------
    SettingsError, StructureError
        As from :meth:`~aims_pax.settings.Project.of`.
    """
    from aims_pax.settings.project import Written  # which knows this module

    data = {"REFERENCE": {"type": reference} if isinstance(reference, str) else reference, "MD": NVT}
    settings = Arguments.of(data, {"REFERENCE": "reference"}, call=call)
    written = Written(Path.cwd(), settings, mace_arguments(mace), settings.problems)
    return written.project((), lambda _: found(lambda: systems_of(atoms)))


def _plain(value: object, keys: KeyPath, strange: dict[KeyPath, object]) -> Any:
    """The same as YAML would give it: no paths, no tuples, no numbers of NumPy. What it can't give is noted."""
    match value:
        case Mapping():
            return {key: _plain(item, (*keys, key), strange) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item, (*keys, index), strange) for index, item in enumerate(value)]
        case np.ndarray() | np.generic():
            return _plain(value.tolist(), keys, strange)
        case Path():
            return str(value)
        case None | bool() | int() | float() | str():
            return value
    strange[keys] = value
    return None
