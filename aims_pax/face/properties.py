"""Properties of materials by models and by what they are compared with, as ``aims-pax validate`` does."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from aims_pax.departure import Departure
from aims_pax.errors import Problem, UserError
from aims_pax.evaluation.properties import USUAL, Method, Property
from aims_pax.evaluation.properties.dynamics.structure import StructureInMotion
from aims_pax.outcome.properties.asked import properties_named, structures_given, surfaces_named
from aims_pax.outcome.properties.findings import PropertyFindings
from aims_pax.outcome.properties.methods import (
    by_calculator,
    by_trajectories,
    distinct,
    named_method,
    require_elements,
)
from aims_pax.outcome.properties.reference import REFERENCE, reference_of
from aims_pax.outcome.properties.validate import Inquiry, Validation
from aims_pax.outcome.structure.trajectories import OPTION, is_trajectory
from aims_pax.settings import Project
from aims_pax.settings.project import load_project

if TYPE_CHECKING:
    from ase import Atoms

    Structures: TypeAlias = str | Path | Atoms | Sequence[str | Path | Atoms] | Mapping[str, Atoms]

T = TypeVar("T")

OPTIONS_OF_MOTION: Final = {"temperature_k": "--temperature", "time_ps": "--time", "timestep_fs": "--timestep"}
"""Settings of MD, and what a person calls them."""


def validate(
    structures: "Structures",
    models: Any,
    *,
    against: Any = None,
    properties: Sequence[str | Property] = USUAL,
    project: "str | Path | Project | None" = None,
    device: str = "auto",
) -> PropertyFindings:
    """Properties of materials by models, side by side with those of a reference.

    Parameters
    ----------
    structures : path, Atoms, sequence of them, or mapping of str to Atoms
    models : str, path or ASE calculator, or sequence of them
        Each a model file, a folder of models (their mean speaks), ``GFN1-xTB``, ``mace-mp``, an import path of an ASE
        calculator; or a calculator.
    against : str, path, ASE calculator or None
        The same; or ``reference``: that of `project`, as also where a project alone is given; or, for `structure`
        alone, a file of structures that something else has moved.
    properties : sequence of str or Property
        By their names, or with settings of their own.
    project : Project, its folder, or None
    device : str
        Of models: auto, cpu, cuda.

    Raises
    ------
    UserError
        Something that is named is not there, or the properties make no sense for any of the structures.
    """
    named = [models] if isinstance(models, str | Path) or not isinstance(models, Sequence) else list(models)
    wanted = [properties] if isinstance(properties, str) else list(properties)
    departure = Departure()
    with Request(structures, named, against, wanted, project, device).inquiry(departure) as inquiry:
        return Validation(inquiry, departure).carry_out()


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What a person asks for, in that person's words.

    Parameters
    ----------
    structures, models, against, properties, project, device
        As for :func:`validate`.
    miller : str
        Indices of surfaces, ``100,111``; empty: the usual ones.
    elements : str
        What interstitials and substitutions put there, ``Zn,Ag``; empty: elements of the structure.
    motion : mapping of str to float
        Settings of the MD of `structure` by their names; what is missing is as usual.
    """

    structures: "Structures"
    models: Sequence[Any]
    against: Any
    properties: Sequence[str | Property]
    project: "str | Path | Project | None"
    device: str
    miller: str = ""
    elements: str = ""
    motion: Mapping[str, float] = field(default_factory=dict)

    @contextmanager
    def inquiry(self, departure: Departure, *, show: Callable[[str], None] = lambda _words: None) -> Iterator[Inquiry]:
        """What is to be found out; all that is wrong with it is told before anything is computed.

        Parameters
        ----------
        departure : Departure
            Whether to wait no longer for a project's reference.
        show : callable
            Takes what is being done, in words.

        Raises
        ------
        UserError
            With all problems.
        """
        inquiry, project = self._prepared()
        if project is None:
            yield inquiry
            return
        is_periodic = any(atoms.pbc.all() for atoms in inquiry.structures.values())
        with reference_of(project, is_periodic=is_periodic, departure=departure, show=show) as reference:
            yield replace(inquiry, reference=reference)

    def _prepared(self) -> "tuple[Inquiry, Project | None]":
        """Everything but a project's reference, whose workers take their time; and that project."""
        problems = list(self._contradictions())
        structures = _tried(lambda: structures_given(self.structures), problems) or {}
        surfaces = _tried(lambda: surfaces_named(self.miller), problems) or ()
        put = [word.strip() for word in self.elements.split(",") if word.strip()]
        named = partial(properties_named, self.properties, surfaces=surfaces, elements=put, motion=self.motion)
        properties = _tried(named, problems) or ()
        models = [method for word in self.models if (method := self._model(word, structures, problems)) is not None]
        is_of_project = self.against == REFERENCE or (self.against is None and self.project is not None)
        reference = None
        if self.against is not None and not is_of_project:
            reference = _tried(lambda: self._opponent(structures, properties), problems)
        project = _tried(self._project, problems) if is_of_project and self.project is not None else None
        if problems:
            raise UserError(problems)
        inquiry = Inquiry(structures, properties, distinct(models, [str(word) for word in self.models]), reference)
        if inquiry.is_empty:
            raise UserError(Problem("--properties", f"There is nothing to measure. {'; '.join(inquiry.unfit())}."))
        return inquiry, project

    def _contradictions(self) -> Iterator[Problem]:
        if not self.models:
            yield Problem(
                "--models", "No model was named.", "model files, folders, GFN1-xTB, package.module:Calculator"
            )
        if self.against == REFERENCE and self.project is None:
            found = "is reference, and no project says which that is."
            yield Problem("--against", found, "", "Name the project's folder by --project.")
        if self.project is not None and self.against not in (None, REFERENCE):
            found = f"is given, and models are compared with {self.against}."
            yield Problem("--project", found, "--against reference, or none of both")
        putting = {"interstitial", "substitution", "all"}
        if self.elements and putting.isdisjoint(map(str, self.properties)):
            found = "is given, and neither interstitial nor substitution is among --properties."
            yield Problem("--elements", found, "--properties substitution")
        if self.miller and "surface" not in self.properties and "all" not in self.properties:
            yield Problem("--miller", "is given, and surface is not among --properties.", "--properties surface")

        if self.motion and StructureInMotion.NAME not in map(str, self.properties):
            names = ", ".join(OPTIONS_OF_MOTION[key] for key in self.motion)
            are = "are" if len(self.motion) > 1 else "is"
            yield Problem(names, f"{are} given, and structure is not among --properties.", "--properties structure")

    def _model(self, word: Any, structures: "Mapping[str, Atoms]", problems: list[Problem]) -> Method | None:
        return _tried(lambda: self._method(word, "--models", structures), problems)

    def _opponent(self, structures: "Mapping[str, Atoms]", properties: Sequence[Property]) -> Method | None:
        """What models are compared with, but for a project's reference; None for a file of unknown structures."""
        if isinstance(self.against, str | Path) and is_trajectory(word := str(self.against)):
            return by_trajectories(word, structures, properties) if structures else None
        return self._method(self.against, OPTION, structures)

    def _method(self, word: Any, key: str, structures: "Mapping[str, Atoms]") -> Method:
        if isinstance(word, str | Path):
            method = named_method(str(word), key=key, device=self.device)
        elif hasattr(word, "get_potential_energy"):
            method = by_calculator(word)
        else:
            raise UserError(
                Problem(key, f"is of the type {type(word).__name__}.", "a name, a path or an ASE calculator")
            )
        require_elements(method, structures.values(), key=key)
        return method

    def _project(self) -> Project:
        assert self.project is not None, "it is asked for only where there is one"
        return self.project if isinstance(self.project, Project) else load_project(self.project, stages=())


def _tried(make: Callable[[], T], problems: list[Problem]) -> T | None:
    """What comes of it; None where something is wrong, which is noted."""
    try:
        return make()
    except UserError as error:
        problems += error.problems
        return None
