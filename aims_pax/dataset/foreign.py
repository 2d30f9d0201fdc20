"""What labelled structures of other programs hold that ours do not: free atoms, virials, other units and names, forces
that were set to zero."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from aims_pax.errors import Problem
from aims_pax.frame import BoolArray, FloatArray, Frame, Label

FREE_ATOM: Final = "isolatedatom"
"""MACE's `config_type` of an atom alone, in lower case."""

NO_CONFIG_TYPE: Final = "Default"
"""MACE's `config_type` of structures that have none."""

DIMER: Final = "dimer"
"""That of two atoms whose distance is scanned."""

TEMPERATURES: Final = ("temperature", "temperature_k", "temp_k")
"""What a temperature in K is called on comment lines, in lower case."""

_KELVIN: Final = re.compile(r"(?<![A-Za-z0-9.])(\d{1,5}(?:\.\d+)?)[ _]?K(?![A-Za-z0-9])")

MAX_STRESS_EV_PER_ANG3: Final = 10.0
"""1.6 TPa, beyond all static experiments. A few kbar or some GPa, read as eV/Å³, are above."""

MAX_FORCE_EV_PER_ANG: Final = 1e4
"""Beyond what nuclei feel at a tenth of a bond's length."""

KBAR_PER_EV_PER_ANG3: Final = 1602.176634
GPA_PER_EV_PER_ANG3: Final = 160.2176634

HIGHEST_TYPICAL_FORCE_EV_PER_ANG: Final = 12.0
"""Root mean square, eV/Å. Some 0.3 to 4 at 300 to 3000 K; in kcal/mol/Å they are 23 times larger."""

LONGEST_LEVER_ANG: Final = 20.0
"""Largest ratio of virial to force, Å, see :func:`unit_remarks`; 0.2 to 2 Å, and 160 times that in GPa."""

ENERGY_TO_FORCE: Final = (1 / 15, 40.0, 300.0)
"""Bounds of the ratio of two temperatures, see :func:`unit_remarks`; the second holds for weak forces, which in
Hartree/bohr all are. Datasets of several methods have 0.5 to 30."""

WEAK_FORCE_EV_PER_ANG: Final = 0.05

OPPOSITE_SIGN: Final = -0.7
"""Correlation of stress with volume below which the sign is wrong."""

MIN_STRAIN: Final = 0.01
"""Relative spread of volumes from which on they say something of the stress."""

TYPICAL_SPRING_EV_PER_ANG2: Final = 30.0
MIN_STRUCTURES: Final = 8


def is_free_atom(frame: Frame, found: Mapping[str, Any]) -> bool:
    """Whether a structure is an atom alone: said by its `config_type`, as MACE's users do, or without a cell."""
    kind = str(found.get("config_type", "")).replace("_", "").lower()
    return frame.n_atoms == 1 and (kind == FREE_ATOM or not frame.pbc.any())


def is_dimer(found: Mapping[str, Any]) -> bool:
    """Whether a structure is called a dimer by its `config_type`."""
    return str(found.get("config_type", "")).strip().lower() == DIMER


def config_type_of(found: Mapping[str, Any]) -> str:
    """The `config_type` of a structure; empty where it has none, which MACE calls Default."""
    kind = str(found.get("config_type", "")).strip()
    return "" if kind == NO_CONFIG_TYPE else kind


def temperature_of(found: Mapping[str, Any]) -> float | None:
    """Temperature (K) that a structure comes from: one of :data:`TEMPERATURES`, else of `config_type` (``at_300K``)."""
    own = {str(name).lower(): value for name, value in found.items()}
    for name in TEMPERATURES:
        if isinstance(own.get(name), int | float | np.number) and np.isfinite(own[name]) and own[name] >= 0:
            return float(own[name])
    said = _KELVIN.search(str(found.get("config_type", "")))
    return None if said is None else float(said[1])


def virials_key(stress_key: str) -> str:
    """What MACE calls the virials where it calls the stress so: REF_virials besides REF_stress."""
    return stress_key.replace("stress", "virials")


def stress_of_virials(virials: FloatArray, cell: FloatArray) -> FloatArray:
    """Stress in ASE's sign, eV/Å³, of MACE's virials, eV: minus virials by volume."""
    return -virials / abs(float(np.linalg.det(cell)))


def forces_are_masked(forces: FloatArray, fixed: BoolArray | None) -> bool:
    """Whether forces are exactly zero on all components that constraints hold, and not on the others.

    ``Atoms.get_forces()`` makes them so unless it is told ``apply_constraint=False``.

    Parameters
    ----------
    forces : (n_atoms, 3), eV/Å
    fixed : (n_atoms, 3) bool, or None
    """
    return fixed is not None and not forces[fixed].any() and bool(forces[~fixed].any())


def mask_remarks(where: str, n_masked: int, n_structures: int) -> Iterator[Problem]:
    """What is said of structures whose forces were masked before they were written."""
    if n_masked:
        found = (
            f"Forces of {n_masked} of {n_structures} structures are exactly zero on all atoms that are fixed there "
            "(move_mask, constraints), and not on others."
        )
        advice = (
            "ASE's get_forces() makes them so, and models would learn that nothing pulls at such atoms. Write those of "
            "get_forces(apply_constraint=False)."
        )
        yield Problem(where, found, "", advice)


def names_like(found: Mapping[str, Any], *parts: str) -> list[str]:
    """Names in a structure that hold one of these parts, in any case."""
    return sorted(str(name) for name in found if any(part in str(name).lower() for part in parts))


def require_plausible(label: Label, forces_key: str, stress_key: str) -> None:
    """Refuse values that can't be in eV and Å.

    Raises
    ------
    ValueError
        The message continues the structure's name.
    """
    force = float(np.abs(label.forces).max(initial=0.0))
    if force > MAX_FORCE_EV_PER_ANG:
        raise ValueError(f"has {forces_key} up to {force:.3g}, which can't be eV/Å")
    if label.stress is None:
        return
    stress = float(np.abs(label.stress).max())
    if stress > MAX_STRESS_EV_PER_ANG3:
        pressure_tpa = stress * GPA_PER_EV_PER_ANG3 / 1e3
        raise ValueError(
            f"has {stress_key} up to {stress:.4g}, which as eV/Å³ would be {pressure_tpa:.3g} TPa; "
            f"divide kbar by {KBAR_PER_EV_PER_ANG3:.2f}, GPa by {GPA_PER_EV_PER_ANG3:.3f}"
        )


def unit_remarks(path: Path, pairs: Sequence[tuple[Frame, Label]]) -> Iterator[Problem]:
    """Remarks on values that are probably in other units than eV and Å.

    Notes
    -----
    Three numbers that hardly depend on what the structures are: the root mean square of forces; a lever, the off-
    diagonal stress times volume by that force and the square root of the number of atoms, about a bond length; and
    the ratio of two temperatures, from the spread of energies (classical harmonic, 1.5 N (kT)²) and from the forces
    (kT = F² / k with a typical spring constant k).
    """
    forces = [_rms(label.forces) for _, label in pairs]
    typical = float(np.median(forces))
    if len(pairs) >= MIN_STRUCTURES and typical > HIGHEST_TYPICAL_FORCE_EV_PER_ANG:
        found = (
            f"Forces are {typical:.3g} eV/Å in the root mean square (median of the structures), more than in any MD."
        )
        yield Problem(str(path), found, "about 0.1 to 4 eV/Å", "In kcal/mol/Å? Divide energies and forces by 23.0605.")
    n_zero = sum(frame.n_atoms > 1 and not label.forces.any() for frame, label in pairs)
    if n_zero > 1:
        found = f"Forces of {n_zero} of {len(pairs)} structures are exactly zero."
        yield Problem(
            str(path), found, "", "Were they not computed? Remove these structures: their zeros would be learned."
        )
    yield from _stress_remarks(path, pairs, forces)
    yield from _sign_remarks(path, pairs)
    yield from _energy_remarks(path, pairs)


def _stress_remarks(path: Path, pairs: Sequence[tuple[Frame, Label]], forces: Sequence[float]) -> Iterator[Problem]:
    levers = [
        _rms(label.stress[3:]) * abs(float(np.linalg.det(frame.cell))) / (force * frame.n_atoms**0.5)
        for (frame, label), force in zip(pairs, forces, strict=True)
        if label.stress is not None and force > 0.02
    ]
    if len(levers) >= MIN_STRUCTURES and (lever := float(np.median(levers))) > LONGEST_LEVER_ANG:
        found = f"Stress is some {lever:.0f} times what goes with these forces (shear by force and volume)."
        advice = (
            f"In GPa or kbar? Divide by {GPA_PER_EV_PER_ANG3:.3f} or {KBAR_PER_EV_PER_ANG3:.2f}. Virials (eV)? "
            "Divide by minus the volume."
        )
        yield Problem(str(path), found, "stress in eV/Å³", advice)


def _sign_remarks(path: Path, pairs: Sequence[tuple[Frame, Label]]) -> Iterator[Problem]:
    """A cell that is stretched pulls: the trace of ASE's stress grows with the volume of an atom."""
    volumes, traces = [], []
    for frame, label in pairs:
        if label.stress is not None and frame.pbc.all():
            volumes.append(abs(float(np.linalg.det(frame.cell))) / frame.n_atoms)
            traces.append(float(label.stress[:3].sum()))
    if len(volumes) < MIN_STRUCTURES or np.std(volumes) < MIN_STRAIN * np.mean(volumes) or np.std(traces) == 0:
        return
    if np.corrcoef(volumes, traces)[0, 1] < OPPOSITE_SIGN:
        found = "Stress falls as the cells grow, so its sign is that of a pressure."
        advice = "Multiply by -1: ASE's stress is positive where a cell pulls. VASP's OUTCAR has the other sign."
        yield Problem(str(path), found, "stress in ASE's sign", advice)


def _are_strained(frames: Sequence[Frame]) -> bool:
    """Whether lattice vectors differ by more than rounding and MD in constant volume bring about."""
    cells = np.array([frame.cell for frame in frames])
    return bool(np.std(cells, axis=0).max() > MIN_STRAIN * np.abs(cells).max())


def _energy_remarks(path: Path, pairs: Sequence[tuple[Frame, Label]]) -> Iterator[Problem]:
    formulas = Counter(frame.numbers.tobytes() for frame, _ in pairs)
    formula, n_alike = formulas.most_common(1)[0] if formulas else (b"", 0)
    alike = [(frame, label) for frame, label in pairs if frame.numbers.tobytes() == formula]
    if n_alike < MIN_STRUCTURES or alike[0][0].n_atoms < 2:
        return
    spread = float(np.std([label.energy for _, label in alike])) / (1.5 * alike[0][0].n_atoms) ** 0.5
    force = float(np.median([_rms(label.forces) for _, label in alike]))
    by_forces = force**2 / TYPICAL_SPRING_EV_PER_ANG2
    lowest, highest_of_weak, highest = ENERGY_TO_FORCE
    is_weak = force < WEAK_FORCE_EV_PER_ANG
    too_high = spread > (highest_of_weak if is_weak else highest) * by_forces
    if is_weak and _are_strained([frame for frame, _ in alike]):
        return  # energies of a grid of strains spread where forces are zero by symmetry
    if force > 1e-3 and (spread < lowest * by_forces or too_high):
        found = (
            f"Energies and forces do not go together: over {n_alike} structures of one composition the energies spread "
            f"as at {spread / 8.617e-5:.3g} K, and the forces are those of some {by_forces / 8.617e-5:.3g} K."
        )
        advice = "In other units? Hartree is 27.2114 eV, Hartree/bohr 51.4221 eV/Å, kcal/mol 0.0433641 eV."
        yield Problem(str(path), found, "energies in eV, forces in eV/Å", advice)


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(values**2)))
