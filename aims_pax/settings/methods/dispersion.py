"""Dispersion corrections that are laid over a reference or a model."""

from collections.abc import Iterator
from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import Field

from aims_pax.settings.reading.kinds import Text
from aims_pax.settings.section import Contradiction, Section

Damping = Literal["bj", "zero", "bjm", "zerom", "op"]
"""Damping functions of D3, as torch-dftd and s-dftd3 name them; bj is Becke and Johnson's, also called rational."""

DispersionCutoff = Annotated[float, Ge(1), Le(100)]
"""Å; pairs fade out over the last one."""


class DispersionSettings(Section):
    """Energy, forces and stress of London dispersion, added to the reference's own."""

    method: Literal["d2", "d3", "d4"] = Field(
        "d3",
        description="D3 by s-dftd3, D4 by dftd4, or Grimme's D2 of 2006. D4 depends on the charge. D2 is for hydrogen "
        "to xenon, and pbe, blyp, bp, b3lyp, tpss or b97-d.",
    )
    xc: Text = Field(description="Functional whose damping parameters are taken, as the reference's own: pbe, b3lyp.")
    damping: Damping = Field("bj", description="Damping at short distances. D4 has only bj.")
    three_body: bool = Field(
        False, description="Whether D3 includes the three-body term of Axilrod, Teller and Muto. D4 always does."
    )
    cutoff: DispersionCutoff | None = Field(
        None,
        description="Distance up to which pairs are summed, Å. They fade out over the last 1 Å. 31.8 Å (60 Bohr) when "
        "not given.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        for key in ("damping", "three_body"):
            if self.method == "d2" and self.is_set(key):
                yield Contradiction(key, f"{key} is given, and D2 has no choice of it.", "Remove it.")
        if self.method == "d4" and self.damping != "bj":
            yield Contradiction("damping", f"damping is {self.damping}, and D4 has only bj.", "Remove it.")
        if self.method == "d4" and self.is_set("three_body") and not self.three_body:
            yield Contradiction("three_body", "three_body is false, and D4 always includes it.", "Remove it.")
