"""Models that learn from all players at once, between two visits."""

from collections.abc import Callable

from aims_pax.protocols import Committee
from aims_pax.settings.workflow.playing import PlaySettings
from aims_pax.stages import assembly
from aims_pax.stages.activities import Activity
from aims_pax.stages.bench import Bench
from aims_pax.stages.convergence import Convergence, ConvergenceParts, annealing_rules, stored_convergence
from aims_pax.stages.states import PLAYS, convergence_key


def learn_all(
    bench: Bench,
    name: str,
    settings: PlaySettings,
    committee: Committee | None,
    *,
    n_labels: int,
    show: Callable[[str, float | None], None],
) -> tuple[Committee, int]:
    """Train to convergence on all that there is, from random weights, or as a first committee begins.

    Parameters
    ----------
    name : str
        Of the stage.
    committee : Committee or None
        As it is; None: there is none yet.
    n_labels : int
        That the stage has received: by it an interrupted training is known.
    show : callable
        Is told what is done, and the mean force MAE (eV/Å).

    Returns
    -------
    Committee
        With its best weights, which are stored.
    int
        Epochs that were trained.

    Raises
    ------
    Departed
        The campaign was asked to leave; the epochs until now are stored.
    """
    memory, key, note = bench.memory, convergence_key(name), f"{PLAYS}{name} learning"
    stored = memory.recall_json(note)
    if committee is None or not isinstance(stored, dict) or stored["n_labels"] != n_labels:
        committee = _begun(bench, committee)
        checkpoint = memory.write_committee(committee)
        stored = {"n_labels": n_labels, "is_over": False}
        with bench.store.transaction():
            memory.keep_committee(checkpoint)
            memory.forget(key)
            memory.keep_json(note, stored)
        memory.forget_other_checkpoints()
        bench.forget_committee()  # else stages after this one go on with the models before
    if not stored["is_over"]:  # else it was interrupted before anybody heard of it
        _converge(bench, key, settings, committee, show, lambda: memory.keep_json(note, {**stored, "is_over": True}))
    done = stored_convergence(memory, key)
    assert done is not None, "it was kept when it ended"
    return committee, done.n_epochs


def _converge(
    bench: Bench,
    key: str,
    settings: PlaySettings,
    committee: Committee,
    show: Callable[[str, float | None], None],
    ended: Callable[[], None],
) -> None:
    """Train all members, from where an interruption has left them; `ended` is called as that is stored."""
    rules = annealing_rules(settings, bench.project.mace.training, is_end=False)
    parts = ConvergenceParts(committee, bench.store, bench.memory, bench.stopwatch, bench.departure)

    def told(n_epochs: int, force_mae: float | None) -> None:
        show(f"learning from all visits, epoch {n_epochs} of at most {rules.max_epochs}", force_mae)

    convergence = Convergence(parts, rules, valid_skip=settings.valid_skip, key=key)
    convergence.run(tuple(range(committee.n_members)), show=told, ended=lambda _state: ended())


def _begun(bench: Bench, committee: Committee | None) -> Committee:
    """New models for all that is labelled."""
    labelled = list(bench.store.labelled())
    if committee is None:
        with bench.stopwatch.during(Activity.STARTING):
            return bench.build_committee(labelled)
    new = assembly.build_committee(bench.project, labelled, isolated_atoms_ev=bench.free_atoms_ev())
    new.succeed(committee.generation, n_epochs=committee.n_epochs)
    return new
