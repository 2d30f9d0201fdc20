"""``SEED.hybrid-md-input.yaml``, the tool's own input file: read strictly, and answered where GAP is meant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from aims_pax.errors import Problem, UserError
from aims_pax.learner.checks import Adaptive, CheckRules, Tolerances

INPUTS: Final = ("hybrid-md-input.yaml", "ml-energy-input.yaml")
"""What the input file is called, after the seed and a dot: until 2023, and since."""

OF_GAP: Final = ("preset_soap_param", "descriptor_str", "default_sigma", "extra_gap_opts", "num_threads")
"""Keys of refit that say how GAP is fitted."""

TOP: Final = (
    *("can_update", "check_interval", "num_initial_steps", "tolerances", "adaptive_method_parameters", "refit"),
)
OF_TOLERANCES: Final = ("ediff", "fmax", "frmse", "vmax")
OF_ADAPTIVE: Final = ("n_min", "n_max", "factor")
OURS: Final = ("first_epochs", "epochs", "from_scratch", "mace")
OF_REFIT: Final = ("function_name", "previous_data", "gp_name", "e0", "e0_method", *OURS, *OF_GAP)

MODEL: Final = "MACE-jit.pt"
"""The file of the model where `gp_name` says nothing: that of CASTEP's demonstration with MACE."""


@dataclass(frozen=True, slots=True)
class Refit:
    """How a model is made.

    Parameters
    ----------
    model : str
        Its file, which CASTEP reads.
    previous_data : tuple of str
        Files of labelled structures that are learned, too.
    e0_ev : mapping of str to float
        Energies of free atoms by symbols; those of other elements are fitted.
    has_free_atoms : bool
        Whether those count, too, that are among the previous data (`e0_method: isolated`).
    first_epochs, epochs : int
        Of the first training, and of later ones.
    from_scratch : bool
    mace : str
        A mace.yaml beside the input file; empty for none.
    function : str
        Import path of what trains in the place of this program; empty for none.
    """

    model: str = MODEL
    previous_data: tuple[str, ...] = ()
    e0_ev: Mapping[str, float] = field(default_factory=dict)
    has_free_atoms: bool = False
    first_epochs: int = 200
    epochs: int = 40
    from_scratch: bool = False
    mace: str = ""
    function: str = ""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the input file says.

    Parameters
    ----------
    rules : CheckRules
    refit : Refit
    remarks : tuple of str
        Keys that have no meaning for MACE, in words.
    """

    rules: CheckRules
    refit: Refit
    remarks: tuple[str, ...] = ()


class _Reader:
    """One file, with the lines of its keys; problems are gathered."""

    def __init__(self, path: Path) -> None:
        self._path, self.problems, self._lines = path, list[Problem](), dict[tuple[str, ...], int]()
        text = path.read_text(encoding="utf-8")
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            self.data: Any = yaml.safe_load(text) or {}
        except yaml.YAMLError as cause:
            raise UserError(Problem(str(path), f"This is no YAML: {' '.join(str(cause).split())}")) from cause
        if isinstance(node, yaml.MappingNode):
            self._note(node, ())

    def _note(self, node: yaml.MappingNode, above: tuple[str, ...]) -> None:
        for key, value in node.value:
            keys = (*above, str(key.value))
            self._lines[keys] = key.start_mark.line + 1
            if isinstance(value, yaml.MappingNode):
                self._note(value, keys)

    def fault(self, keys: tuple[str, ...], found: str, allowed: str = "", advice: str = "") -> None:
        line = self._lines.get(keys)
        where = str(self._path) if line is None else f"{self._path}, line {line}"
        self.problems.append(Problem(where, found, allowed, advice))

    def section(self, name: str, allowed: tuple[str, ...]) -> dict[str, Any]:
        """A mapping below a key, or the whole for an empty one; unknown keys are faults."""
        keys = (name,) if name else ()
        data = self.data.get(name) if name else self.data
        if data is None:
            return {}
        if not isinstance(data, Mapping):
            self.fault(keys, f"{name or 'The file'} is no mapping.", ", ".join(allowed))
            return {}
        for key in data:
            if key not in allowed:
                self.fault((*keys, str(key)), f"{key} is not known here.", ", ".join(allowed))
        return dict(data)

    def number(self, data: Mapping[str, Any], keys: tuple[str, ...], default: Any, *, least: float, whole: bool) -> Any:
        """A number of a section, at least so large; one that is not whole must be larger than that."""
        value = data.get(keys[-1], default)
        if value is default or value is None:
            return default
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or (whole and value != int(value)) or (value < least if whole else value <= least):
            kind = f"integer >= {least:g}" if whole else f"number > {least:g}"
            self.fault(keys, f"{'.'.join(keys)} is {value!r}.", kind)
            return default
        return int(value) if whole else float(value)

    def flag(self, data: Mapping[str, Any], keys: tuple[str, ...], default: bool) -> bool:
        value = data.get(keys[-1], default)
        if not isinstance(value, bool):
            self.fault(keys, f"{'.'.join(keys)} is {value!r}.", "true | false")
            return default
        return value


def input_of(seed: str, folder: Path) -> Path:
    """The input file of a seed, by its older or its newer name.

    Raises
    ------
    UserError
        There is none.
    """
    names = [folder / f"{seed}.{ending}" for ending in INPUTS]
    found = next((path for path in names if path.is_file()), None)
    if found is None:
        raise UserError(Problem(str(names[0]), "There is no input file.", " or ".join(path.name for path in names)))
    return found


def read_wishes(path: Path) -> Wishes:
    """The input file, validated.

    Raises
    ------
    UserError
        With everything that is wrong.
    """
    reader = _Reader(path)
    top = reader.section("", TOP)
    limits, adaptive = reader.section("tolerances", OF_TOLERANCES), reader.section(TOP[4], OF_ADAPTIVE)
    tolerances = {key: reader.number(limits, ("tolerances", key), None, least=0, whole=False) for key in OF_TOLERANCES}
    if not any(tolerances.values()) and not reader.problems:
        reader.fault(("tolerances",), "No tolerance is set.", "ediff, fmax, frmse, vmax; at least one of them")
    rules = CheckRules(
        Tolerances(**tolerances),
        check_interval=reader.number(top, ("check_interval",), 1, least=1, whole=True),
        num_initial_steps=reader.number(top, ("num_initial_steps",), 0, least=0, whole=True),
        adaptive=_adaptive(reader, adaptive),
        can_update=reader.flag(top, ("can_update",), False),
    )
    refit, remarks = _refit(reader)
    if reader.problems:
        raise UserError(reader.problems)
    return Wishes(rules, refit, remarks)


def _adaptive(reader: _Reader, data: Mapping[str, Any]) -> Adaptive | None:
    name = TOP[4]
    if not data:
        return None
    if missing := [key for key in OF_ADAPTIVE if data.get(key) is None]:
        reader.fault((name,), f"{name} lacks {', '.join(missing)}.", ", ".join(OF_ADAPTIVE))
        return None
    n_min = reader.number(data, (name, "n_min"), 1, least=1, whole=True)
    n_max = reader.number(data, (name, "n_max"), 2, least=2, whole=True)
    factor = reader.number(data, (name, "factor"), 2.0, least=1, whole=False)
    if n_max <= n_min:
        reader.fault((name, "n_max"), f"n_max ({n_max}) is not above n_min ({n_min}).")
    return Adaptive(n_min, n_max, factor)


def _refit(reader: _Reader) -> tuple[Refit, tuple[str, ...]]:
    data = reader.section("refit", OF_REFIT)
    remarks = [
        f"refit.{key} says how GAP is fitted, and is not looked at: models are of MACE" for key in OF_GAP if key in data
    ]
    own = data.get("function_name") or ""
    if not isinstance(own, str):
        reader.fault(("refit", "function_name"), f"refit.function_name is {own!r}.", "an import path, mine:train")
    for key in (key for key in ("first_epochs", "epochs", "from_scratch") if own and key in data):
        reader.fault(("refit", key), f"refit.{key} is given, and refit.function_name trains.", "", f"Remove {key}.")
    if data.get("e0_method", "average") not in ("average", "isolated"):
        reader.fault(("refit", "e0_method"), f"refit.e0_method is {data['e0_method']!r}.", "average | isolated")
    files = data.get("previous_data") or []
    if not (isinstance(files, list) and all(isinstance(file, str) for file in files)):
        reader.fault(
            ("refit", "previous_data"), "refit.previous_data is no list of files.", "a list of extended XYZ files"
        )
        files = []
    e0 = data.get("e0") or {}
    if not (isinstance(e0, Mapping) and all(isinstance(value, int | float) for value in e0.values())):
        reader.fault(("refit", "e0"), "refit.e0 is no mapping of symbols to energies.", "{Al: -55.3, O: -432.1}, eV")
        e0 = {}
    return Refit(
        model=str(data.get("gp_name") or MODEL),
        previous_data=tuple(files),
        e0_ev={str(key): float(value) for key, value in e0.items()},
        has_free_atoms=data.get("e0_method") == "isolated",
        first_epochs=reader.number(data, ("refit", "first_epochs"), 200, least=1, whole=True),
        epochs=reader.number(data, ("refit", "epochs"), 40, least=1, whole=True),
        from_scratch=reader.flag(data, ("refit", "from_scratch"), False),
        mace=str(data.get("mace") or ""),
        function=str(own),
    ), tuple(remarks)
