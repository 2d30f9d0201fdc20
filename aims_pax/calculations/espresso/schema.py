"""XML files of pw.x, data-file-schema.xml of versions 6 and 7: single points, and steps of relaxations and MD.

The section `output` of a relaxation or of MD holds the geometry that follows, with the forces of the one before and an
energy of neither; it is a step of single points alone. Steps have no stress in versions before 7.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

import numpy as np

from aims_pax.calculations.draft import Draft, voigt
from aims_pax.calculations.elements import atomic_number
from aims_pax.calculations.espresso.functional import hybrid_of
from aims_pax.calculations.espresso.header import PROGRAM
from aims_pax.calculations.lines import Lines
from aims_pax.calculations.method import Aspect, Method
from aims_pax.calculations.numerals import reals
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Convergence, Ended
from aims_pax.frame import FloatArray
from aims_pax.units import BOHR_ANG, HARTREE_EV

_MOVING: Final = frozenset({"relax", "vc-relax", "md", "vc-md"})
_FUNCTIONALS: Final[Mapping[str, str]] = MappingProxyType({"PZ": "LDA-PZ", "LDA": "LDA-PZ", "PBESOL": "PBEsol"})
_SMEARINGS: Final[Mapping[str, str]] = MappingProxyType(
    {"mp": "methfessel-paxton", "mv": "marzari-vanderbilt", "fd": "fermi-dirac"}
)
_KEPT: Final = frozenset({"input", "step", "output"})


def recognises(text: str, _name: str) -> bool:
    """Whether a text is an XML file of pw.x."""
    return "<qes:espresso" in text and 'NAME="PWSCF"' in text


def steps(lines: Lines) -> Steps:
    """The steps of an XML file of pw.x."""
    method, calculation, charge, spin = Method(PROGRAM), "", None, None
    relaxed: bool | None = None
    is_whole = False
    remarks: list[str] = []
    version = ""
    for element in _sections(lines):
        if element.tag == "creator":
            version = element.get("VERSION", "")
        elif element.tag == "input":
            calculation = _text(element, "control_variables/calculation")
            method, charge, spin = _method(element, version), _charge(element), _spin(element)
        elif element.tag == "closed":
            is_whole = True
        elif element.tag == "output" and calculation in _MOVING:
            relaxed = _relaxed(element, calculation)
            remarks.append("The section of final results has another geometry than its forces, and is left out.")
        else:
            draft = _draft(element)
            draft.charge, draft.spin = charge, spin
            yield draft.step(method)
    if relaxed is False:
        remarks.append("Its relaxation has not converged.")
    if lines.damage:
        remarks.append(f"It ends early: {lines.damage}.")
    return Closing(Ended.IN_ORDER if is_whole and not lines.damage else Ended.CUT, relaxed, tuple(remarks))


def _sections(lines: Lines) -> Iterator[Element]:
    """Whole sections of the file, one after the other; what follows the first mistake is not read."""
    parser: Any = XMLPullParser(("end",))
    try:
        for line in lines:
            parser.feed(line + "\n")
            for event in parser.read_events():
                element: Element = event[1]
                if element.tag in _KEPT or element.tag in ("creator", "closed"):
                    yield element
                if element.tag in _KEPT or element.tag == "ks_energies":
                    element.clear()
    except ParseError:
        return


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _number(element: Element, path: str) -> float | None:
    values = reals(_text(element, path), 1)
    return values[0] if values else None


def _matrix(text: str | None, n_rows: int) -> FloatArray | None:
    values = reals(text or "", 3 * n_rows)
    return None if values is None else np.array(values).reshape(n_rows, 3)


def _draft(section: Element) -> Draft:
    draft = Draft()
    structure = section.find("atomic_structure")
    if structure is not None:
        atoms = structure.findall("atomic_positions/atom")
        numbers = [atomic_number(atom.get("name", "")) for atom in atoms]
        if numbers and None not in numbers and str(len(atoms)) == structure.get("nat"):
            draft.numbers = np.array(numbers, dtype=int)
            rows = _matrix(" ".join(atom.text or "" for atom in atoms), len(atoms))
            draft.positions = None if rows is None else rows * BOHR_ANG
        cell = _matrix(" ".join(_text(structure, f"cell/a{index}") for index in (1, 2, 3)), 3)
        draft.cell = None if cell is None else cell * BOHR_ANG
    energy = _number(section, "total_energy/etot")
    draft.energy = None if energy is None else energy * HARTREE_EV
    if draft.numbers is not None:
        forces = _matrix(section.findtext("forces"), len(draft.numbers))
        draft.forces = None if forces is None else forces * (HARTREE_EV / BOHR_ANG)
    stress = _matrix(section.findtext("stress"), 3)
    draft.stress = None if stress is None else voigt(-stress * (HARTREE_EV / BOHR_ANG**3))
    said = _text(section, "scf_conv/convergence_achieved") or _text(
        section, "convergence_info/scf_conv/convergence_achieved"
    )
    draft.convergence = {"true": Convergence.REACHED, "false": Convergence.NOT_REACHED}.get(
        said, Convergence.NOT_STATED
    )
    return draft


def _relaxed(section: Element, calculation: str) -> bool | None:
    said = _text(section, "convergence_info/opt_conv/convergence_achieved")
    return said == "true" if "relax" in calculation and said else None


def _charge(section: Element) -> int | None:
    value = _number(section, "bands/tot_charge")
    return round(value) if value is not None and abs(value - round(value)) < 1e-6 else None


def _spin(section: Element) -> int | None:
    value = _number(section, "bands/tot_magnetization")
    return abs(round(value)) + 1 if value is not None and value >= 0.0 and value == round(value) else None


def _method(section: Element, version: str) -> Method:
    functional = _text(section, "dft/functional")
    share = _number(section, "dft/hybrid/exx_fraction")
    cutoffs = {"orbitals": _number(section, "basis/ecutwfc"), "density": _number(section, "basis/ecutrho")}
    basis = ", ".join(f"{name} {value * HARTREE_EV:.6g} eV" for name, value in cutoffs.items() if value is not None)
    potentials = {
        f"{species.get('name', '').rstrip('0123456789')} {_text(species, 'pseudo_file')}": None
        for species in section.findall("atomic_species/species")
    }
    aspects = {
        Aspect.FUNCTIONAL: hybrid_of(_FUNCTIONALS.get(functional, functional), share),
        Aspect.BASIS: f"plane waves {basis}" if basis else "",
        Aspect.POTENTIALS: "; ".join(sorted(potentials)),
        Aspect.SMEARING: _smearing(section),
        Aspect.SPIN: _polarisation(section),
        Aspect.DISPERSION: _text(section, "dft/vdW/vdw_corr"),
        Aspect.HUBBARD: "; ".join(" ".join("".join(one.itertext()).split()) for one in section.findall("dft/dftU")),
    }
    pack = section.find("k_points_IBZ/monkhorst_pack")
    mesh = None if pack is None else reals(" ".join(pack.get(f"nk{index}", "") for index in (1, 2, 3)), 3)
    told = {aspect: text for aspect, text in aspects.items() if text}
    divisions = None if mesh is None else (round(mesh[0]), round(mesh[1]), round(mesh[2]))
    return Method(PROGRAM, version, MappingProxyType(told), divisions)


def _smearing(section: Element) -> str:
    occupations = _text(section, "bands/occupations")
    smearing = section.find("bands/smearing")
    if smearing is None:
        return {"fixed": "none", "tetrahedra_opt": "tetrahedra, optimised"}.get(occupations, occupations)
    width = reals(smearing.get("degauss", ""), 1)
    kind = (smearing.text or "").strip()
    return _SMEARINGS.get(kind, kind) + (f" {width[0] * HARTREE_EV:.6g} eV" if width else "")


def _polarisation(section: Element) -> str:
    if _text(section, "spin/noncolin") == "true":
        return "non-collinear with spin-orbit" if _text(section, "spin/spinorbit") == "true" else "non-collinear"
    return {"true": "polarised", "false": "not polarised"}.get(_text(section, "spin/lsda"), "")
