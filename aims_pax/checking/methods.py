"""Whether energies of all systems belong together: one model learns them all."""

from collections.abc import Iterator, Mapping
from typing import Final

from aims_pax.checking.asked import Asked
from aims_pax.errors import Doubt
from aims_pax.settings import Project
from aims_pax.settings.methods.asi import AsiInput
from aims_pax.settings.methods.charges import told_by
from aims_pax.settings.methods.fhi_aims import FhiAimsInput
from aims_pax.settings.methods.keywords import flat, is_of_charge
from aims_pax.settings.reading.control_in import keywords
from aims_pax.settings.section import Section
from aims_pax.stages.beginnings.finetuning import as_its_model

MAY_DIFFER: Final = (
    *("charge", "multiplicity", "command", "launch", "walltime_s", "max_force_ev_per_ang", "kspacing", "kpts"),
    *("molecule_box", "magnetic_moments", "max_iterations", "max_cycle", "device", "control", "density_fit"),
    *("initial_moments", "initial_charges", "species_text"),
)
"""Settings of a method that systems may have of their own, and whose energies one model can learn all the same."""


OF_ONE_STRUCTURE: Final = ("k_grid", "k_offset", "k_points", "charge", "spin", "fixed_spin", "default_initial_moment")
"""Beginnings of keywords in control.in that belong to a structure."""

OF_THE_WAY: Final = ("sc_", "output", "charge_mix", "mixer", "n_max_pulay", "elsi", "restart", "use_local", "compute_")
"""And of those that say how the same energy is found, and what is told of it."""


def methods_apart(project: Project) -> Iterator[Doubt]:
    """Systems that are labelled by methods whose energies do not belong together."""
    own = [(system.name, project.reference_for(system)) for system in project.systems]
    for name, reference in own[1:] if project.settings.systems else []:
        first_name, first = own[0]
        apart = _apart(first, reference)
        if apart:
            yield Doubt(
                project.where("SYSTEMS", name, "REFERENCE"),
                f"{name} and {first_name} are labelled by methods that differ in {', '.join(apart)}.",
                "one method for all systems, with k points, charge and spin of each",
                "Energies of two methods lie on two surfaces, and a model that learns both is right on neither. Give "
                "all systems the same method, or train a model for each.",
            )


def _apart(first: Section, second: Section) -> list[str]:
    """What of two references is not the same, besides what may differ."""
    if type(first) is not type(second):
        return ["type"]
    if isinstance(first, AsiInput) and isinstance(second, AsiInput) and first.aims and second.aims:
        return _apart(first.aims, second.aims)
    found = []
    for key in type(first).model_fields:
        one, other = getattr(first, key), getattr(second, key)
        if key == "control_text":
            found += _keys_apart(_control(one), _control(other), "control.in: ")
        elif key == "parameters":
            found += _keys_apart(dict(flat(one)), dict(flat(other)), "parameters.")
        elif key not in MAY_DIFFER and one != other and not (key == "xc" and isinstance(first, FhiAimsInput)):
            found.append(key)  # the functional of FHI-aims is told with the keywords of control.in
    return found


def _control(text: str) -> dict[str, object]:
    """Keywords of control.in that say what is computed."""
    lines = ((line.name, line.values) for line in keywords(text))
    return {name: values for name, values in lines if not name.startswith((*OF_ONE_STRUCTURE, *OF_THE_WAY))}


def _keys_apart(first: Mapping[str, object], second: Mapping[str, object], home: str) -> list[str]:
    names = sorted({*first, *second})
    return [
        f"{home}{name}"
        for name in names
        if name not in MAY_DIFFER and not is_of_charge(name) and first.get(name) != second.get(name)
    ]


def charges(asked: Asked) -> Iterator[Doubt]:
    """Systems that differ by charge or spin alone, and models that can't tell; or that take what nobody knows."""
    project = asked.project
    mace = as_its_model(project).mace
    embed, where = mace.architecture.embed, project.where("ARCHITECTURE", "embed")
    leave_out, take_up = "leave it out of embed", "Add total_{name} to ARCHITECTURE.embed"
    if mace.training.perform_finetuning:
        where = project.where("TRAINING", "pretrained_model")
        leave_out, take_up = "name a model that doesn't take it", "Name a model that takes total_{name}"
    states: dict[tuple[int, ...], set[tuple[float | None, float | None]]] = {}
    for system in project.systems:
        told = told_by(project.reference_for(system))
        states.setdefault(tuple(sorted(system.frame.numbers.tolist())), set()).add((told.charge, told.multiplicity))
        known = {"total_charge": told.charge, "total_spin": told.multiplicity}
        for taken_up in embed:
            if known[taken_up] is None:
                taken = "0" if taken_up == "total_charge" else "1"
                found = f"Models take {taken_up}, which the reference does not say of {system.name}: they take {taken}."
                yield Doubt(where, found, "", f"Fix it in the reference's input, or {leave_out}.")
    for several in states.values():
        for name, values in (("charge", {one[0] for one in several}), ("spin", {one[1] for one in several})):
            if len(values) > 1 and f"total_{name}" not in embed:
                found = f"Systems of the same atoms differ in {name}, and the models don't take it."
                advice = f"{take_up.format(name=name)}; without it one structure has several energies."
                yield Doubt(where, found, "", advice)
