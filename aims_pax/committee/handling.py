"""How models are run, apart from where and in which precision."""

from dataclasses import dataclass
from typing import Final

from aims_pax.settings.mace import CueqUse


@dataclass(frozen=True, slots=True)
class Handling:
    """How models are run. It need not be the same each time: it changes no number by more than rounding.

    Parameters
    ----------
    compiled : bool
        Whether PyTorch's compiler makes them faster, see :class:`CompiledPasses`.
    moves_cells : bool
        Whether MD will ask for stress, so that passes with stress are compiled at once and not in the middle of a run.
    cueq : CueqUse
        What cuEquivariance is used for, see :class:`CueqPasses`; not together with the compiler.
    """

    compiled: bool = False
    moves_cells: bool = False
    cueq: CueqUse = CueqUse.NOTHING


AS_IT_IS: Final = Handling()
"""As MACE builds them."""
