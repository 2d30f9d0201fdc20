"""Entries of a small database, as documents of the Materials Project and of OPTIMADE.

Forms are those of emmet-core 0.87.3 (SummaryDoc), of pymatgen's dictionaries and of OPTIMADE v1.2. Structures and
energies are ours: cells by experiment or by hand, energies of about the size that the real ones have.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from math import gcd
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk

Document = dict[str, Any]


@dataclass(frozen=True)
class Material:
    """One entry.

    Parameters
    ----------
    name : str
    atoms : Atoms
    space_group : tuple of symbol and number
    energy_ev : float
        Per atom, uncorrected.
    above_hull_ev : float
        Per atom.
    deprecated : bool
    shares : mapping of int to mapping of str to float
        What stands at a site besides the whole atom that ASE has there: its species and their shares.
    """

    name: str
    atoms: Atoms
    space_group: tuple[str, int]
    energy_ev: float
    above_hull_ev: float = 0.0
    deprecated: bool = False
    shares: Mapping[int, Mapping[str, float]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """The composition in its smallest whole numbers."""
        counts: dict[str, int] = self.atoms.symbols.formula.count()
        common = reduce(gcd, counts.values())
        return {symbol: counts[symbol] // common for symbol in sorted(counts)}

    def summary(self) -> Document:
        """As the Materials Project's summary has it."""
        elements = list(self.counts)
        return {
            "material_id": self.name,
            "formula_pretty": _formula(self.counts),
            "composition_reduced": {symbol: float(number) for symbol, number in self.counts.items()},
            "elements": elements,
            "nelements": len(elements),
            "chemsys": "-".join(elements),
            "nsites": len(self.atoms),
            "symmetry": {"crystal_system": "Cubic", "symbol": self.space_group[0], "number": self.space_group[1]},
            "uncorrected_energy_per_atom": self.energy_ev,
            "energy_per_atom": self.energy_ev - 0.1,
            "formation_energy_per_atom": -1.0,
            "energy_above_hull": self.above_hull_ev,
            "is_stable": self.above_hull_ev == 0,
            "band_gap": 5.0,
            "ordering": "NM",
            "total_magnetization": 0.0,
            "theoretical": False,
            "deprecated": self.deprecated,
            "last_updated": "2026-01-02T03:04:05.000000",
            "origins": [
                {"name": "structure", "task_id": "mp-1", "last_updated": "2026-01-02T03:04:05"},
                {"name": "energy", "task_id": "mp-2", "last_updated": "2026-01-02T03:04:05"},
            ],
            "builder_meta": {"license": "BY-C", "database_version": "2026.1.1"},
            "structure": self._pymatgen(),
        }

    def resource(self) -> Document:
        """As OPTIMADE's structures have it."""
        symbols = self.atoms.get_chemical_symbols()
        mixed = {index: "-".join(shares) for index, shares in self.shares.items()}
        names = [mixed.get(index, symbol) for index, symbol in enumerate(symbols)]
        species = {symbol: {symbol: 1.0} for symbol in symbols} | {mixed[i]: dict(s) for i, s in self.shares.items()}
        attributes = {
            "immutable_id": f"http://localhost/structures/{self.name}@1",
            "last_modified": "2026-01-02T03:04:05Z",
            "elements": list(self.counts),
            "nelements": len(self.counts),
            "nsites": len(self.atoms),
            "chemical_formula_reduced": "".join(f"{s}{'' if n == 1 else n}" for s, n in self.counts.items()),
            "dimension_types": [int(one) for one in self.atoms.pbc],
            "nperiodic_dimensions": int(self.atoms.pbc.sum()),
            "lattice_vectors": [
                row.tolist() if row.any() else [None] * 3 for row in np.asarray(self.atoms.cell.array, dtype=float)
            ],
            "cartesian_site_positions": self.atoms.positions.tolist(),
            "species_at_sites": names,
            "species": [
                {"name": name, "chemical_symbols": list(species[name]), "concentration": list(species[name].values())}
                for name in dict.fromkeys(names)
            ],
            "structure_features": ["disorder"] if self.shares else [],
            "assemblies": None,
        }
        return {"type": "structures", "id": self.name, "attributes": attributes}

    def _pymatgen(self) -> Document:
        cell = self.atoms.cell
        scaled = self.atoms.get_scaled_positions(wrap=False) if self.atoms.pbc.all() else self.atoms.positions
        sites = []
        for index, (symbol, abc, xyz) in enumerate(
            zip(self.atoms.get_chemical_symbols(), scaled, self.atoms.positions, strict=True)
        ):
            shares = self.shares.get(index, {symbol: 1})
            species = [{"element": one, "occu": share} for one, share in shares.items()]
            site = {"species": species, "abc": abc.tolist(), "xyz": xyz.tolist(), "label": symbol, "properties": {}}
            sites.append(site)
        a, b, c, alpha, beta, gamma = (float(one) for one in cell.cellpar())
        lattice = {"matrix": cell.tolist(), "pbc": [bool(one) for one in self.atoms.pbc], "a": a, "b": b, "c": c}
        lattice |= {"alpha": alpha, "beta": beta, "gamma": gamma, "volume": float(cell.volume)}
        return {
            "@module": "pymatgen.core.structure",
            "@class": "Structure",
            "charge": 0,
            "lattice": lattice,
            "sites": sites,
        }


def _formula(counts: Mapping[str, int]) -> str:
    metals_first = sorted(counts, key=lambda symbol: (symbol in ("O", "N", "F", "Cl", "S"), symbol))
    return "".join(f"{one}{'' if counts[one] == 1 else counts[one]}" for one in metals_first)


def corundum() -> Atoms:
    """Al2O3 in its rhombohedral cell of ten atoms: a = 5.128 Å, 55.28°, w = 0.352, u = 0.556 (Newnham, 1962)."""
    w, u = 0.352, 0.556
    aluminium = [[w] * 3, [0.5 - w] * 3, [-w] * 3, [0.5 + w] * 3]
    oxygen = [[u, 0.5 - u, 0.25], [0.5 - u, 0.25, u], [0.25, u, 0.5 - u]]
    oxygen += [[-one for one in site] for site in oxygen]
    cell = [5.128, 5.128, 5.128, 55.28, 55.28, 55.28]
    return Atoms("Al4O6", scaled_positions=aluminium + oxygen, cell=cell, pbc=True)


def interleaved() -> Atoms:
    """MgO in its cubic cell, its sites by turns of the one element and of the other."""
    return bulk("MgO", "rocksalt", a=4.212, cubic=True)


MATERIALS = (
    Material("mp-22862", bulk("NaCl", "rocksalt", a=5.640), ("Fm-3m", 225), -3.39),
    Material("mp-22851", bulk("NaCl", "cesiumchloride", a=3.44), ("Pm-3m", 221), -3.30, 0.09),
    Material("mp-149", bulk("Si", "diamond", a=5.431), ("Fd-3m", 227), -5.42),
    Material("mp-27", bulk("Si", "fcc", a=3.87), ("Fm-3m", 225), -4.88, 0.54),
    Material("mp-1143", corundum(), ("R-3c", 167), -7.40),
    Material("mp-134", bulk("Al", "fcc", a=4.046), ("Fm-3m", 225), -3.75),
    Material("mp-1265", interleaved(), ("Fm-3m", 225), -5.97),
    Material("mp-3536", bulk("Au", "fcc", a=4.078), ("Fm-3m", 225), -3.27, 0.2, deprecated=True),
    Material("mp-9999", bulk("NaCl", "rocksalt", a=5.7), ("Fm-3m", 225), -3.3, 0.3, shares={0: {"Na": 0.5, "K": 0.5}}),
)
"""Rock salt, silicon and corundum under the names that the Materials Project has for them, and some for its traps."""
