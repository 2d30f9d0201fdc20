"""What the structure of a material is like as it moves: distances, angles, neighbours, rings."""

from aims_pax.evaluation.structure.comparison import StructureComparison, compare
from aims_pax.evaluation.structure.function import Curve, Number, Run, Shells

__all__ = ["Curve", "Number", "Run", "Shells", "StructureComparison", "compare"]
