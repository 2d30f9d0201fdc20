"""What computes properties, by the words that name it: models, tight binding, any calculator of ASE."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aims_pax.atoms import frame_of
from aims_pax.errors import ModelError, Problem, UserError
from aims_pax.evaluation.blocks import LEAST_BLOCKS
from aims_pax.evaluation.properties import Method, Property, Unmeasurable
from aims_pax.evaluation.properties.dynamics.structure import StructureInMotion
from aims_pax.outcome.drivers import FOUNDATIONS, XTB
from aims_pax.outcome.structure.trajectories import OPTION, SUFFIXES, runs_in
from aims_pax.reference.ase_adapter import foreign_code, import_callable
from aims_pax.reference.calculation import ENGINE_ERRORS, raised_words
from aims_pax.settings.methods.reference import XtbMethod
from aims_pax.spoken import spoken_of

if TYPE_CHECKING:
    from ase import Atoms

    from aims_pax.protocols import Predictor

ALLOWED: Final = f"a model file | a folder of them | {' | '.join((*XTB, *FOUNDATIONS))} | package.module:Callable"
"""What a model may be called; the same words as those of ``aims-pax verify --against``."""

RECORDED: Final = f"with {StructureInMotion.NAME} alone a file of structures ({', '.join(SUFFIXES)})"
"""What a model may be compared with besides."""

GAMMA_ONLY: Final = "computes crystals at the Gamma point only: numbers of cells below some 10 Å are not the crystal's"

PRECISION: Final = "float64"
"""Differences of energies and forces are what properties are made of."""


def named_method(word: str, *, key: str, device: str) -> Method:
    """What a word names.

    Parameters
    ----------
    word : str
        A model file; a folder whose models are a committee, and speak by their mean; ``GFN1-xTB``, ``GFN2-xTB``;
        ``mace-mp``, ``mace-off``; an import path of an ASE calculator.
    key : str
        The option that it comes from, for messages.
    device : str
        Of models: auto, cpu, cuda.

    Raises
    ------
    UserError
        There is no such thing, or it can't be loaded.
    """
    from aims_pax.committee import devices_of, load_foundation, load_models

    path = Path(word).expanduser()
    if word in XTB:
        method = XTB[word]
        return Method(word, lambda atoms: _tight_binding(method, atoms), remarks=(f"{word} {GAMMA_ONLY}",))
    if path.is_dir():
        models = load_models(_committee(path, key=key), device=devices_of(device), dtype=PRECISION)
        return by_models(path.resolve().name, models)
    if path.is_file():
        try:
            return by_models(path.name, load_models([path], device=devices_of(device), dtype=PRECISION))
        except ModelError as error:
            advice = f"If it is a trajectory: ase convert {word} run.extxyz writes it as one that is read."
            hint = advice if key == OPTION else ""
            raise ModelError([replace(one, advice=one.advice or hint) for one in error.problems]) from error
    if word in FOUNDATIONS:
        try:
            return by_models(word, load_foundation(word, "small", device=devices_of(device), dtype=PRECISION))
        except ModelError as error:  # it speaks of the settings of a project
            advice = "Download it where there is a network, and name its file."
            raise ModelError([Problem(key, one.found, one.allowed, advice) for one in error.problems]) from error
    if ":" in word:
        return _imported(word, key=key)
    allowed = f"{ALLOWED} | {RECORDED}" if key == OPTION else ALLOWED
    raise UserError(Problem(key, f"is {word!r}, and there is no such model, file or folder.", allowed))


def by_trajectories(word: str, structures: "Mapping[str, Atoms]", properties: Sequence[Property]) -> Method:
    """What something else has moved, of a file: it says of `structure` what it was like, and computes nothing.

    Parameters
    ----------
    word : str
        A file of structures, as :func:`~aims_pax.outcome.structure.trajectories.is_trajectory` knows it.
    structures : mapping of str to Atoms
        Each of which it holds runs of.
    properties : sequence of Property

    Raises
    ------
    UserError
        Other properties are asked for, or it holds too little or something else.
    """
    where, name = f"{OPTION} {word}", Path(word).name
    others = ", ".join(one.NAME for one in properties if not isinstance(one, StructureInMotion))
    if others:
        found = f"holds structures that were moved, of which there is no {others}."
        advice = "Other properties are computed: they need a model, a program or the reference of a project."
        raise UserError(Problem(where, found, f"--properties {StructureInMotion.NAME}", advice))
    advice = f"Name a structure of the file, which is written by: ase convert -n 0 {word} start.extxyz"
    starts = [frame_of(atoms, system=key) for key, atoms in structures.items()]
    runs = runs_in(word, starts, advice=advice)
    counts = {key: sum(map(len, runs.get(key, ()))) for key in structures}
    problems = [
        Problem(where, f"holds {n or 'no'} structures of {key}.", f"{LEAST_BLOCKS} structures at least, of a long run")
        for key, n in counts.items()
        if n < LEAST_BLOCKS
    ]
    if problems:
        raise UserError(problems)
    return Method(name, _computes_nothing, runs=runs)


def _computes_nothing(_: "Atoms") -> Any:
    raise Unmeasurable("a file of structures computes nothing")


def by_models(name: str, models: "Predictor") -> Method:
    """The mean of some models."""
    from aims_pax.committee import CommitteeCalculator, Ensemble
    from aims_pax.committee.hosted.predictor import Hosted

    calculator = CommitteeCalculator(models)
    atoms_ev = models.atomic_energies_ev if isinstance(models, Ensemble | Hosted) else {}
    return Method(name, lambda _: calculator, given_atoms_ev=atoms_ev)


def by_calculator(calculator: Any) -> Method:
    """An ASE calculator that somebody has made."""
    return Method(type(calculator).__name__, lambda _: calculator)


def distinct(methods: Sequence[Method], words: Sequence[str]) -> tuple[Method, ...]:
    """The same, called by the whole words where names are not distinct.

    Raises
    ------
    UserError
        The same one is named twice.
    """
    names = [method.name for method in methods]
    if twice := sorted({word for word in words if list(words).count(word) > 1}):
        raise UserError(Problem("--models", f"names {', '.join(twice)} more than once."))
    return tuple(
        replace(method, name=word) if names.count(method.name) > 1 else method
        for method, word in zip(methods, words, strict=True)
    )


def require_elements(method: Method, structures: Iterable["Atoms"], *, key: str) -> None:
    """Whether a model knows all elements; what calculators of others know shows when they are asked.

    Raises
    ------
    ModelError
        It does not.
    """
    from aims_pax.committee import CommitteeCalculator

    for atoms in structures:
        calculator = method.calculator(atoms) if method.name not in XTB else None
        if not isinstance(calculator, CommitteeCalculator):
            return
        known = set(calculator.models.numbers)
        if unknown := sorted({str(symbol) for symbol in atoms.symbols if _number(symbol) not in known}):
            found = f"{method.name} does not know {', '.join(unknown)}."
            raise ModelError(Problem(key, found, "models of the elements of the structures"))


def _number(symbol: str) -> int:
    from ase.data import atomic_numbers

    return int(atomic_numbers[symbol])


def _committee(folder: Path, *, key: str) -> list[Path]:
    """The models of a folder: its own, or those of a run in it."""
    for place in (folder / "results" / "committee", folder / "committee", folder):
        if files := sorted(place.glob("*.model")):
            return files
    advice = "Those of a finished run are in results/committee."
    raise UserError(Problem(f"{key} {folder}", "The folder holds no .model files.", "a folder of models", advice))


def _tight_binding(method: XtbMethod, atoms: "Atoms") -> Any:
    """With the charge that a structure tells of itself, and its spin, or the lowest that its electrons can have."""
    from tblite.ase import TBLite

    spoken = spoken_of(atoms.info)
    charge = spoken.whole_charge() or 0
    lowest = 1 + (int(atoms.numbers.sum()) - charge) % 2
    multiplicity = spoken.multiplicity(atoms.numbers.tolist()) or lowest
    return TBLite(method=method, charge=charge, multiplicity=multiplicity, verbosity=0)


def _imported(word: str, *, key: str) -> Method:
    """A calculator of somebody else's, made once."""
    make = import_callable(word, key=key)
    try:
        with foreign_code():
            calculator = make()
    except ENGINE_ERRORS as error:
        advice = "It is called without arguments: wrap it in a function of your own that needs none."
        raise UserError(Problem(f"{key} {word}", f"can't be made: {raised_words(error)}", "", advice)) from error
    if not hasattr(calculator, "get_potential_energy"):
        found = f"makes a {type(calculator).__name__}."
        raise UserError(Problem(f"{key} {word}", found, "what makes an ASE calculator"))
    return Method(word.rpartition(":")[2], lambda _: calculator)
