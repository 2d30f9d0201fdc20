"""Outputs of a program that does not exist, a line of JSON a step: what gathering does is tried without any reader."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from aims_pax.calculations.lines import Lines
from aims_pax.calculations.method import Aspect, Method
from aims_pax.calculations.reader import Reader, Steps
from aims_pax.calculations.step import Closing, Convergence, Ended, Step

HEAD: Final = "FAKE OUTPUT"
END: Final = "FAKE END"
SPRING: Final = 2.0
"""eV/Å²: of each atom to its place, so that energies and forces belong together."""

SILICON: Final = ((0.0, 0.0, 0.0), (1.36, 1.36, 1.36))
CELL: Final = ((0.0, 2.72, 2.72), (2.72, 0.0, 2.72), (2.72, 2.72, 0.0))


@dataclass(frozen=True)
class Settings:
    """What an output tells of its method."""

    program: str = "FAKE"
    version: str = "1.0"
    aspects: Mapping[str, str] = field(default_factory=lambda: {"functional": "PBE", "basis": "400 eV"})
    mesh: Sequence[int] | None = (4, 4, 4)
    decimals: Mapping[str, int] = field(default_factory=dict)


def step(
    moved: float = 0.0,
    *,
    seed: int = 0,
    places: Any = SILICON,
    cell: Any = CELL,
    symbols: Sequence[int] = (14, 14),
    **changes: Any,
) -> dict[str, Any]:
    """One step: atoms displaced at random by some Å, with springs' energies and forces."""
    ideal = np.array(places)
    shift = moved * np.random.default_rng(seed).normal(size=ideal.shape)
    forces = -SPRING * shift
    forces -= forces.mean(axis=0)
    energy = -10.0 * len(ideal) + 0.5 * float((forces**2).sum()) / SPRING
    known = {
        "numbers": list(symbols),
        "positions": (ideal + shift).tolist(),
        "cell": np.array(cell).tolist(),
        "pbc": [True] * 3,
        "energy": energy,
        "forces": forces.tolist(),
        "stress": [0.01, 0.02, 0.03, 0.001, 0.002, 0.003],
        "convergence": "reached",
    }
    return known | changes


def path_of(n: int, *, moved: float = 0.05, seed: int = 0) -> list[dict[str, Any]]:
    """Steps along a line, of which each is near the one before."""
    return [step(moved * (1 + 0.1 * number), seed=seed) for number in range(n)]


def molecule(energy: float = -30.0, **changes: Any) -> dict[str, Any]:
    """Water without a cell."""
    known = step(places=((0, 0, 0.12), (0, 0.76, -0.48), (0, -0.76, -0.48)), symbols=(8, 1, 1), energy=energy)
    return known | {"cell": np.zeros((3, 3)).tolist(), "pbc": [False] * 3, "stress": None} | changes


def atom(number: int, energy: float, **changes: Any) -> dict[str, Any]:
    """A free atom without a cell, without forces."""
    known = {"numbers": [number], "positions": [[0.0, 0.0, 0.0]], "cell": np.zeros((3, 3)).tolist()}
    known |= {"pbc": [False] * 3, "energy": energy, "forces": None, "stress": None, "convergence": "reached"}
    return known | changes


def write(
    path: Path,
    steps: Sequence[Mapping[str, Any]],
    *,
    settings: Settings | None = None,
    is_cut: bool = False,
    remarks: Sequence[str] = (),
) -> Path:
    """An output."""
    known = settings or Settings()
    facts = {"program": known.program, "version": known.version, "aspects": known.aspects, "mesh": known.mesh}
    facts["decimals"] = known.decimals
    end = [] if is_cut else [END, json.dumps(list(remarks))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEAD, json.dumps(facts), *map(json.dumps, steps), *end]) + "\n")
    return path


def _steps(lines: Lines) -> Steps:
    next(lines)
    facts = json.loads(next(lines))
    aspects = {Aspect(name): said for name, said in facts["aspects"].items()}
    mesh = None if facts["mesh"] is None else tuple(facts["mesh"])
    decimals = {Aspect(name): number for name, number in facts["decimals"].items()}
    method = Method(facts["program"], facts["version"], aspects, mesh, decimals=decimals)
    for line in lines:
        if line == END:
            return Closing(Ended.IN_ORDER, remarks=tuple(json.loads(next(lines))))
        yield _step(json.loads(line), method)
    return Closing(Ended.CUT)


def _step(known: dict[str, Any], method: Method) -> Step:
    if "defect" in known:
        raise KeyError(known["defect"])
    arrays = {name: None if known[name] is None else np.array(known[name], float) for name in ("positions", "cell")}
    arrays |= {name: None if known[name] is None else np.array(known[name], float) for name in ("forces", "stress")}
    return Step(
        method=method,
        numbers=None if known["numbers"] is None else np.array(known["numbers"]),
        pbc=tuple(known["pbc"]),
        energy=known["energy"],
        convergence=Convergence(known["convergence"]),
        flaws=tuple(known.get("flaws", ())),
        remarks=tuple(known.get("remarks", ())),
        charge=known.get("charge"),
        fixed=None if known.get("fixed") is None else np.array(known["fixed"], bool),
        **arrays,
    )


def _recognises(text: str, name: str) -> bool:
    return text.startswith(HEAD)


READERS: Final = (
    Reader("FAKE", "FAKEOUT", ("FAKEOUT*",), lambda text, name: _recognises(text, name) and "xml" not in name, _steps),
    Reader("FAKE", "fakerun.xml", ("fakerun*.xml",), _recognises, _steps, prefers=1),
)
