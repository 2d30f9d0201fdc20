"""``aims_pax.fly``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.errors import Problem, UserError
from aims_pax.face.flying.calculator import FlyingCalculator
from aims_pax.labelling.inline import InlinePool
from aims_pax.reference.registry import build_reference
from aims_pax.reference.tryout import require
from aims_pax.settings.reading.arguments import project_to_label
from aims_pax.settings.reading.fly import fly_argument
from aims_pax.stages.fly.flight import Flight
from aims_pax.stages.fly.models import FlownModels

if TYPE_CHECKING:
    from ase import Atoms

    from aims_pax.settings import Project
    from aims_pax.settings.stages.fly import FlySettings

Files = str | Path | Sequence[str | Path]
"""One model file, or several."""

BEGUN: Final = "flight"
"""Under which a folder remembers what it was begun with."""


def fly(
    atoms: "Atoms",
    reference: str | Mapping[str, object] = "tblite",
    *,
    folder: str | Path = "aims_pax_fly",
    models: Files = (),
    mace: Mapping[str, Mapping[str, object]] | None = None,
    reached: int | None = None,
    **settings: object,
) -> FlyingCalculator:
    """Let models of a reference drive atoms, and keep them within stated errors of it by direct comparison.

    The first steps are the reference's, and make the first models. After that the models drive; every so many steps
    the reference is computed for comparison, and where a tolerance is broken the models learn all labels that there
    are. Intervals may grow while checks pass (``adaptive_method_parameters``). Rules and names are those of CASTEP's
    hybrid-md (Stenczel et al., J. Chem. Phys. 159, 044803, 2023).

    Parameters
    ----------
    atoms : Atoms
        Gets the calculator, too.
    reference : str or mapping
        REFERENCE: its type alone, or with its settings.
    folder : path
        Keeps labels and weights; the same call goes on with what it holds.
    models : path, or sequence of paths
        Trained MACE models to go on from.
    mace : mapping of mapping, or None
        The sections of mace.yaml.
    reached : int or None
        Where MD is continued: the step of the session before that it goes on from, counted from 0. None: the last one.
    **settings
        ``tolerances`` (required), ``check_interval``, ``num_initial_steps``, ``adaptive_method_parameters``,
        ``can_update``, ``refit``, ``ensemble_size``, ``early_check``, ``max_consecutive_failures``; see docs/fly.md.

    Returns
    -------
    FlyingCalculator
        For any dynamics or optimiser of ASE, and for i-PI by ASE's SocketClient.

    Raises
    ------
    UserError
        The arguments say what can't be, the reference can't run here, or the folder holds something else.
    """
    wishes = fly_argument(settings)
    home = Path(folder).expanduser().resolve()
    project = project_to_label(atoms, reference, call="fly", mace=mace)
    paths = [Path(one).expanduser() for one in ([models] if isinstance(models, str | Path) else models)]
    [system] = project.systems
    _require_sense(project, wishes, paths, is_crystal=bool(system.frame.pbc.all()))
    flown = FlownModels(project.mace, wishes.refit, folder=home / "refits", n_members=wishes.ensemble_size, given=paths)
    method = build_reference(project.reference_for(system))
    require(method, system.frame)
    store = RunStore.open(home)
    try:
        _require_same(store, home, project)
        places = RunFolder(home, home / "calculations")
        pool = InlinePool(method, want_stress=project.mace.general.compute_stress)
        flight = Flight(project, wishes, store=store, folder=places, pool=pool, models=flown, reached=reached)
        if wishes.num_initial_steps == 0 and flown.committee is None:
            found = "num_initial_steps is 0, and there are no models to begin with."
            raise UserError(Problem("fly", found, "", "Set num_initial_steps, 10 for example, or give models."))
    except BaseException:
        store.close()
        raise
    flying = FlyingCalculator(
        flight, models=flown, store=store, pool=pool, settings=wishes, atoms=atoms, name=system.name
    )
    atoms.calc = flying
    return flying


def _require_sense(project: "Project", wishes: "FlySettings", models: Sequence[Path], *, is_crystal: bool) -> None:
    """Do nothing where the arguments fit each other."""
    if models and len(models) != wishes.ensemble_size:
        found = f"{len(models)} models are given, and ensemble_size is {wishes.ensemble_size}."
        raise UserError(Problem("fly", found, "", f"Set ensemble_size: {len(models)}."))
    if wishes.tolerances.vmax is not None and not (is_crystal and project.mace.general.compute_stress):
        found = "vmax is a tolerance, and the models learn no stress."
        raise UserError(
            Problem(
                "fly, tolerances",
                found,
                "crystals, and mace={'GENERAL': {'compute_stress': True}}",
                "Set compute_stress, or remove vmax.",
            )
        )


def _require_same(store: RunStore, home: Path, project: "Project") -> None:
    """Do nothing where a folder is new, or holds a flight of these atoms by this reference and these models."""
    [system] = project.systems
    now = {
        "reference": project.reference_for(system).identity,
        "atoms": sorted(system.frame.numbers.tolist()),
        "models": project.mace.architecture.identity,
    }
    stored = store.get_meta(BEGUN)
    if stored is None and store.counts().n_requested:
        found = "This folder holds a run that is no flight."
        raise UserError(Problem(str(home), found, "", "Name another folder."))
    if stored is None:
        store.set_meta(BEGUN, json.dumps(now))
        return
    before = json.loads(stored)
    if changed := [name for name, value in now.items() if before.get(name) != value]:
        found = f"The flight in this folder was begun with other {' and '.join(changed)}."
        raise UserError(Problem(str(home), found, "", "Set them back, or name another folder."))
