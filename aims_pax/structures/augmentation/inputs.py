"""The structures that others are made from, as they are."""

from collections.abc import Iterator
from dataclasses import replace

from aims_pax.frame import Frame
from aims_pax.settings.augmentation.sources import InputSettings
from aims_pax.structures.augmentation.drafts import Augmentation, Draft


class Inputs(Augmentation[InputSettings]):
    """Gives what it is given, called input, or supercell where it is one."""

    key, kind = "inputs", "input"

    def made_of(self, start: Frame) -> Iterator[Draft]:
        """Itself."""
        frame = self.finished(start)
        yield Draft(replace(frame, config_type=start.config_type or self.kind))
