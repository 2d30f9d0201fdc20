"""What ABINIT is told: arguments of ASE's calculator, and cutoffs that pseudopotentials recommend."""

import json
import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from aims_pax.reference.programs.engine_run import EngineRun
from aims_pax.reference.programs.precision import plain, precision_of
from aims_pax.settings.methods.engines import AbinitSettings, Protocol
from aims_pax.settings.methods.keywords import names
from aims_pax.units import HARTREE_EV

HINTS: Final[dict[Protocol, tuple[str, str]]] = {
    "fast": ("low", "low"),
    "balanced": ("normal", "medium"),
    "stringent": ("high", "high"),
}
"""What PseudoDojo's .djrepo, and the tag pw_ecut of PAW datasets, call the cutoff of each protocol."""

_PW_ECUT: Final = re.compile(r"<pw_ecut\s[^>]*>")
_HEAD: Final = 2**16
"""Bytes of a PAW dataset that are searched: the tag stands before all numbers."""


def abinit_arguments(run: EngineRun) -> dict[str, Any]:
    """What ASE's calculator of ABINIT is told.

    Notes
    -----
    The fine grid of PAW has twice the cutoff, as ABINIT's own `accuracy` 5 has it.
    """
    charge = {"cellcharge": run.charge} if run.charge else {}
    spin = {} if run.moment is None else {"nsppol": 2, "spinmagntarget": run.moment}
    arguments = run.arguments(optstress=int(run.want_stress), chksymtnons=0, **charge, **spin)
    if run.precision is None:
        return arguments
    if run.centred is not None:
        arguments.pop("kpts", None)  # which ASE would move off the Γ point
        arguments = {"ngkpt": list(run.centred), "nshiftk": 1, "shiftk": [0.0, 0.0, 0.0], **arguments}
    cutoff = recommended_ev(run.settings, sorted(set(run.atoms.numbers.tolist())))
    if cutoff is not None and not _says_cutoff(run.settings):
        dense = {"pawecutdg": 2 * cutoff} if str(arguments.get("pps", "")).startswith("paw") else {}
        arguments = {"ecut": cutoff, **dense, **arguments}
    return arguments


def recommended_ev(settings: AbinitSettings, numbers: Sequence[int]) -> float | None:
    """The largest cutoff that pseudopotentials of these elements recommend, eV; None where one has none.

    Recommended is what stands in a file `Element.djrepo` beside PseudoDojo's, and in PAW datasets (.xml) themselves.
    """
    from ase.io.abinit import get_ppp_list

    told = settings.parameters
    if settings.protocol is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = get_ppp_list(
            None,
            numbers,
            raise_exception=False,
            xc=told.get("xc", "LDA"),
            pps=told.get("pps", "fhi"),
            search_paths=[str(settings.pseudo_dir)],
        )
    found = [_recommended(Path(file), settings.protocol) for file in files]
    known = [cutoff for cutoff in found if cutoff is not None]
    return max(known) * HARTREE_EV if known and len(known) == len(numbers) else None


def _recommended(file: Path, protocol: Protocol) -> float | None:
    """The cutoff that one pseudopotential recommends, Ha; None where it does not."""
    dojo, paw = HINTS[protocol]
    try:
        if (beside := file.with_suffix(".djrepo")).is_file():
            return _positive(json.loads(beside.read_text(encoding="utf-8"))["hints"][dojo]["ecut"])
        if file.suffix == ".xml" and (tag := _PW_ECUT.search(file.read_bytes()[:_HEAD].decode(errors="replace"))):
            said = re.search(rf'\b{paw}\s*=\s*["\']([^"\']*)', tag[0])
            return None if said is None else _positive(said[1])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None


def _positive(cutoff: Any) -> float | None:
    """A cutoff; None where a table has a place for one, and no number there."""
    number = float(cutoff)
    return number if math.isfinite(number) and number > 0 else None


def abinit_problems(settings: AbinitSettings, numbers: Sequence[int]) -> list[str]:
    """A cutoff that is not known, where a protocol should say it."""
    if precision_of(settings) is None or _says_cutoff(settings):
        return []
    if recommended_ev(settings, sorted({int(number) for number in numbers})) is not None:
        return []
    return [
        "the cutoff is not known: set ecut (eV) in REFERENCE.parameters, or put PseudoDojo's Element.djrepo of each "
        "element beside the pseudopotentials, which recommends one for the protocol"
    ]


def _says_cutoff(settings: AbinitSettings) -> bool:
    return any(plain(name) in ("ecut", "accuracy") for name in names(settings.parameters))
