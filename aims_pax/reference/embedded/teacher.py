"""References that are already a potential: a trained MACE model, or any ASE calculator by its import path."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from functools import cache
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aims_pax.errors import ModelError, Problem, ReferenceUnavailable
from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.reference.ase_adapter import foreign_code, import_callable, observables
from aims_pax.reference.calculation import ENGINE_ERRORS, Calculation, Observables, engine, raised_words
from aims_pax.reference.embedded.model_file import elements_of, published_file
from aims_pax.settings.methods.reference import AseCalculatorSettings, TeacherSettings

if TYPE_CHECKING:
    from ase.calculators.calculator import BaseCalculator

BROKEN_FILE_ERRORS: Final = (AttributeError, EOFError, TypeError, UnpicklingError)
"""What torch raises for a file that is no model, besides the errors of any engine."""


@contextmanager
def precision(dtype: str) -> Iterator[None]:
    """Torch's default precision while mace computes; afterwards as it was, whatever happened.

    mace sets it for the whole process and leaves it so when it raises. In one process with the committee, that would
    change what the committee computes.
    """
    from mace.tools import torch_tools

    change = torch_tools.default_dtype(dtype)
    change.__enter__()
    try:
        yield
    finally:
        change.__exit__(None, None, None)  # as if nothing had been raised: only then mace takes its change back


class TeacherReference:
    """Labels by a trained MACE model, read from its file once per process.

    Parameters
    ----------
    settings : TeacherSettings
    """

    def __init__(self, settings: TeacherSettings) -> None:
        self._settings = settings
        self._calculator: Any = None

    @property
    def name(self) -> str:
        """Engine, version, model and precision."""
        return f"{engine('mace-torch', 'MACE')} {self._model} {self._settings.default_dtype}"

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        """Missing package, file, download or device, and elements that the model has not learnt.

        The model is loaded only where its file alone does not tell.
        """
        if find_spec("mace") is None:
            return ["the Python package mace-torch is not installed; install it with: pip install mace-torch"]
        is_told = (self._settings.charge, self._settings.multiplicity) != (None, None)
        known = None if self._settings.device == "cuda" or is_told else self._elements_in_file()
        if known is None:
            try:
                calculator = self._load()
            except ModelError as error:
                return [problem.found for problem in error.problems]
            known = tuple(calculator.z_table.zs)
            probe = Frame("", 0, 0, 0, np.array(numbers), np.zeros((len(numbers), 3)))
            if (problem := _charge_problem(calculator, _told(probe, self._settings))) is not None:
                return [f"the model {self._model} {problem}"]
        unknown = sorted({int(number) for number in numbers} - set(known))
        if unknown:
            return [f"the model {self._model} has not learnt the elements Z = {', '.join(map(str, unknown))}"]
        return []

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        """One prediction of the model."""
        calculation = Calculation(frame, folder, self.name, self._settings.max_force_ev_per_ang)

        def compute() -> Observables:
            calculator = self._load()
            own = _told(frame, self._settings)
            if (problem := _charge_problem(calculator, own)) is not None:
                raise ValueError(f"the model {self._model} {problem}")
            with precision(self._settings.default_dtype):
                return observables(calculator, own, want_stress=want_stress)

        return calculation.outcome(compute)

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        """The E0 of the model's own training, eV. Its prediction for a single atom would be an extrapolation."""
        calculator = self._load()
        if number not in calculator.z_table.zs:
            return None
        by_head = np.atleast_2d(calculator.models[0].atomic_energies_fn.atomic_energies.detach().cpu().numpy())
        head = calculator.available_heads.index(calculator.head) if len(by_head) > 1 else 0
        return float(by_head[head, calculator.z_table.zs.index(number)])

    def _elements_in_file(self) -> tuple[int, ...] | None:
        """What the model has learnt; None where it must be loaded to know that, or downloaded."""
        settings, file = self._settings, Path(self._settings.model)
        found = file if file.is_file() else published_file(settings.model_type, settings.model)
        return None if found is None else elements_of(found)

    @property
    def _model(self) -> str:
        """The model as labels name it: its file, or its family and size."""
        named, file = self._settings.model, Path(self._settings.model)
        return file.name if file.is_file() else f"{self._settings.model_type} {named}"

    def _load(self) -> Any:
        """The model as mace's calculator, read once.

        Raises
        ------
        ModelError
            The file, the download or the device can't be used.
        """
        if self._calculator is not None:
            return self._calculator
        from mace.calculators import mace_mp, mace_off

        settings = self._settings
        read = mace_off if settings.model_type == "mace-off" else mace_mp  # mace_mp takes any file of MACE
        try:
            with precision(settings.default_dtype), redirect_stdout(StringIO()):
                self._calculator = read(
                    model=settings.model,
                    device="" if settings.device == "auto" else settings.device,
                    default_dtype=settings.default_dtype,
                )
        except (*ENGINE_ERRORS, *BROKEN_FILE_ERRORS) as error:
            reason = error if error.__cause__ is None else f"{error} ({error.__cause__})"
            found = f"the model {settings.model} can't be used: {type(error).__name__}: {reason}"
            raise ModelError(Problem(self._model, found)) from error
        return self._calculator


def _told(frame: Frame, settings: TeacherSettings | AseCalculatorSettings) -> Frame:
    """The frame with the charge and spin of the settings, where it has none of its own."""
    charge = settings.charge if frame.charge is None else frame.charge
    spin = settings.multiplicity if frame.spin is None else frame.spin
    return replace(frame, charge=charge, spin=spin)


def _charge_problem(calculator: Any, frame: Frame) -> str | None:
    """Why a model can't be told a frame's charge and spin; None when it can, or they are 0 and 1."""
    taken = set(getattr(calculator.models[0], "embedding_specs", None) or ())
    taken |= {"total_charge", "total_spin"} if type(calculator.models[0]).__name__ == "PolarMACE" else set()
    if frame.charge not in (None, 0) and "total_charge" not in taken:
        return f"takes no charge, and the structure has {frame.charge:+d}; give a model with total_charge"
    if frame.spin not in (None, 1) and "total_spin" not in taken:
        return f"takes no spin, and the structure has multiplicity {frame.spin}; give a model with total_spin"
    return None


class CalculatorReference:
    """Labels by any ASE calculator, made once per process and made anew after a failure.

    Parameters
    ----------
    settings : AseCalculatorSettings
    """

    def __init__(self, settings: AseCalculatorSettings) -> None:
        self._settings = settings
        self._calculator: BaseCalculator | None = None

    @property
    def name(self) -> str:
        """Package, version, calculator and its arguments."""
        module, _, attribute = self._settings.calculator.partition(":")
        engine_name = _engine_of(module.partition(".")[0])
        arguments = ", ".join(f"{key}={value!r}" for key, value in sorted(self._settings.arguments.items()))
        return f"{engine_name} {attribute}({arguments})"

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        """Import path or arguments that make no calculator, or one without energy and forces.

        Which elements it knows, an ASE calculator does not say; that comes out with the first label.
        """
        if self._calculator is None:
            try:
                self._calculator = made_calculator(self._settings.calculator, self._settings.arguments, key="REFERENCE")
            except ReferenceUnavailable as error:
                return [f"{one.found}; {one.advice or one.allowed}" for one in error.problems]
        return []

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        """One calculation; a calculator that writes files writes them into `folder`."""
        calculation = Calculation(frame, folder, self.name, self._settings.max_force_ev_per_ang)

        def compute() -> Observables:
            calculator = self._calculator
            if calculator is None:
                calculator = made_calculator(self._settings.calculator, self._settings.arguments, key="REFERENCE")
            # A calculator that failed may hold half a result: it is kept only once it has succeeded.
            self._calculator = None
            if hasattr(calculator, "directory"):
                calculator.directory = str(folder)
            stress = want_stress and "stress" in calculator.implemented_properties
            own = _told(frame, self._settings)
            seen = observables(calculator, own, want_stress=stress, must_read=self._must_read)
            self._calculator = calculator
            return seen

        return calculation.outcome(compute)

    @property
    def _must_read(self) -> list[str]:
        """What the settings tell that way, and no other."""
        told = (("charge", self._settings.charge), ("spin", self._settings.multiplicity))
        return [name for name, value in told if value is not None]

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        """None: an arbitrary calculator can't be told the spin of a free atom."""
        return None


def made_calculator(
    path: str, arguments: Mapping[str, Any], *, key: str, wanted: Sequence[str] = ("energy", "forces")
) -> "BaseCalculator":
    """A calculator by its import path, which says of itself that it computes what is wanted.

    Parameters
    ----------
    path : str
        ``package.module:name`` of what returns the calculator.
    arguments : mapping of str to Any
        Of that call.
    key : str
        The section or key of the settings that it comes from, for the message.

    Raises
    ------
    ReferenceUnavailable
        It can't be imported or made, is no calculator, or lacks an observable.
    """
    factory = import_callable(path, key=key)
    try:
        with foreign_code():
            calculator: BaseCalculator = factory(**arguments)
            offered = set(getattr(calculator, "implemented_properties", ()))
    except ENGINE_ERRORS as error:
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        found = f"{path}({given}) can't be made: {raised_words(error)}"
        raise ReferenceUnavailable(Problem(key, found, "", "Mend what it says, or give other arguments.")) from error
    if isinstance(calculator, type) or not (offered or hasattr(calculator, "get_property")):
        kind = "a class" if isinstance(calculator, type) else f"an object {type(calculator).__name__}"
        advice = "Name something that returns an ASE calculator when it is called with the arguments."
        raise ReferenceUnavailable(Problem(key, f"{path} returns {kind}, no ASE calculator", "", advice))
    missing = [observable for observable in wanted if observable not in offered]
    if missing:
        found = f"{path} does not compute {' and '.join(missing)} (implemented_properties)"
        raise ReferenceUnavailable(Problem(key, found, "", "Choose a calculator that does."))
    return calculator


@cache  # the metadata of all installed packages are read for it: a quarter of a second, for every label otherwise
def _engine_of(package: str) -> str:
    """Distribution and version that an importable package belongs to; its bare name when it belongs to none."""
    distribution = packages_distributions().get(package, [None])[0]
    return package if distribution is None else f"{distribution} {version(distribution)}"
