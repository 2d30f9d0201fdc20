"""No harmed output of an engine gives a label that the engine did not compute."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.espresso import EspressoTemplate
from ase.calculators.nwchem import NWChem
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.atoms import frame_of
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.labelling.result import decode, encode
from aims_pax.reference.calculation import Calculation
from aims_pax.reference.programs.aims_output import Ending, observables, require_success
from aims_pax.reference.programs.engines import EngineReference
from aims_pax.reference.programs.fhi_aims import FhiAimsReference

from .. import programs
from ..aims.standin import aims_input
from .mutations import harmed_text
from .outcomes import N_FILES, counts, share, within_limits

OUTPUTS: Final = Path(__file__).with_name("outputs")
"""What real programs printed for the structures below."""


def _rattled(atoms: Atoms) -> Atoms:
    atoms.rattle(0.05, seed=1)
    return atoms


SILICON = frame_of(_rattled(bulk("Si")), system="silicon")
HYDROGEN = frame_of(Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.8]]), system="hydrogen")
WATER = frame_of(_rattled(molecule("H2O")), system="water")
DIAMOND = frame_of(_rattled(bulk("C", cubic=True)), system="diamond")

Outcome = Label | LabelFailure
Reader = Callable[[str, Path], Outcome]


def _aims(frame: Frame) -> Reader:
    def read(text: str, folder: Path) -> Outcome:
        def compute() -> Any:
            require_success(Ending(text, "", 0))
            periodic = bool(frame.pbc.any())
            return observables(text, n_atoms=frame.n_atoms, periodic=periodic, want_stress=periodic)

        return Calculation(frame, folder / "label", "FHI-aims", 100.0).outcome(compute)

    return read


@cache
def _aims_text(name: str) -> str:
    """What FHI-aims' stand-in prints."""
    frame = {"water": WATER, "diamond": DIAMOND}[name]
    more = "k_grid 2 2 2\nmany_body_dispersion\n" if name == "diamond" else "output dipole\n"
    with TemporaryDirectory() as folder:
        reference = FhiAimsReference(aims_input(f"xc pbe\n{more}"))
        label = reference.label(frame, folder=Path(folder) / "label", want_stress=name == "diamond")
        assert isinstance(label, Label), label
        return (Path(folder) / "label" / "aims.out").read_text(encoding="utf-8")


def _program(kind: str, frame: Frame) -> Reader:
    settings = {"espresso": programs.espresso, "nwchem": programs.nwchem}[kind]()
    settings = settings.model_copy(update={"command": "true"})
    name = {"espresso": "espresso.pwo", "nwchem": "nwchem.nwo"}[kind]

    def read(text: str, folder: Path) -> Outcome:
        def execute(self: Any, directory: Any = folder / "label", *_: Any) -> None:
            (Path(directory) / name).write_text(text, encoding="utf-8")

        with pytest.MonkeyPatch.context() as patch:
            for owner in (EspressoTemplate, NWChem):  # ASE's, which would start the program
                patch.setattr(owner, "execute", execute)
            return EngineReference(settings).label(frame, folder=folder / "label", want_stress=True)

    return read


READERS: Final[dict[str, tuple[Callable[[], str], Reader]]] = {
    "aims, molecule": (lambda: _aims_text("water"), _aims(WATER)),
    "aims, crystal": (lambda: _aims_text("diamond"), _aims(DIAMOND)),
    "espresso": ((OUTPUTS / "espresso.pwo").read_text, _program("espresso", SILICON)),
    "nwchem": ((OUTPUTS / "nwchem.nwo").read_text, _program("nwchem", HYDROGEN)),
}


def outcome(reader: str, text: str) -> Outcome:
    with TemporaryDirectory() as folder, within_limits():
        result = READERS[reader][1](text, Path(folder))
    counts[str(result.reason) if isinstance(result, LabelFailure) else "label"] += 1
    return result


@cache
def whole(reader: str) -> Label:
    label = outcome(reader, READERS[reader][0]())
    assert isinstance(label, Label), label
    return label


def require_right(result: Outcome, truth: Label, harm: str) -> None:
    """A failure with a reason and words, or exactly the label of the whole output."""
    if isinstance(result, LabelFailure):
        assert result.message, harm
        assert result.reason in FailureReason
        return
    assert result.energy == truth.energy, harm
    np.testing.assert_array_equal(result.forces, truth.forces, err_msg=harm)
    assert (result.stress is None) == (truth.stress is None), harm
    if truth.stress is not None:
        np.testing.assert_array_equal(result.stress, truth.stress, err_msg=harm)


def cuts(text: str) -> Iterator[tuple[str, str]]:
    """The text that ends early, after each line."""
    lines = text.splitlines(keepends=True)
    for end in range(len(lines)):
        yield f"ends after line {end}", "".join(lines[:end])


def losses(text: str) -> Iterator[tuple[str, str]]:
    """The text without one of its lines, or with one of them twice."""
    lines = text.splitlines(keepends=True)
    for at in range(len(lines)):
        yield f"without line {at + 1}: {lines[at]!r}", "".join(lines[:at] + lines[at + 1 :])
        yield f"twice line {at + 1}: {lines[at]!r}", "".join(lines[: at + 1] + lines[at:])


_DECIMAL: Final = re.compile(r"-?\d+\.\d*(?:[eED][-+]\d+)?")


def stars(text: str) -> Iterator[tuple[str, str]]:
    """The text with one of its numbers overflown, undefined or lost."""
    for match in _DECIMAL.finditer(text):
        for instead in ("*" * len(match[0]), "NaN", "Infinity", ""):
            line = text.count("\n", 0, match.start()) + 1
            yield f"line {line}: {match[0]} is {instead!r}", text[: match.start()] + instead + text[match.end() :]


HARMS: Final = {"cuts": cuts, "losses": losses, "stars": stars}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("reader", READERS)
def test_cut_or_overflown_output_gives_the_right_label_or_none(reader: str, harm: str) -> None:
    truth = whole(reader)
    harms = list(HARMS[harm](READERS[reader][0]()))
    for words, text in harms[:: max(1, 5 * len(harms) // N_FILES)]:
        require_right(outcome(reader, text), truth, words)


@share(0.5)
@given(data=st.data(), reader=st.sampled_from(sorted(READERS)))
def test_any_output_gives_a_whole_label_or_a_failure_with_its_reason(data: st.DataObject, reader: str) -> None:
    content = data.draw(harmed_text(READERS[reader][0]()))
    result, truth = outcome(reader, content.decode("utf-8", "replace")), whole(reader)
    if isinstance(result, LabelFailure):
        assert result.message
        return
    assert np.isfinite(result.energy)
    assert result.forces.shape == truth.forces.shape
    assert np.isfinite(result.forces).all()
    assert (result.stress is None) == (truth.stress is None)
    assert result.stress is None or np.isfinite(result.stress).all()


@share(0.5)
@given(data=st.data())
def test_harmed_result_of_a_worker_is_the_same_or_none(data: st.DataObject) -> None:
    truth = whole("espresso")
    content = encode(truth, SILICON)
    at = data.draw(st.integers(0, len(content) - 1))
    n_lost = data.draw(st.integers(0, 40))
    with within_limits():
        found = decode(content[:at] + data.draw(st.binary(max_size=40)) + content[at + n_lost :], SILICON)
    counts["none" if found is None else "the same"] += 1
    assert found is None or isinstance(found, Label)
    if isinstance(found, Label):
        require_right(found, truth, f"at byte {at}")
