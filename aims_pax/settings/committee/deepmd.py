"""input.json of DeePMD-kit, the native input of DeePMD: looked at before it costs, and completed for each training."""

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ValidationInfo

from aims_pax.settings.reading.kinds import Kind, misfit, text_in

STEPS: Final = ("numb_steps", "num_steps", "stop_batch", "numb_step", "num_step")
"""The number of steps by all its names; DeePMD-kit 3.2, deepmd/utils/argcheck.py."""

REFUSED: Final[Mapping[str, str]] = {
    "model.model_dict": "several tasks, and a committee has one",
    "model.spin": "magnetic moments, which labels have not",
    "model.modifier": "a modifier of the data, which this program does not know",
    "model.fitting_net.atom_ener": "energies of free atoms, which ARCHITECTURE.atomic_energies says",
    "model.fitting_net.numb_fparam": "parameters of structures, which labels have not",
    "model.fitting_net.numb_aparam": "parameters of atoms, which labels have not",
    "training.data_dict": "several tasks, and a committee has one",
    "training.numb_epoch": "passes over the data in the place of numb_steps",
    "training.num_epoch": "passes over the data in the place of numb_steps",
    "training.enable_ema": "averages of weights, which are not read",
    "training.change_bias_after_training": "another bias after training, which members are given by the run",
    "training.zero_stage": "training on several processes, and a member has one",
    "validating": "validation, which the run makes itself",
}
"""What means something else than models of energies and forces for the labels of a run."""

PREFACTORS: Final[Mapping[str, tuple[float, float]]] = {"e": (0.02, 1.0), "f": (1000.0, 1.0), "v": (0.0, 0.0)}
"""Of energies, forces and virials in the loss: at the beginning of a training and at its end, where input.json does not
say; DeePMD-kit 3.2, deepmd/utils/argcheck.py."""

COUNTED_SEL: Final = ("se_", "dpa1")
"""Descriptors with these first letters count their neighbours in the data where ``sel`` gives no numbers."""

DATA: Final = ("training_data", "validation_data", "stat_file", "stat_file_mode", "disp_file", "save_ckpt", "save_dir")
"""Of training: what is said by the run."""


@dataclass(frozen=True, slots=True)
class Training:
    """What one training adds to the user's input.

    Parameters
    ----------
    systems : tuple of str
        Folders of labelled structures.
    seed : int
        Of the first weights.
    order_seed : int
        Of the order in which structures are learned.
    n_steps : int
        The number of its last step.
    save_every, show_every : int
        Steps between checkpoints, and between rows of lcurve.out.
    rate_factor : float or None
        The whole training is made at this part of start_lr; None: as learning_rate says.
    """

    systems: tuple[str, ...]
    seed: int
    order_seed: int
    n_steps: int
    save_every: int
    show_every: int
    rate_factor: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DeepmdInput:
    """What is trained, and how.

    Parameters
    ----------
    content : mapping
        As the user has written it.
    """

    content: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The same on one line."""
        return json.dumps(self.content)

    @property
    def type_map(self) -> tuple[str, ...]:
        """Symbols of the elements, in the order of their types."""
        return tuple(self.content["model"]["type_map"])

    @property
    def numbers(self) -> tuple[int, ...]:
        """Atomic numbers of the elements, ascending."""
        from ase.data import atomic_numbers

        return tuple(sorted(atomic_numbers[symbol] for symbol in self.type_map))

    @property
    def descriptor(self) -> str:
        """Its kind, such as se_e2_a."""
        return str(self.content["model"]["descriptor"]["type"])

    @property
    def cutoff_ang(self) -> float:
        """Pairs up to this distance matter, Å."""
        return max(_cutoffs(self.content["model"]["descriptor"]), default=0.0)

    @property
    def n_steps(self) -> int:
        """Steps of a training from the beginning."""
        return int(next(self.content["training"][key] for key in STEPS if key in self.content["training"]))

    @property
    def start_lr(self) -> float:
        """Learning rate at the beginning of a training."""
        return float(self.content["learning_rate"]["start_lr"])

    def prefactor(self, kind: str, *, rate_factor: float) -> float:
        """Of energies (e), forces (f) or virials (v) in the loss, at a part of the first learning rate.

        DeePMD-kit 3.2, documentation, "Fit energy": limit + (start - limit) lr / start_lr.
        """
        start, limit = self._prefactors(kind)
        return limit + (start - limit) * rate_factor

    @property
    def learns_virials(self) -> bool:
        """Whether the loss has virials."""
        return any(self._prefactors("v"))

    @property
    def sigmas(self) -> tuple[float, float, float]:
        """Of energies per atom, forces and virials per atom in the validation loss, by the prefactors at the end."""
        limits = [self._prefactors(kind)[1] for kind in "efv"]
        e, f, v = (inf if limit == 0 else limit**-0.5 for limit in limits)
        return e, f, v

    @property
    def counts_neighbours(self) -> bool:
        """Whether a descriptor is as wide as the data of its training say."""
        return any(
            str(one.get("type", "se_e2_a")).startswith(COUNTED_SEL) and not _is_counted(one.get("sel"))
            for one in _descriptors(self.content["model"]["descriptor"])
        )

    def completed(self, asked: Training) -> dict[str, Any]:
        """The input of one training."""
        content: dict[str, Any] = copy.deepcopy(dict(self.content))
        model, training = content["model"], content["training"]
        for one in (*_descriptors(model["descriptor"]), model.setdefault("fitting_net", {})):
            one["seed"] = asked.seed
        for key in (*DATA, *STEPS):
            training.pop(key, None)
        given = self.content["training"].get("training_data")
        given = given if isinstance(given, Mapping) else {}
        kept = {key: given[key] for key in ("batch_size", "auto_prob") if key in given}
        training |= {
            "training_data": {"batch_size": "auto", **kept, "systems": list(asked.systems)},
            "numb_steps": asked.n_steps,
            "seed": asked.order_seed,
            "save_freq": asked.save_every,
            "disp_freq": asked.show_every,
            "disp_training": True,
            "max_ckpt_keep": 2 + asked.n_steps // asked.save_every,
        }
        if asked.rate_factor is not None:
            rate = self.start_lr * asked.rate_factor
            content["learning_rate"] = {"type": "exp", "start_lr": rate, "stop_lr": rate}
            content["loss"] = self._constant_loss(asked.rate_factor)
        return content

    def _constant_loss(self, rate_factor: float) -> dict[str, Any]:
        """The loss at one learning rate: DeePMD would take it for that of the beginning, whatever it is."""
        loss = {"type": "ener", **self.content.get("loss", {})}
        kinds = {*PREFACTORS, *(key.removeprefix("start_pref_") for key in loss if key.startswith("start_pref_"))}
        for kind in sorted(kinds):
            value = self.prefactor(kind, rate_factor=rate_factor)
            loss |= {f"start_pref_{kind}": value, f"limit_pref_{kind}": value}
        return loss

    def _prefactors(self, kind: str) -> tuple[float, float]:
        loss, (start, limit) = self.content.get("loss", {}), PREFACTORS.get(kind, (0.0, 0.0))
        return float(loss.get(f"start_pref_{kind}", start)), float(loss.get(f"limit_pref_{kind}", limit))


def read_deepmd_input(text: str) -> DeepmdInput:
    """The content of an input.json.

    Raises
    ------
    ValueError
        With all that is wrong, in words that complete `deepmd_input ...`.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        words = f"is no JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise ValueError(words) from None
    if not isinstance(content, dict):
        raise ValueError("is no JSON object {...}")
    found = DeepmdInput(content)
    lacking = [key for key in ("model", "learning_rate", "training") if not isinstance(content.get(key), dict)]
    problems = [f"lacks {key}: {{...}}" for key in lacking]
    for part, check in (("model", _model_problems), ("training", _training_problems)):
        problems += list(check(content[part])) if part not in lacking else []
    problems += list(_loss_problems(content, found))
    if "learning_rate" not in lacking and not _is_positive(content["learning_rate"].get("start_lr")):
        problems.append("lacks learning_rate.start_lr, a number above 0")
    problems += [f"sets {key}: {why}" for key, why in REFUSED.items() if _value_of(content, key)]
    if problems:
        raise ValueError("; ".join(problems))
    return found


def _model_problems(model: Mapping[str, Any]) -> Iterator[str]:
    from ase.data import atomic_numbers

    if str(model.get("type", "standard")) != "standard":
        yield f"has model.type {model['type']!r}, and only standard models are learned here"
    symbols = model.get("type_map")
    if not isinstance(symbols, list) or not symbols:
        yield 'lacks model.type_map, the list of elements, such as ["H", "O"]'
    elif strange := [one for one in symbols if not isinstance(one, str) or not atomic_numbers.get(one)]:
        yield f"has {', '.join(map(repr, strange))} in model.type_map, which is no element"
    elif len(set(symbols)) < len(symbols):
        yield "has an element twice in model.type_map"
    descriptor = model.get("descriptor")
    if not isinstance(descriptor, dict) or not isinstance(descriptor.get("type"), str):
        yield "lacks model.descriptor with its type"
    elif not any(map(_is_positive, _cutoffs(descriptor))):
        yield "lacks a cutoff (rcut, Å) in model.descriptor"
    fitting = model.get("fitting_net", {})
    if not isinstance(fitting, dict) or fitting.get("type", "ener") != "ener":
        yield "has a model.fitting_net that is not of type ener: energies and forces"


def _training_problems(training: Mapping[str, Any]) -> Iterator[str]:
    steps = [training[key] for key in STEPS if key in training]
    if len(steps) != 1 or not (_is_positive(steps[0]) and float(steps[0]).is_integer()):
        yield "lacks training.numb_steps, a whole number above 0"


def _loss_problems(content: Mapping[str, Any], found: DeepmdInput) -> Iterator[str]:
    loss = content.get("loss", {})
    if not isinstance(loss, dict) or loss.get("type", "ener") != "ener":
        yield "has a loss that is not of type ener: energies and forces"
        return
    given = {key: value for key, value in loss.items() if key.startswith(("start_pref_", "limit_pref_"))}
    if wrong := [key for key, value in given.items() if not _is_number(value) or value < 0]:
        yield f"has {', '.join(wrong)} in loss, where a number of 0 or above is expected"
    elif all(sigma == inf for sigma in found.sigmas[:2]):
        yield "has limit_pref_e and limit_pref_f of 0: there is nothing to learn"


def _value_of(content: Mapping[str, Any], key: str) -> Any:
    """What stands there; None where nothing does."""
    value: Any = content
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _descriptors(descriptor: dict[str, Any]) -> list[dict[str, Any]]:
    """A descriptor, or those that a hybrid one consists of."""
    parts = descriptor.get("list") if descriptor.get("type") == "hybrid" else None
    return [one for one in parts if isinstance(one, dict)] if isinstance(parts, list) else [descriptor]


def _cutoffs(value: Any) -> Iterator[float]:
    """All cutoffs in a descriptor, by whatever of its parts."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if (key == "rcut" or key.endswith("_rcut")) and _is_number(item):
                yield float(item)
            yield from _cutoffs(item)
    elif isinstance(value, list):
        for item in value:
            yield from _cutoffs(item)


def _is_counted(sel: Any) -> bool:
    numbers = sel if isinstance(sel, list) else [sel]
    return bool(numbers) and all(map(_is_positive, numbers))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _deepmd_input(value: object, info: ValidationInfo) -> str:
    """The content on one line: that of the file of this name, or what the text or the mapping is."""
    if isinstance(value, Mapping):
        text = json.dumps(value, default=str)
    elif isinstance(value, str) and value.lstrip().startswith("{"):
        text = value
    else:
        text = text_in(value, info)
    try:
        return read_deepmd_input(text).text
    except ValueError as error:
        raise misfit(str(error)) from None


DeepmdText = Annotated[
    str, BeforeValidator(_deepmd_input), Kind("path of an input.json of DeePMD-kit 3, or its content")
]
