"""Names of functionals: pw.x prints the same one differently from version to version, its indices always alike."""

import re
from collections.abc import Mapping
from typing import Final

_NAMES: Final[Mapping[tuple[int, ...], str]] = {
    (1, 1): "LDA-PZ",
    (1, 4): "LDA-PW",
    (1, 4, 3, 4): "PBE",
    (1, 4, 10, 8): "PBEsol",
    (1, 4, 4, 4): "revPBE",
    (1, 4, 2, 2): "PW91",
    (1, 3, 1, 3): "BLYP",
    (1, 1, 1, 1): "BP",
    (1, 4, 11, 4): "WC",
    (6, 4, 8, 4): "PBE0",
    (7, 12, 9, 7): "B3LYP",
    (1, 4, 12, 4): "HSE",
    (1, 4, 7, 6, 1): "TPSS",
    (1, 4, 4, 0, 1): "vdW-DF",
    (1, 4, 27, 13, 2): "BEEF-vdW",
}
"""By indices without trailing zeros, from the table in Modules/funct.f90. Six numbers and the seventh, of meta-GGAs and
of van der Waals functionals, are not told apart in all versions: what is not here keeps its printed name."""
_SHARES: Final[Mapping[str, float]] = {"PBE0": 0.25, "HSE": 0.25, "B3LYP": 0.2}
_MARK: Final = re.compile(r"Exchange-correlation\s*=")
_INDICES: Final = re.compile(r"\(\s*([\d\s.]+)\)")


def functional_of(printed: str) -> str:
    """A functional's name in one spelling.

    Parameters
    ----------
    printed : str
        What follows `Exchange-correlation=`, with the line of indices: `SLA PW PBX PBC (1 4 3 4 0 0 0)`.
    """
    text = _MARK.sub("", printed)
    found = _INDICES.search(text)
    name = " ".join(text[: found.start()].split() if found else text.split())
    if found is None:
        return name
    digits = found.group(1).replace(".", " ").split()
    indices = [int(one) for one in (digits[0] if len(digits) == 1 else digits)]
    while indices and indices[-1] == 0:
        indices.pop()
    return _NAMES.get(tuple(indices), f"{name} ({' '.join(map(str, indices))})")


def hybrid_of(name: str, share: float | None) -> str:
    """The name with its share of exact exchange, where that is not the functional's own."""
    if not share or share == _SHARES.get(name.upper()) or "exact exchange" in name:
        return name
    return f"{name}, {share:g} exact exchange"
