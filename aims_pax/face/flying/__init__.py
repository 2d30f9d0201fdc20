"""MD and relaxations of ASE by models that are checked against the reference on the way."""

from aims_pax.face.flying.beginning import fly
from aims_pax.face.flying.calculator import FlyingCalculator

__all__ = ["FlyingCalculator", "fly"]
