"""A fitted GAP: the XML of its own program, which is also the file of a model."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aims_pax.errors import ModelError, Problem

LABEL: Final = "GAP_aims_pax"
"""In the place of the date and time that gap_fit gives as a name: equal fits are equal files."""

_E0: Final = re.compile(r'<e0 Z="(\d+)" value="([^"]*)"/>')
_ROOT: Final = re.compile(r"\A\s*(?:<\?xml[^>]*\?>\s*)?<(GAP_\w+)>")

MOST_E0: Final = 110
"""gap_fit lists an energy for each element there is, known or not; files of this program for those that are known."""


@dataclass(frozen=True, slots=True)
class GapPotential:
    """One fitted potential without the energies of its atoms, which are added elsewhere.

    Parameters
    ----------
    text : str
        XML with energies of zero for free atoms.
    key : str
        A short text that equal potentials share, and no others.
    """

    text: str
    key: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", hashlib.sha256(self.text.encode()).hexdigest())

    @property
    def content(self) -> bytes:
        """What quippy is given."""
        return self.text.encode()

    @property
    def descriptors(self) -> tuple[str, ...]:
        """What is fitted, as gap_fit has written it out element by element."""
        return tuple(one.strip() for one in re.findall(r"<descriptor>(.*?)</descriptor>", self.text, flags=re.DOTALL))

    @property
    def cutoff_ang(self) -> float:
        """Pairs up to this distance matter, Å."""
        return max(
            float(word) for word in re.findall(r"\b(?:cutoff|rcut_hard)=([\d.eE+-]+)", " ".join(self.descriptors))
        )

    @property
    def described(self) -> tuple[int, ...]:
        """Elements that a descriptor speaks of."""
        said = " ".join(self.descriptors)
        found = re.findall(r"\b(?:Z\d?|species_Z)=(?:\{([\d\s]*)\}|(\d+))", said)
        return tuple(sorted({int(word) for one in found for word in " ".join(one).split() if int(word) > 0}))

    def file_text(self, atomic_energies_ev: Mapping[int, float]) -> str:
        """The XML with these energies of free atoms: what QUIP, quippy and LAMMPS read."""
        lines = "\n    ".join(f'<e0 Z="{z}" value="{energy!r}"/>' for z, energy in sorted(atomic_energies_ev.items()))
        return self.text.replace("</GAP_data>", f"  {lines}\n  </GAP_data>", 1)


def of_text(text: str) -> tuple[GapPotential, dict[int, float]]:
    """The potential in an XML of gap_fit or of this program, and the energies of free atoms in it, eV.

    Raises
    ------
    ValueError
        It is none.
    """
    root = _ROOT.match(text)
    if root is None or "</GAP_data>" not in text or "<gpSparse" not in text or f"</{root[1]}>" not in text:
        raise ValueError("it is no GAP")
    if "sparseX_filename" in text:
        raise ValueError("its sparse points are in files of their own; fit it with sparse_separate_file=F")
    energies = {int(z): float(value) for z, value in _E0.findall(text)}
    bare = re.sub(r"[ \t]*" + _E0.pattern + r"\s*\n?", "", text)
    # The command that has made it names a folder which is gone, and the seed.
    bare = re.sub(r"\s*<command_line>.*?</command_line>", "", bare, flags=re.DOTALL).replace(root[1], LABEL)
    potential = GapPotential(bare)
    if not potential.descriptors:
        raise ValueError("it has no descriptors")
    if len(energies) > MOST_E0:
        energies = {z: energies[z] for z in potential.described}
    return potential, energies


def read_potentials(paths: Sequence[Path]) -> list[tuple[GapPotential, dict[int, float]]]:
    """The potentials in some files.

    Raises
    ------
    ModelError
        There are none, or one is missing or no GAP.
    """
    if not paths:
        raise ModelError(Problem(where="models", found="no model file is given", allowed="one file or more"))
    found = []
    for path in paths:
        try:
            found.append(of_text(Path(path).read_text(encoding="utf-8")))
        except FileNotFoundError as cause:
            raise ModelError(Problem(where=str(path), found="is not a file")) from cause
        except (OSError, ValueError) as cause:
            words = f"can't be read as a GAP ({cause})"
            raise ModelError(Problem(where=str(path), found=words, allowed="XML files of gap_fit")) from cause
    return found


def holds_gap(path: Path) -> bool:
    """Whether a file is a model of GAP: XML that begins as such."""
    try:
        with Path(path).open("rb") as file:
            return _ROOT.match(file.read(512).decode("utf-8", errors="replace")) is not None
    except OSError:
        return False
