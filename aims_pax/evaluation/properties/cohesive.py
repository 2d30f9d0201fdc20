"""What holds atoms together, against free atoms."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from aims_pax.evaluation.properties.effort import Effort
from aims_pax.evaluation.properties.property import Measured, Quantity, Unmeasurable, Usual
from aims_pax.evaluation.properties.specimen import Specimen

if TYPE_CHECKING:
    from ase import Atoms

STRANGE_ATOM_EV: Final = 0.1
"""What a model may be off the energies of free atoms that it was given, when it computes a single atom."""


@dataclass(frozen=True, slots=True)
class CohesiveEnergy(Usual):
    """Energy that it takes to part a relaxed structure into free atoms; of a molecule its atomization energy."""

    NAME: ClassVar = "cohesive"
    TITLE: ClassVar = "cohesive energy"

    def unfit(self, atoms: "Atoms") -> str | None:
        """A single free atom."""
        if len(atoms) == 1 and not atoms.pbc.any():
            return "it is a free atom"
        return None

    def effort(self, atoms: "Atoms") -> Effort:
        """A free atom of each element."""
        return Effort(0, len(set(atoms.numbers)), len(atoms))

    def measure(self, specimen: Specimen) -> Measured:
        """By atom, positive where it is bound."""
        bound = specimen.energy(specimen.relaxed)
        free = sum(specimen.free_atom_energy(int(number)) for number in specimen.atoms.numbers)
        energy = (free - bound) / len(specimen.atoms)
        remarks = [] if energy > 0 else ["by this method it is not bound"]
        remarks += _remarks_on_atoms(specimen)
        quantity = Quantity("cohesive_energy_ev_per_atom", "cohesive energy", "eV/atom", energy, least=0.01)
        return Measured((quantity,), remarks=tuple(remarks))


def _remarks_on_atoms(specimen: Specimen) -> list[str]:
    """Whether a model computes single atoms as it was told that they are: few have learned what is left of bonds."""
    given = specimen.method.given_atoms_ev
    try:
        off = [specimen.single_atom_energy(z) - given[z] for z in set(map(int, specimen.atoms.numbers)) if z in given]
    except Unmeasurable:
        return []
    far_ev = max(map(abs, off), default=0.0)
    if far_ev < STRANGE_ATOM_EV:
        return []
    words = f"against the free atoms that it was given; single atoms as it computes them are up to {far_ev:.2g} eV off"
    return [f"{words}, so that it does not know how it comes apart"]
