"""Structures with a charge or spin of their own, before a reference that is told others, or can't be told any."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.protocols import Reference
from aims_pax.reference.calculation import Calculation, Observables
from aims_pax.reference.electrons import spin_problem
from aims_pax.settings.methods.charges import F_IN_CORE, Told, told_by
from aims_pax.settings.methods.reference import (
    AseCalculatorSettings,
    ReferenceSettings,
    TbliteSettings,
    TeacherSettings,
)

READ_FROM_ATOMS: Final = (TeacherSettings, AseCalculatorSettings)
"""Settings whose references hand a frame's own charge and spin to their calculator."""


class Charged:
    """A reference that computes each frame with the frame's own charge and spin, where it has such.

    Parameters
    ----------
    settings : ReferenceSettings
        What is told where a frame has none.
    build : callable
        Makes the engine of such settings.
    """

    def __init__(self, settings: Any, build: Callable[[Any], Reference]) -> None:
        self._settings, self._build = settings, build
        self._engine = build(settings)
        self._others: dict[tuple[int | None, int | None], Reference] = {}

    @property
    def name(self) -> str:
        """That of the engine as it is told; a label of another charge or spin bears these."""
        return self._engine.name

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        """Those of the engine."""
        return self._engine.problems(numbers, periodic=periodic)

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        """The label with the frame's own charge and spin; a failure where these can't be told."""
        if frame.charge is None and frame.spin is None:
            return self._engine.label(frame, folder=folder, want_stress=want_stress)
        try:
            engine = self._engine_of(frame)
        except ValueError as error:
            cause = error

            def refuse() -> Observables:
                raise cause

            return Calculation(frame, folder, self.name, self._settings.max_force_ev_per_ang).outcome(refuse)
        return engine.label(frame, folder=folder, want_stress=want_stress)

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        """That of the engine: free atoms are neutral."""
        return self._engine.isolated_atom_energy(number, folder=folder)

    def _engine_of(self, frame: Frame) -> Reference:
        settings, own = settings_of(self._settings, frame), (frame.charge, frame.spin)
        if settings is self._settings:
            return self._engine
        if own not in self._others:
            self._others[own] = self._build(settings)
        return self._others[own]


def settings_of(settings: Any, frame: Frame) -> Any:
    """The same settings, or a copy that is told the frame's own charge and spin.

    Raises
    ------
    ValueError
        They can't be told, or the atoms can't have them.
    """
    told, keys = told_by(settings), type(settings).model_fields
    changes: dict[str, int] = {}
    if frame.charge is not None and told.charge not in (None, frame.charge):
        changes["charge"] = frame.charge
    if frame.spin is not None and frame.spin != told.multiplicity:
        # What finds its spin by itself, and has no key to hold it, is left to do so.
        changes |= {"multiplicity": frame.spin} if told.multiplicity is not None or "multiplicity" in keys else {}
    if not changes:
        return settings
    reads_atoms = isinstance(settings, READ_FROM_ATOMS)
    if reads_atoms and (isinstance(settings, TeacherSettings) or _is_given(settings)):
        return settings
    if reads_atoms or any(key not in keys or told.by_program(key) for key in changes):
        raise ValueError(_refusal(frame, told))
    changed = settings.model_copy(update=changes)
    told = told_by(changed)
    if told.charge is not None and told.multiplicity is not None:
        problem = spin_problem(
            frame.numbers.tolist(),
            charge=int(told.charge),
            multiplicity=int(told.multiplicity),
            names=("charge", "multiplicity"),
        )
        if problem is not None and "multiplicity" in keys and settings.multiplicity is not None:
            raise ValueError(problem)
    return changed


def with_fitting_spin(frame: Frame, settings: Any) -> Frame:
    """The same frame, with the fewest unpaired electrons that it can have where it has no spin of its own, and not as
    many electrons as the multiplicity of the settings asks for: one atom is missing, say."""
    told = told_by(settings)
    charge = told.charge if frame.charge is None else frame.charge
    if frame.spin is not None or told.multiplicity is None or charge is None or not float(charge).is_integer():
        return frame
    numbers, names = frame.numbers.tolist(), ("charge", "multiplicity")
    if isinstance(settings, TbliteSettings) and any(number in F_IN_CORE for number in numbers):
        return frame
    if spin_problem(numbers, charge=int(charge), multiplicity=int(told.multiplicity), names=names) is None:
        return frame
    return replace(frame, spin=1 + (sum(numbers) - int(charge)) % 2)


def as_computed(frame: Frame, settings: ReferenceSettings) -> Frame:
    """A structure that was made, with the spin that it is computed in where its reference can be told one by structure.

    Others are computed as the reference is told.
    """
    if isinstance(settings, READ_FROM_ATOMS):
        takes_spin = settings.multiplicity is not None
    else:
        takes_spin = "multiplicity" in type(settings).model_fields
    return with_fitting_spin(frame, settings) if takes_spin else replace(frame, charge=None, spin=None)


def _is_given(settings: AseCalculatorSettings) -> bool:
    """Whether the user has said that the calculator reads charge or spin from its atoms."""
    return settings.charge is not None or settings.multiplicity is not None


def _refusal(frame: Frame, told: Told) -> str:
    own = [f"charge {frame.charge:+d}"] if frame.charge is not None else []
    own += [f"multiplicity {frame.spin}"] if frame.spin is not None else []
    computes = [f"charge {told.charge:g}"] if told.charge is not None else []
    computes += [f"multiplicity {told.multiplicity:g}"] if told.multiplicity is not None else []
    return (
        f"the structure has {' and '.join(own)} of its own, and the reference computes {' and '.join(computes)}, "
        f"which it is told by {told.where}"
    )
