"""Keywords by which programs of electronic structure are told charge, spin and k points."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

CHARGE: Final = ("charge", "tot_charge", "total_charge", "net_charge", "netcharge", "cellcharge")
CHARGE_OTHERWISE: Final = ("nelect", "nelectrons", "hamiltonian_charge")
SPIN: Final = ("spin", "mult", "multiplicity", "ispin", "nspin", "nsppol", "spinpol", "nupdown", "magmom")
SPIN_STARTS: Final = ("tot_magnetization", "starting_magnetization", "spin_", "hamiltonian_spinpol", "occupations")
MOMENT: Final = ("tot_magnetization", "nupdown", "spinmagntarget", "spin_fix", "spin.total", "spintotal", "fixmagmom")
"""Of these, and `spin` of CASTEP, which fix the total moment."""

MOLECULE_KEYWORDS: Final = (("charge", "charge"), ("multiplicity", "mult"), ("multiplicity", "multiplicity"))
"""Of programs for molecules, after what is meant."""


K_POINTS: Final = re.compile(r"(?<!l)k_?(pt|point|grid|spacing)|ngkpt|kptrlen")
"""Programs' own keywords of k points, in small letters. LKPOINTS_OPT of VASP says nothing of them."""


def is_of_charge(name: str) -> bool:
    """Whether a keyword of any program, in small letters, speaks of charge or spin."""
    return name in (*CHARGE, *CHARGE_OTHERWISE, *SPIN) or name.startswith(SPIN_STARTS)


def flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Keywords in small letters and their values, whatever sections they stand in."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value)
        else:
            yield str(key).lower(), value


def fixes_spin(name: str, value: Any) -> bool:
    """Whether a keyword of any program, in small letters, says more of spin than that it may be polarised."""
    polarised = value is True or (type(value) is int and value == 2) or value in ("collinear", "polarized")
    return name in MOMENT or (name in SPIN and not polarised)


def names(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Keywords in small letters, whatever sections they stand in; those of ABINIT's lines in `raw`, too."""
    yield from (name for name, _ in flat(parameters))
    raw = parameters.get("raw")
    for line in raw if isinstance(raw, list | tuple) else ():
        words = line if isinstance(line, list | tuple) else str(line).split()
        yield from (str(word).lower() for word in words[:1])


def says_k_points(parameters: Mapping[str, Any]) -> bool:
    """Whether arguments of a calculator tell k points in any of its own keywords; `kptopt` alone does not."""
    return any(name != "kptopt" and K_POINTS.search(name) for name in names(parameters))
