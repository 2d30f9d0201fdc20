"""Electron counting that several engines share."""

from typing import Final

from aims_pax.settings.methods.charges import spin_problem

__all__ = ["ground_state_multiplicity", "spin_problem"]

_MULTIPLICITIES: Final = (
    (2, 1),  # H, He
    (2, 1, 2, 3, 4, 3, 2, 1),  # Li to Ne
    (2, 1, 2, 3, 4, 3, 2, 1),  # Na to Ar
    (2, 1, 2, 3, 4, 7, 6, 5, 4, 3, 2, 1, 2, 3, 4, 3, 2, 1),  # K to Kr
    (2, 1, 2, 3, 6, 7, 6, 5, 4, 1, 2, 1, 2, 3, 4, 3, 2, 1),  # Rb to Xe
    (2, 1, 2, 1, 4, 5, 6, 7, 8, 9, 6, 5, 4, 3, 2, 1),  # Cs to Yb
    (2, 3, 4, 5, 6, 5, 4, 3, 2, 1, 2, 3, 4, 3, 2, 1),  # Lu to Rn
    (2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 6, 5, 4, 3, 2, 1, 2),  # Fr to Lr
)
"""2S + 1 of the ground level of each element, by period."""

_BY_NUMBER: Final = tuple(one for period in _MULTIPLICITIES for one in period)


def ground_state_multiplicity(number: int) -> int | None:
    """Spin multiplicity 2S + 1 of a free atom in its ground state; None beyond lawrencium, where none was measured.

    Notes
    -----
    Ground levels of the NIST Atomic Spectra Database (version 5, Ground States and Ionization Energies), of those who
    are named by LS coupling the S of that name. Lead is the triplet of its name, though its level is nearly that of jj
    coupling.
    """
    return _BY_NUMBER[number - 1] if 0 < number <= len(_BY_NUMBER) else None
