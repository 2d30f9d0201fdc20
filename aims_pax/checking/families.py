"""Models of other families than MACE: what keeps them from being trained here, and what they would do and cost."""

from collections.abc import Iterator
from dataclasses import replace

from aims_pax.committee.deepmd import installation as of_deepmd
from aims_pax.committee.gap import installation as of_gap
from aims_pax.errors import Problem
from aims_pax.settings import Project
from aims_pax.settings.committee.deepmd import read_deepmd_input
from aims_pax.settings.committee.gap import read_gap_input
from aims_pax.stages import assembly


def family_problems(project: Project) -> Iterator[Problem]:
    """Why models of this family can't be trained here. DeePMD-kit is started, and looks at its input itself."""
    architecture = project.mace.architecture
    if architecture.is_gap and (problem := of_gap.why_no_gap()) is not None:
        yield replace(problem, where=project.where("ARCHITECTURE", "model_choice"))
    if architecture.is_deepmd:
        environment = of_deepmd.Environment(str(architecture.deepmd_environment), project.mace.misc.device == "cpu")
        problem = of_deepmd.why_no_deepmd(environment, architecture.deepmd_input or "")
        if problem is not None:
            key = problem.where
            yield replace(problem, where=project.where(*key.split(".")), found=f"{key} {problem.found}")


def family_facts(project: Project) -> Iterator[str]:
    """What the committee is, and under which licence."""
    n_members = len(assembly.seeds_of(project))
    if project.mace.architecture.is_gap:
        asked = read_gap_input(project.mace.architecture.gap_input or "")
        terms = " + ".join(one.kind for one in asked.descriptors)
        yield (
            f"committee: {n_members} GAPs ({terms}), cutoff {asked.cutoff_ang:g} Å, on the CPU; each is fitted anew by "
            "gap_fit whenever it gets labels, and epochs beyond the first of a training cost nothing"
        )
        yield f"licence: {of_gap.LICENCE}"
    else:
        yield _deepmd_fact(project, n_members)
        yield "input.json: its data, seeds, validation and names of files are not looked at; these are the run's"
        yield f"licence: {of_deepmd.LICENCE}"


def _deepmd_fact(project: Project, n_members: int) -> str:
    architecture = project.mace.architecture
    asked = read_deepmd_input(architecture.deepmd_input or "")
    if architecture.deepmd_epoch_steps is None:
        how = f"{asked.n_steps} steps from random weights whenever it gets labels"
    else:
        steps = architecture.deepmd_epoch_steps
        how = f"{steps} steps an epoch from its weights, at a learning rate of {asked.start_lr:g}"
    where = "on the CPU" if project.mace.misc.device == "cpu" else "on a GPU if its environment finds one"
    return (
        f"committee: {n_members} models of DeePMD-kit ({asked.descriptor}), cutoff {asked.cutoff_ang:g} Å, {where}; "
        f"each is trained by dp --pt train, {how}"
    )
