"""What the structure of a material is like as it moves: distances, angles, neighbours, rings."""

from aims_pax.evaluation.structure.comparison import Functions, StructureComparison, compare, functions_of
from aims_pax.evaluation.structure.function import Curve, Number, Run, Shells

__all__ = ["Curve", "Functions", "Number", "Run", "Shells", "StructureComparison", "compare", "functions_of"]
