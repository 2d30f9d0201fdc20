"""One entry of a campaign's list of stages."""

from dataclasses import dataclass, field
from typing import TypeVar

from aims_pax.settings.reading.document import KeyPath, dotted
from aims_pax.settings.section import Section

S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One entry of a campaign.

    Parameters
    ----------
    kind : str
        One of :data:`aims_pax.settings.stages.kinds.KINDS`.
    name : str
        What it is called in the run's store, in figures and in what a person reads; no other entry has it.
    settings : Section
        Of its kind.
    keys : KeyPath
        Where it is written: in STAGES, or a section of v0.2.
    is_implied : bool
        Whether nobody wrote it: the training on a dataset that is brought along. Members that were trained elsewhere
        and disagree do without.
    """

    kind: str
    name: str
    settings: Section
    keys: KeyPath = field(default=(), compare=False)
    is_implied: bool = False

    def read_as(self, model: type[S]) -> S:
        """Its settings, as those of its kind.

        Raises
        ------
        TypeError
            It is of another kind.
        """
        if not isinstance(self.settings, model):
            raise TypeError(f"{self.name} has {type(self.settings).__name__}, and not {model.__name__}")
        return self.settings

    def said(self, key: str = "") -> str:
        """It, or a setting of it, as it is written: ``ACTIVE_LEARNING.c_x``, ``STAGES.2.learn.c_x``."""
        return dotted((*self.keys, key) if key else self.keys)
