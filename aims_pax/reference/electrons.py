"""Electron counting that several engines share."""

from collections.abc import Sequence


def ground_state_multiplicity(number: int) -> int | None:
    """Spin multiplicity 2S + 1 of a free atom in its ground state; None where the tables contradict themselves.

    Notes
    -----
    2S from `ase.data.ground_state_magnetic_moments`. An entry whose parity can't belong to the element's number of
    electrons (cerium, there) is not used.
    """
    from ase.data import ground_state_magnetic_moments

    if not 0 < number < len(ground_state_magnetic_moments):
        return None
    n_unpaired = round(float(ground_state_magnetic_moments[number]))
    return n_unpaired + 1 if (number - n_unpaired) % 2 == 0 else None


def spin_problem(numbers: Sequence[int], *, charge: int, multiplicity: int) -> str | None:
    """Why this charge and multiplicity can't belong to these atoms; None when they can.

    Parameters
    ----------
    numbers : sequence of int
        Atomic numbers of all atoms.
    """
    n_electrons = sum(numbers) - charge
    n_unpaired = multiplicity - 1
    if n_electrons < 1:
        return f"REFERENCE.charge = {charge} leaves {n_electrons} electrons"
    if n_unpaired > n_electrons or (n_electrons - n_unpaired) % 2:
        fitting = "1, 3, 5, ..." if n_electrons % 2 == 0 else "2, 4, 6, ..."
        return (
            f"{n_electrons} electrons can't have REFERENCE.multiplicity = {multiplicity}; "
            f"set it to one of {fitting}, or correct REFERENCE.charge (now {charge})"
        )
    return None
