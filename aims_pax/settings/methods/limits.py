"""What every reference shares, whatever its engine."""

from collections.abc import Hashable, Mapping
from typing import ClassVar

from pydantic import Field

from aims_pax.frame import Frame
from aims_pax.settings.methods.dispersion import DispersionSettings
from aims_pax.settings.reading.kinds import Positive
from aims_pax.settings.section import Section


class LabelLimits(Section):
    """What every reference shares."""

    OWN_PROCESS: ClassVar[bool] = False
    """Whether the engine needs a process of its own beside the worker, also when no walltime is set."""

    FREE_ATOMS: ClassVar[bool] = True
    """Whether the method may know the energies of free atoms."""

    STRESS: ClassVar[bool] = True
    """Whether the method may give crystals a stress."""

    max_force_ev_per_ang: Positive = Field(
        30.0,
        description="Largest force on an atom that a label to learn from may hold, eV/Å. One beyond is stored and kept "
        "out: its structure is far from anything that the model should learn. It returns when the limit is raised.",
    )
    walltime_s: Positive | None = Field(
        None,
        description="Longest time for a label, s. One that takes longer is ended and counts as failed; labels then "
        "run in a process of their own beside the worker. No limit when not given.",
    )
    dispersion: DispersionSettings | None = Field(
        None,
        description="Dispersion correction on top of the method, by the functional it is for: {xc: pbe}. None when not "
        "given; needs aims-pax[dispersion].",
    )

    @property
    def launcher(self) -> tuple[str, ...]:
        """Words of the command that starts the engine's own process; empty: it is started directly."""
        return ()

    @property
    def own_environment(self) -> Mapping[str, str]:
        """Environment variables of the engine's own process, besides those of the worker."""
        return {}

    def session(self, frame: Frame, *, want_stress: bool) -> Hashable:
        """What may not change from one frame to the next for one engine's process to label both."""
        return None
