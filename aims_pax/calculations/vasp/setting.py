"""Settings of VASP in one spelling for OUTCAR and vasprun.xml."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aims_pax.calculations.method import Aspect, Method
from aims_pax.calculations.numerals import number, values
from aims_pax.calculations.vasp.potential import element_of, functional_of
from aims_pax.calculations.vasp.run import Run

PROGRAM: Final = "VASP"
UNNAMED: Final = -1
"""In the place of IVDW: there is a correction, and the file does not say which."""

FUNCTIONALS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CA": "LDA",
        "PZ": "LDA",
        "91": "PW91",
        "PE": "PBE",
        "RP": "RPBE",
        "PS": "PBEsol",
        "AM": "AM05",
        "RE": "revPBE",
        "OR": "optPBE",
        "BO": "optB88",
        "MK": "optB86b",
        "ML": "rPW86",
        "CX": "vdW-DF-cx",
        "BF": "BEEF",
        "B3": "B3LYP (VWN3)",
        "B5": "B3LYP (VWN5)",
    }
)
"""By the letters of GGA (VASP manual, GGA)."""

UNSET: Final = ("", "-", "--", "NO")
"""GGA that leaves the choice to the potentials."""

INTERNAL: Final[Mapping[str, str]] = MappingProxyType(
    {"2": "CA", "7": "91", "8": "PE", "9": "RP", "14": "PS", "40": "RE", "41": "OR", "42": "BO", "43": "MK", "44": "ML"}
)
"""Letters of GGA by the number LEXCH, which OUTCAR prints of what was taken in the end."""

DISPERSIONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "D2",
        10: "D2",
        11: "D3(zero)",
        12: "D3(BJ)",
        13: "D4",
        2: "TS",
        20: "TS",
        21: "TS with iterative Hirshfeld",
        202: "MBD@rsSCS",
        263: "MBD@rsSCS/FI",
        3: "ULG",
        4: "dDsC",
    }
)
"""By IVDW (VASP manual, IVDW)."""

EXACT_DECIMALS: Final = 6
"""With which a number of INCAR is repeated as it was given."""

SMEARINGS: Final[Mapping[int, str]] = MappingProxyType(
    {-1: "Fermi", 0: "Gaussian", -2: "fixed occupations", -3: "fixed occupations", -4: "tetrahedron", -5: "tetrahedron"}
)
PRECISIONS: Final = ("Accurate", "Normal", "High", "Medium", "Low", "Single")
ORBITALS: Final = ("s", "p", "d", "f")


def method_of(run: Run, dispersion: int | None = None) -> Method:
    """Everything of a run that energies depend on.

    Parameters
    ----------
    run : Run
    dispersion : int or None
        IVDW that the file tells elsewhere than among its settings, or :data:`UNNAMED`.
    """
    told = {
        Aspect.PROGRAM: PROGRAM,
        Aspect.FUNCTIONAL: _functional(run),
        Aspect.DISPERSION: _dispersion(run, dispersion),
        Aspect.BASIS: _cutoff(run),
        Aspect.POTENTIALS: _potentials(run),
        Aspect.SMEARING: _smearing(run),
        Aspect.SPIN: _spin(run),
        Aspect.RELATIVITY: "spin-orbit coupling" if run.is_true("LSORBIT") else "",
        Aspect.HUBBARD: _hubbard(run),
        Aspect.SOLVATION: _solvation(run),
        Aspect.ACCURACY: _accuracy(run),
        Aspect.EXTRAS: _extras(run),
    }
    aspects = MappingProxyType({aspect: text for aspect, text in told.items() if text})
    return Method(PROGRAM, run.version, aspects, run.mesh, run.k_spacing, _decimals(run))


def _functional(run: Run) -> str:
    letters = INTERNAL.get((run.tag("LEXCH") or "").strip(), (run.tag("GGA") or "--").strip().upper()[:2])
    made_for = {functional_of(title) for title in run.titles}
    base = FUNCTIONALS.get(letters, "" if letters in UNSET else f"GGA {letters}")
    if not base and len(made_for) == 1:
        base = made_for.pop() or ""
    meta = (run.given.get("METAGGA") or run.tags.get("METAGGA") or "").strip().upper()
    name = meta if len(meta.strip("-.")) > 1 and meta.strip(".") not in ("NONE", "FALSE", "TRUE") else base
    return name if not name or not run.is_true("LHFCALC") else f"{name}, {_exchange(run)}"


def _exchange(run: Run) -> str:
    """Exact exchange as four decimals tell it, which is all that OUTCAR prints."""
    share, screening = run.real("AEXX"), run.real("HFSCREEN")
    words = [f"{0.25 if share is None else round(share, 4):g} exact exchange"]
    words += [f"screened by {round(screening, 4):g} 1/Å"] if screening else []
    usual = {"AGGAX": 1 - (share or 0), "AGGAC": 1.0, "ALDAC": 1.0}
    for name, standard in usual.items():
        value = run.real(name)
        words += [] if value is None or abs(value - standard) < 1e-4 else [f"{name} {round(value, 4):g}"]
    precision = (run.tag("PRECFOCK") or "").strip().lower()[:1]
    words += [f"PRECFOCK {precision}"] if precision and precision != "n" else []
    words += [
        f"{name} {value}" for name in ("NKREDX", "NKREDY", "NKREDZ") if (value := run.whole(name)) not in (None, 1)
    ]
    return ", ".join(words)


def _dispersion(run: Run, seen: int | None) -> str:
    kind = run.whole("IVDW")
    if kind is None and run.is_true("LVDW"):
        kind = 1
    kind = kind or seen or 0
    words = [] if not kind else [DISPERSIONS.get(kind, "a correction without a name" if kind < 0 else f"IVDW {kind}")]
    if run.is_true("LUSE_VDW"):
        words.append(f"non-local, Zab {run.real('ZAB_VDW') or -0.8491:g}")
    own = {name: value for name, value in sorted(run.given.items()) if name.startswith("VDW_")}
    words += [f"{name} {value.strip()}" for name, value in own.items()] if words else []
    return ", ".join(words) or "none"


def _cutoff(run: Run) -> str:
    cutoff = run.real("ENMAX") or run.real("ENCUT")
    return f"{round(cutoff, 1):g} eV" if cutoff else ""


def _potentials(run: Run) -> str:
    named = {title: element_of(title) or 0 for title in run.titles}
    return "; ".join(sorted(named, key=lambda title: (_symbol(title), title))) if named else ""


def _symbol(title: str) -> str:
    words = title.split()
    return words[1] if len(words) > 1 else title


def _smearing(run: Run) -> str:
    kind, width = run.whole("ISMEAR"), number(run.given.get("SIGMA")) or run.real("SIGMA")
    if kind is None:
        return ""
    name = SMEARINGS.get(kind, f"Methfessel-Paxton {kind}" if kind > 0 else f"ISMEAR {kind}")
    return name if kind < -1 or width is None else f"{name} {width:g} eV"


def _decimals(run: Run) -> Mapping[Aspect, int]:
    """Of the width of smearing where INCAR is not repeated, as in the OUTCAR of VASP 5: two."""
    text = "" if number(run.given.get("SIGMA")) else run.tags.get("SIGMA", "")
    n_places = len(text.strip().partition(".")[2])
    return MappingProxyType({Aspect.SMEARING: n_places} if 0 < n_places < EXACT_DECIMALS else {})


def _spin(run: Run) -> str:
    if run.is_true("LNONCOLLINEAR") or run.is_true("LSORBIT"):
        return "non-collinear"
    n_spins = run.whole("ISPIN")
    return "" if n_spins is None else "polarised" if n_spins == 2 else "not polarised"


def _hubbard(run: Run) -> str:
    if not run.is_true("LDAU") or not run.titles:
        return "none" if run.tag("ISPIN") is not None and not run.is_true("LDAU") else ""
    columns = [_list(run.given.get(name) or run.tags.get(name)) for name in ("LDAUL", "LDAUU", "LDAUJ")]
    if any(len(column) != len(run.titles) for column in columns):
        return f"LDAUTYPE {run.whole('LDAUTYPE') or 2}, values not told"
    parts = {
        f"{_symbol(title)} {ORBITALS[int(shell)] if 0 <= shell < len(ORBITALS) else shell} U {u:g} J {j:g} eV"
        for title, shell, u, j in zip(run.titles, *columns, strict=True)
        if shell >= 0 and (u, j) != (0, 0)
    }
    return f"LDAUTYPE {run.whole('LDAUTYPE') or 2}: {'; '.join(sorted(parts))}" if parts else "none"


def _list(text: str | None) -> list[float]:
    try:
        return [value for value in values(text or "", (1,)) if math.isfinite(value)]
    except ValueError:
        return []


def _solvation(run: Run) -> str:
    if not run.is_true("LSOL"):
        return "none" if run.tag("ISPIN") is not None else ""
    constant = run.real("EB_K")
    return "VASPsol" if constant is None else f"VASPsol, permittivity {constant:g}"


def _accuracy(run: Run) -> str:
    precision = (run.tag("PREC") or "").strip().lower()[:1]
    words = [f"PREC {name}" for name in PRECISIONS if precision == name[0].lower()]
    words += [f"LREAL {'on' if run.is_true('LREAL') else 'off'}"] if run.tag("LREAL") is not None else []
    words += [name for name in ("LASPH", "LDIPOL", "LMONO") if run.is_true(name)]
    words += [f"IDIPOL {direction}"] if (direction := run.whole("IDIPOL")) else []
    field_vector = _list(run.tag("EFIELD_PEAD"))
    words += [f"EFIELD_PEAD {' '.join(f'{value:g}' for value in field_vector)} eV/Å"] if any(field_vector) else []
    return ", ".join(words)


def _extras(run: Run) -> str:
    """What the OUTCAR of VASP before 6 does not tell, since it does not repeat INCAR."""
    words = ["ADDGRID"] if run.is_true("ADDGRID") else []
    words += [f"I_CONSTRAINED_M {kind}"] if (kind := run.whole("I_CONSTRAINED_M")) else []
    words += [f"EFIELD {field:g} eV/Å"] if (field := run.real("EFIELD")) else []
    is_told = bool(run.given) or run.tag("ADDGRID") is not None
    return ", ".join(words) or ("none" if is_told else "")
