"""FHI-aims as a program of its own, one calculation for each label."""

import shlex
import subprocess
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from aims_pax.atoms import atoms_of
from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.reference.calculation import Calculation, Observables
from aims_pax.reference.process.leash import leashed, missing_program
from aims_pax.reference.programs.aims_output import Ending, observables, require_success
from aims_pax.settings.methods.fhi_aims import FhiAimsInput
from aims_pax.settings.reading.control_in import ENCODING, keywords

OUTPUT: Final = "aims.out"
ERRORS: Final = "aims.err"


@dataclass(frozen=True, slots=True)
class FhiAimsReference:
    """Labels by FHI-aims.

    control.in is the user's own text; only what it lacks is added. Input, aims.out and whatever else FHI-aims writes
    are in the label's folder.
    """

    settings: FhiAimsInput

    @property
    def name(self) -> str:
        """Functional and species, with a digest of the whole input; a label adds the version that computed it."""
        return f"FHI-aims {self.settings.xc}, {self.settings.basis}, input {self.settings.digest}"

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        """A program that is not on this machine. What is wrong with the input is found when the project is read."""
        missing = missing_program(shlex.split(self.settings.command))
        if missing is None:
            return []
        return [f"{missing}; correct REFERENCE.command, or load the module that holds it"]

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        """One self-consistent calculation with its forces."""
        calculation = Calculation(frame, folder, self.name, self.settings.max_force_ev_per_ang)
        periodic = bool(frame.pbc.any())
        versions: list[str] = []

        def compute() -> Observables:
            folder.mkdir(parents=True, exist_ok=True)
            write_input(self.settings, frame, folder, want_stress=want_stress and periodic)
            ending = self._run(folder)
            require_success(ending)
            versions.extend([ending.version] if ending.version is not None else [])
            return observables(
                ending.text, n_atoms=frame.n_atoms, periodic=periodic, want_stress=want_stress and periodic
            )

        outcome = calculation.outcome(compute)
        if isinstance(outcome, LabelFailure) or not versions:
            return outcome
        return replace(outcome, reference=f"{self.name}; version {versions[0]}")

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        """None: a free atom needs other settings than the user's control.in (spin, occupation, no k-points), and its
        energy in the wrong state would be worse than the fit to the first labels, which replaces it."""
        return None

    def _run(self, folder: Path) -> Ending:
        from ase.calculators.aims import AimsProfile

        profile = AimsProfile(shlex.join(leashed(shlex.split(self.settings.command))))
        returncode = 0
        try:
            profile.run(folder, None, OUTPUT, errorfile=ERRORS)
        except subprocess.CalledProcessError as error:
            returncode = error.returncode
        text, errors = ((folder / name).read_text(encoding="utf-8", errors="replace") for name in (OUTPUT, ERRORS))
        return Ending(text, errors, returncode)


def write_input(settings: FhiAimsInput, frame: Frame, folder: Path, *, want_stress: bool) -> None:
    """Write geometry.in and control.in of one label into an existing folder."""
    from ase.io.aims import write_aims

    atoms = atoms_of(frame)
    if settings.initial_moments is not None:
        atoms.set_initial_magnetic_moments(settings.initial_moments)
    if settings.initial_charges is not None:
        atoms.set_initial_charges(settings.initial_charges)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ASE announces that its writer moves to a plugin
        write_aims(folder / "geometry.in", atoms)
    (folder / "control.in").write_bytes(control_text(settings, want_stress=want_stress).encode(ENCODING))


def control_text(settings: FhiAimsInput, *, want_stress: bool) -> str:
    """control.in of one label: what it lacks for forces and stress, the user's text as it is, and missing species."""
    last = {one.name: one for one in keywords(settings.control_text)}
    lines = [] if "compute_forces" in last else ["compute_forces .true."]
    numerical = last.get("compute_numerical_stress")
    if want_stress and "compute_analytical_stress" not in last and (numerical is None or numerical.is_off):
        lines.append("compute_analytical_stress .true.")
    added = "".join(f"{line}\n" for line in ("# Added for the label:", *lines)) if lines else ""
    species = f"\n{settings.species_text.rstrip()}\n" if settings.species_text else ""
    return f"{added}{settings.control_text.rstrip()}\n{species}"
