"""Models for prediction: from files, from a run, and measured on labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aims_pax.campaign.progress import FINISHED, progress_of
from aims_pax.campaign.session import stages_over
from aims_pax.campaign.snapshot import present_committee
from aims_pax.committee import CommitteeCalculator, devices_of, load_models
from aims_pax.dataset.entries import Keys
from aims_pax.dataset.lock import owner_of
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.errors import ModelError, Problem
from aims_pax.face.comparison import Files, paths_of
from aims_pax.outcome.calibrated.kept import beside, read_for
from aims_pax.outcome.evaluate import MeasuredModels, evaluate_models
from aims_pax.outcome.product import COMMITTEE_FOLDER
from aims_pax.stages.convergence import stored_convergence
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import convergence_key

if TYPE_CHECKING:
    from ase import Atoms

BESIDE: Final = "beside"
"""Where a calibration is looked for: in the folder of the models, and in the one above."""


def calculator(
    models: Files,
    *,
    device: str = "auto",
    dtype: str | None = None,
    calibration: str | Path | None = BESIDE,
) -> CommitteeCalculator:
    """MACE models as one calculator of ASE: their mean, and the deviation of several as further results.

    Where a run has left a calibration.json of exactly these files, results also hold the errors to expect
    (``energy_error``, ...): see :class:`~aims_pax.committee.CommitteeCalculator`. Its `calibration` is None where there
    is none.

    Model files are Python pickles, as MACE defines them: load only what you trust.

    Parameters
    ----------
    models : path, or sequence of paths
    device : str
        auto, cpu, cuda, or one GPU such as cuda:1.
    dtype : "float32", "float64" or None
        Precision to compute in; the one of the first file when None.
    calibration : "beside", path or None
        beside: that which lies beside the models, if it is theirs; a file; None: errors are not told.

    Raises
    ------
    ModelError
        A file is missing, is no MACE model, or does not fit the others.
    UserError
        The calibration can't be read, or the one that was named is that of other models.
    """
    paths = paths_of(models)
    loaded = load_models(paths, device=devices_of(device), dtype=dtype)
    if calibration is None:
        return CommitteeCalculator(loaded)
    kept = beside(paths) if calibration == BESIDE else read_for(Path(calibration).expanduser(), paths)
    return CommitteeCalculator(loaded, calibration=None if kept is None else kept.calibration)


def evaluate(
    models: Files,
    data: "str | Path | Atoms | Sequence[str | Path] | Sequence[Atoms]",
    *,
    device: str = "auto",
    keys: Keys | None = None,
) -> MeasuredModels:
    """Errors of models, one by one and of their mean, on labelled structures.

    Parameters
    ----------
    models : path, or sequence of paths
    data : path, Atoms, or sequence of either
        Extended XYZ files; or atoms, whose labels are the results of their calculators.
    device : str
    keys : Keys or None
        Names of the labels in a file, or in `info` and `arrays` of atoms without a calculator; REF_energy, REF_forces
        and REF_stress when None.

    Raises
    ------
    StructureError
        The file can't be read, or structures have no labels.
    ModelError
        A model can't be loaded, the models do not belong together, or do not know an element.
    """
    from ase import Atoms

    several = [data] if isinstance(data, str | Path | Atoms) else list(data)
    given: list[Any] = [Path(one).expanduser() if isinstance(one, str | Path) else one for one in several]
    return evaluate_models(paths_of(models), given, device=device, keys=keys)


def models_of_run(store: RunStore, memory: Memory, places: RunFolder, *, device: str) -> CommitteeCalculator:
    """The newest models of a run, finished or not.

    Raises
    ------
    ModelError
        There are none yet, or their files are gone.
    """
    progress = progress_of(memory)
    if progress == FINISHED:
        return calculator(_final_models(store, memory, places), device=device)
    quiet = "cpu" if device == "auto" and owner_of(places.root) else device
    committee = present_committee(store, memory, progress, device=quiet)
    if committee is None:
        raise ModelError(Problem(str(places.root), "The run has no models yet.", "", "Wait for its first training."))
    return CommitteeCalculator(committee)


def _final_models(store: RunStore, memory: Memory, places: RunFolder) -> list[Path]:
    """Files of the members that were trained to the end; of all where there was no such training."""
    known = [stored_convergence(memory, convergence_key(name)) for name in stages_over(store, memory)]
    convergence = next((one for one in reversed(known) if one is not None), None)
    ended = () if convergence is None else convergence.members
    newest = {row.member: row.name for row in store.models()}
    files = [
        places.results / COMMITTEE_FOLDER / name for member, name in newest.items() if member in ended or not ended
    ]
    if not files:  # written before files were noted
        files = sorted((places.results / COMMITTEE_FOLDER).glob("*.model"))
    if not files:
        found, advice = "There are no models in the results.", "aims-pax export --models writes them again."
        raise ModelError(Problem(str(places.results), found, "", advice))
    return files
