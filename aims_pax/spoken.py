"""Charge and spin as files of all programs speak of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

CHARGE_NAMES: Final = ("charge", "total_charge", "tot_charge", "net_charge", "ref_charge", "ref_total_charge")
MULTIPLICITY_NAMES: Final = ("multiplicity", "spin_multiplicity", "mult", "ref_multiplicity")
UNPAIRED_NAMES: Final = ("n_unpaired", "num_unpaired_electrons", "unpaired_electrons", "nunpaired", "uhf")
SPIN_NAMES: Final = ("spin", "total_spin", "ref_total_spin")
"""Programs mean by these 2S + 1 (MACE, ORCA), 2S (PySCF) or S."""

_SAME: Final = 1e-6

SPOKEN: Final = "charge"
"""What a calculator of ASE says has changed where charge or spin has, which ASE does not look at."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a structure's facts say of its charge and spin.

    Parameters
    ----------
    charge : float or None
        Total charge, elementary charges.
    multiplicities : tuple of float
        What 2S + 1 may be, the likeliest first. More than one where it says `spin`: programs mean by that 2S + 1, 2S
        or S.
    words : str
        As it stands there: ``charge=1 spin=2``.
    conflict : str
        What of it can't be true together: ``charge=1 and total_charge=0``; else empty.
    """

    charge: float | None = None
    multiplicities: tuple[float, ...] = ()
    words: str = ""
    conflict: str = ""

    def whole_charge(self) -> int | None:
        """The charge, where it is a whole number."""
        return _whole(self.charge)

    def multiplicity(self, numbers: Sequence[int]) -> int | None:
        """2S + 1, of what it may be the first that these atoms can have; None where nothing is said, or none fits.

        Parameters
        ----------
        numbers : sequence of int
            Atomic numbers of all atoms. With the charge they say whether 2S + 1 is even or odd, which leaves one of
            2S + 1 and 2S.
        """
        charge = _whole(0.0 if self.charge is None else self.charge)
        meant = [one for one in map(_whole, self.multiplicities) if one is not None and one >= 1]
        if charge is None or len(self.multiplicities) < 2:
            return meant[0] if meant else None
        n_electrons = int(sum(numbers)) - charge
        return next((one for one in meant if (n_electrons - one) % 2), None)


def spoken_of(facts: Mapping[str, Any], *, charge_key: str = "", spin_key: str = "") -> Spoken:
    """Charge and spin of a structure, by any of the usual names, in any case.

    Parameters
    ----------
    facts : mapping
        Such as the `info` of ASE's atoms.
    charge_key, spin_key : str
        Further names of the total charge and of 2S + 1; nothing else is meant by these.
    """
    numbers = {str(key).lower(): (str(key), value) for key, value in _numbers(facts)}
    charges = [numbers[name] for name in _distinct(charge_key, CHARGE_NAMES) if name in numbers]
    spins = list(_spins(numbers, spin_key.lower()))
    fitting = _common([meant for _, meant in spins])
    conflicts = [" and ".join(_words(charges))] if any(abs(q - charges[0][1]) > _SAME for _, q in charges) else []
    conflicts += [" and ".join(_words([said for said, _ in spins]))] if spins and not fitting else []
    said = [*charges[:1], *[one for one, _ in spins[:1]]]
    return Spoken(
        charge=charges[0][1] if charges else None,
        multiplicities=fitting or (spins[0][1] if spins else ()),
        words=" ".join(_words(said)),
        conflict=", ".join(conflicts),
    )


def _spins(
    numbers: Mapping[str, tuple[str, float]], spin_key: str
) -> Iterator[tuple[tuple[str, float], tuple[float, ...]]]:
    """Each name that speaks of spin with its value, and what 2S + 1 may be by it."""
    for name in _distinct(spin_key, (*MULTIPLICITY_NAMES, *UNPAIRED_NAMES, *SPIN_NAMES)):
        if name not in numbers:
            continue
        value = numbers[name][1]
        if name in (spin_key, *MULTIPLICITY_NAMES):
            meant: tuple[float, ...] = (value,)
        elif name in UNPAIRED_NAMES:
            meant = (abs(value) + 1,)
        else:
            meant = tuple(dict.fromkeys(one for one in (value, value + 1, 2 * value + 1) if one >= 1))
        yield numbers[name], meant


def _common(meant: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """What all of them may mean, in the order of the first."""
    return tuple(one for one in (meant[0] if meant else ()) if all(one in other for other in meant))


def _distinct(first: str, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in (first.lower(), *names) if name))


def _words(said: Sequence[tuple[str, float]]) -> list[str]:
    return [f"{name}={value:g}" for name, value in said]


def _numbers(facts: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in facts.items():
        try:
            if not isinstance(value, bool | str):
                yield name, float(value)
        except (TypeError, ValueError):
            continue


def _whole(value: float | None) -> int | None:
    return int(value) if value is not None and float(value).is_integer() else None


def changed_with_words(changed: list[str], before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    """What has changed of a structure, with its charge and spin, which ASE does not look at.

    Parameters
    ----------
    changed : list of str
        What ASE says.
    before, now : mapping
        `info` of the atoms; None: there were none before.
    """
    is_same = before is None or spoken_of(before) == spoken_of(now)
    return changed if is_same else [*changed, SPOKEN]
