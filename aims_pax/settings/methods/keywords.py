"""Keywords by which programs of electronic structure are told charge and spin."""

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
