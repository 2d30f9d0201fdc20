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
from aims_pax.calculations.espresso.header import CORRECTIONS, PROGRAM, basis_of, printed, simplified
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
_OCCUPATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "fixed": "none",
        "tetrahedra_lin": "tetrahedra, linear",
        "tetrahedra_opt": "tetrahedra, optimised",
        "from_input": "occupations from the input",
    }
)
"""Kinds of occupations without a width, by what the output calls them."""

_DISPERSIONS: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(("dft-d", "dft-d2", "grimme-d2"), "D2")
    | dict.fromkeys(("dft-d3", "grimme-d3"), "D3")
    | dict.fromkeys(("ts", "ts-vdw", "tkatchenko-scheffler"), "Tkatchenko-Scheffler")
    | dict.fromkeys(("mbd", "mbd_vdw", "many-body dispersion"), "many-body dispersion")
    | {"xdm": "XDM"}
)
"""By what vdw_corr may be, in small letters (INPUT_PW, vdw_corr)."""

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
    places = {"orbitals": "basis/ecutwfc", "density": "basis/ecutrho", "exchange": "dft/hybrid/ecutfock"}
    cutoffs = {name: value for name, place in places.items() if (value := _number(section, place)) is not None}
    basis = basis_of({name: printed(2 * value) for name, value in cutoffs.items()}) if cutoffs else ""
    dispersion = _text(section, "dft/vdW/vdw_corr")
    potentials = {
        f"{species.get('name', '').rstrip('0123456789')} {_text(species, 'pseudo_file')}": None
        for species in section.findall("atomic_species/species")
    }
    aspects = {
        Aspect.FUNCTIONAL: hybrid_of(_FUNCTIONALS.get(functional, functional), share),
        Aspect.BASIS: basis,
        Aspect.POTENTIALS: "; ".join(sorted(potentials)),
        Aspect.SMEARING: _smearing(section),
        Aspect.SPIN: _polarisation(section),
        Aspect.DISPERSION: _DISPERSIONS.get(dispersion.lower(), dispersion),
        Aspect.HUBBARD: _hubbard(section, version),
    }
    told = {aspect: text for aspect, text in aspects.items() if text}
    return Method(PROGRAM, version, MappingProxyType(told), _mesh(section))


def _mesh(section: Element) -> tuple[int, int, int] | None:
    """Divisions, or the origin alone in a list."""
    pack, points = section.find("k_points_IBZ/monkhorst_pack"), section.findall("k_points_IBZ/k_point")
    if pack is None:
        is_origin = len(points) == 1 and reals(points[0].text or "", 3) == [0.0, 0.0, 0.0]
        return (1, 1, 1) if is_origin else None
    mesh = reals(" ".join(pack.get(f"nk{index}", "") for index in (1, 2, 3)), 3)
    return None if mesh is None else (round(mesh[0]), round(mesh[1]), round(mesh[2]))


def _hubbard(section: Element, version: str) -> str:
    """Dudarev's correction as version 6 writes it, in eV; anything else as it stands there."""
    found = section.findall("dft/dftU")
    names = {f"Hubbard_{name}": name for name in CORRECTIONS}
    is_known = version.startswith("6.") and all(_text(one, "lda_plus_u_kind") == "0" for one in found)
    parts: dict[str, dict[str, float]] = {}
    for one in (part for every in found for part in every):
        value, species = reals(one.text or "", 1), one.get("specie")
        if one.tag in names and value and species:
            parts.setdefault(species, {})[names[one.tag]] = value[0]
        elif one.tag not in ("lda_plus_u_kind", "U_projection_type"):
            is_known = False
    if not is_known:
        return "; ".join(" ".join("".join(one.itertext()).split()) for one in found)
    kind = _text(found[0], "U_projection_type") if found else ""
    projectors = f", {kind}" if kind not in ("", "atomic") else ""
    return "; ".join(sorted(simplified(species, values) + projectors for species, values in parts.items()))


def _smearing(section: Element) -> str:
    occupations = _text(section, "bands/occupations")
    smearing = section.find("bands/smearing")
    if smearing is None:
        return _OCCUPATIONS.get(occupations, occupations)
    width = reals(smearing.get("degauss", ""), 1)
    kind = (smearing.text or "").strip()
    return _SMEARINGS.get(kind, kind) + (f" {printed(2 * width[0]):g} eV" if width else "")


def _polarisation(section: Element) -> str:
    if _text(section, "spin/noncolin") == "true":
        return "non-collinear with spin-orbit" if _text(section, "spin/spinorbit") == "true" else "non-collinear"
    return {"true": "polarised", "false": "not polarised"}.get(_text(section, "spin/lsda"), "")
