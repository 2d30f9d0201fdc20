"""What holds atoms together, against free atoms."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from aims_pax.evaluation.properties.property import Measured, Quantity, Usual
from aims_pax.evaluation.properties.specimen import Specimen

if TYPE_CHECKING:
    from ase import Atoms


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

    def measure(self, specimen: Specimen) -> Measured:
        """By atom, positive where it is bound."""
        bound = specimen.energy(specimen.relaxed)
        free = sum(specimen.free_atom_energy(int(number)) for number in specimen.atoms.numbers)
        energy = (free - bound) / len(specimen.atoms)
        remarks = () if energy > 0 else ("by this method it is not bound",)
        quantity = Quantity("cohesive_energy_ev_per_atom", "cohesive energy", "eV/atom", energy, least=0.01)
        return Measured((quantity,), remarks=remarks)
