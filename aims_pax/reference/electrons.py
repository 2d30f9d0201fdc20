"""Electron counting that several engines share."""

from aims_pax.settings.methods.charges import spin_problem

__all__ = ["ground_state_multiplicity", "spin_problem"]


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
