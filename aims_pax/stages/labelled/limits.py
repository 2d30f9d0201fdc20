"""Which labels of a stage are learned: the largest force that they may hold, by its own settings or its reference's."""

from typing import Final

from aims_pax.dataset.store import RunStore
from aims_pax.reference.force_limit import ForceLimit
from aims_pax.settings import Project
from aims_pax.settings.stages.collect import CollectSettings

LABELS_RETURNED: Final = "LabelsReturned"
"""Kind of journal entry: labels that were kept out, and are learned from now on (`label_ids`)."""


def force_limit(project: Project, stage: str, system: str, *, reference: str) -> ForceLimit:
    """The limit for labels of one system that a stage asks of a reference.

    Parameters
    ----------
    stage : str
        Name of the stage that asks.
    system : str
        Name of the starting structure; structures of other names, as of a dataset, are computed as the first one.
    reference : str
        Key of the reference in the store.
    """
    plan = next((one for one in project.settings.stages if one.name == stage), None)
    if plan is not None and isinstance(plan.settings, CollectSettings):
        own = plan.settings.max_force_ev_per_ang
        if own is not None:
            return ForceLimit(own, plan.said("max_force_ev_per_ang"))
    by = project.labelled_by(reference)
    systems = {one.name: one for one in by.systems}
    settings = by.reference_for(systems[system]) if system in systems else by.settings.reference
    return ForceLimit(settings.max_force_ev_per_ang)


def kept_out_hint(store: RunStore) -> str:
    """What a stage that comes to nothing says of labels that are kept out; empty where there are none."""
    n_kept_out = store.n_kept_out()
    if not n_kept_out:
        return ""
    return (
        f". {n_kept_out} of the labels are stored and kept out for their forces: where such belong to what is "
        "simulated, raise REFERENCE.max_force_ev_per_ang, and they are learned"
    )
