"""What aims.out says: whether the calculation can be believed, and its numbers.

The text decides, not the exit code: MPI may end badly after a good calculation, and FHI-aims ends well after a bad one
when it was told to go on (postprocess_anyway).
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from aims_pax.frame import FailureReason, FloatArray
from aims_pax.reference.calculation import EngineFailed, Observables, reason_said
from aims_pax.reference.process.leash import ending
from aims_pax.reference.programs.printed import numbers, require_labels, rows

UNCONVERGED: Final = ("SELF-CONSISTENCY CYCLE DID NOT CONVERGE", "SCF cycle not converged")
"""Not "not yet converged - restarting mixer", which stands in many outputs that do converge."""

CONVERGED: Final = "Self-consistency cycle converged."
CLOSING: Final = "Have a nice day."
FIRST_CYCLE: Final = "Begin self-consistency loop"
COMPACT: Final = "Energy and forces in a compact form:"
FORCES: Final = "Total atomic forces"
ANALYTICAL_STRESS: Final = "Analytical stress tensor - Symmetrized"
NUMERICAL_STRESS: Final = "Numerical stress tensor"
STRESSES: Final = (ANALYTICAL_STRESS, NUMERICAL_STRESS)
HIRSHFELD: Final = "Performing Hirshfeld analysis of fragment charges and moments."
HIRSHFELD_NUMBERS: Final = ("hirshfeld_charges", "hirshfeld_volumes")

_FREE_ENERGY: Final = re.compile(r"\| Electronic free energy\s*:\s*([-+.\dEe]+) eV\s*$")
_FORCE_ROW: Final = re.compile(r"\s*\|\s*(\d+)((?:\s+\S+){3})\s*")
_STRESS_ROW: Final = re.compile(r"\s*\|\s*([xyz])((?:\s+[^\s|]*\d[^\s|]*){3})\s*\|\s*")
_VERSION: Final = re.compile(r"^\s*(?:FHI-aims version|Version)\s*:?\s+(\S+)", re.MULTILINE)
_NOT_FOUND: Final = re.compile(r"not found|no such file|could not (find|execute)|unable to (find|exec)", re.IGNORECASE)
_QUOTED_LINES: Final = 4


@dataclass(frozen=True, slots=True)
class Ending:
    """What FHI-aims left behind.

    Parameters
    ----------
    text : str
        aims.out.
    errors : str
        Standard error of the command.
    returncode : int
        Of the command; negative when a signal ended it.
    """

    text: str
    errors: str
    returncode: int

    @property
    def version(self) -> str | None:
        """Version of FHI-aims as it prints it."""
        match = _VERSION.search(self.text)
        return None if match is None else match.group(1)


def require_success(ending: Ending) -> None:
    """Do nothing when the calculation ended in order and converged.

    Raises
    ------
    EngineFailed
        It did not, with the engine's own words.
    """
    lines = ending.text.splitlines()
    start = next((index for index, line in enumerate(lines) if FIRST_CYCLE in line), len(lines))
    computed = lines[start:]  # control.in is repeated before, whose comments may say anything
    if any(word in line for line in computed for word in UNCONVERGED):
        cycles = sum(bool(re.match(r"\s*SCF\s+\d+ :", line)) for line in computed)
        message = f"FHI-aims did not reach self-consistency in {cycles} cycles (sc_iter_limit, mixing, smearing)"
        raise EngineFailed(FailureReason.NOT_CONVERGED, message)
    if not any(CLOSING in line for line in computed):
        reason = FailureReason.CRASHED
        if "FHI-aims" not in ending.text and (ending.returncode == 127 or _NOT_FOUND.search(ending.errors)):
            reason = FailureReason.MISSING_EXECUTABLE
        account = f"{_how_it_ended(ending.returncode)}{_last_words(lines, ending.errors)}"
        if reason is FailureReason.CRASHED:
            reason = reason_said(f"{account}\n{ending.errors}") or (
                FailureReason.CRASHED if ending.returncode else FailureReason.CUT_SHORT
            )
        raise EngineFailed(reason, f"FHI-aims {account}")
    if not any(CONVERGED in line for line in computed):
        message = "FHI-aims ended in order, but never said that self-consistency was reached"
        raise EngineFailed(FailureReason.NOT_CONVERGED, message)


def _how_it_ended(returncode: int) -> str:
    if returncode != 0:
        return ending(returncode)
    return "ended without its closing line: the output is cut short"


def _last_words(lines: list[str], errors: str) -> str:
    """What FHI-aims complains of (lines that start with asterisks), or else what it and the launcher printed last."""
    spoken = [line.strip() for line in lines if re.search(r"\w", line)]
    complaints = [line for line in spoken[-200:] if line.startswith("*")] or spoken
    quoted = complaints[-_QUOTED_LINES:] + [line.strip() for line in errors.splitlines() if line.strip()][-2:]
    return f": {' / '.join(quoted)}" if quoted else ""


def observables(text: str, *, n_atoms: int, periodic: bool, want_stress: bool) -> Observables:
    """The numbers of a calculation that has succeeded.

    The energy is the electronic free energy, of which the forces are the derivative when states are smeared out.

    Parameters
    ----------
    text : str
        aims.out.
    n_atoms : int
    periodic, want_stress : bool

    Raises
    ------
    EngineFailed
        The text lacks a number, or holds what can't be read as one.
    """
    printed = _after_convergence(text)
    if FORCES not in printed:
        raise EngineFailed(FailureReason.CRASHED, "aims.out holds no total atomic forces (compute_forces)")
    # The numerical one is printed before the last cycle, which returns from strained cells to the structure itself.
    has_stress = ANALYTICAL_STRESS in printed or NUMERICAL_STRESS in text.partition(FIRST_CYCLE)[2]
    if want_stress and not has_stress:
        raise EngineFailed(FailureReason.CRASHED, "aims.out holds no stress tensor (compute_analytical_stress)")
    seen = _read_by_ase(text, "dipole", *HIRSHFELD_NUMBERS)
    extras = _hirshfeld(text, seen, n_atoms)
    if not periodic and seen["dipole"] is not None:  # a crystal's dipole is not defined
        extras["dipole"] = seen["dipole"]
    return Observables(
        energy=_free_energy(printed),
        forces=_forces(printed, n_atoms),
        stress=_stress(text) if want_stress else None,
        extras=extras,
    )


def _after_convergence(text: str) -> str:
    """What was printed once self-consistency was reached.

    A cycle that restarts its mixer prints a block of results before that, with forces and stress of zero.
    """
    return text.rpartition(FIRST_CYCLE)[2].partition(CONVERGED)[2]


def _forces(printed: str, n_atoms: int) -> FloatArray:
    """(n_atoms, 3), eV/Å."""
    found = rows(printed.rpartition(FORCES)[2].splitlines()[1:], _FORCE_ROW)
    require_labels(found, range(1, n_atoms + 1), what="total atomic forces")
    return numbers(found)


def _stress(text: str) -> FloatArray:
    """(6,), eV/Å³, in Voigt's order, of the tensor that was printed last."""
    title = max(STRESSES, key=text.rfind)
    table = text.rpartition(title)[2].partition("Pressure")[0].splitlines()
    found = [match for line in table if (match := _STRESS_ROW.fullmatch(line))]
    require_labels(found, "xyz", what="stress tensor")
    (xx, xy, xz), (_, yy, yz), (_, _, zz) = numbers(found).tolist()
    return np.array([xx, yy, zz, yz, xz, xy])


def _read_by_ase(text: str, *names: str) -> Mapping[str, Any]:
    """The last numbers of these names. ASE's own functions for whole files trip over what labels don't need."""
    from ase.io import ParseError
    from ase.io.aims import AimsParseError, get_aims_out_chunks, get_header_chunk

    lines = io.StringIO(text)
    try:
        chunk = list(get_aims_out_chunks(lines, get_header_chunk(lines)))[-1]
        return {name: getattr(chunk, name) for name in names}
    except (AimsParseError, ParseError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        message = f"aims.out can't be read ({type(error).__name__}: {error})"
        raise EngineFailed(FailureReason.CRASHED, message) from error


def _free_energy(printed: str) -> float:
    """The electronic free energy in full digits, eV. Where it lacks, ASE takes one in Hartree for eV."""
    found = [match for line in printed.rpartition(COMPACT)[2].splitlines() if (match := _FREE_ENERGY.search(line))]
    if COMPACT not in printed or not found:
        message = "aims.out holds no electronic free energy in its compact form"
        raise EngineFailed(FailureReason.CRASHED, message)
    return float(found[0].group(1))


def _hirshfeld(text: str, seen: Mapping[str, Any], n_atoms: int) -> dict[str, FloatArray]:
    """Charges (e), volumes (Bohr³) and their ratios to free atoms, where FHI-aims has printed them for all atoms."""
    charges, volumes = (seen[name] for name in HIRSHFELD_NUMBERS)
    found: dict[str, FloatArray] = {}
    if charges is not None and len(charges) == n_atoms:
        found["hirshfeld_charges"] = charges
    if volumes is not None and len(volumes) == n_atoms:
        found["hirshfeld_volumes"] = volumes
        analysis = text.rpartition(HIRSHFELD)[2]
        free = np.array([float(value) for value in re.findall(r"\|\s+Free atom volume\s*:\s*(\S+)", analysis)])
        if len(free) == n_atoms and (free > 0).all():
            found["hirshfeld_volume_ratios"] = volumes / free
    return found
