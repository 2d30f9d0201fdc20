"""What of the starting structures is worth a warning, and no reason to refuse them."""

from aims_pax.errors import Problem
from aims_pax.settings.methods.asi import AsiSettings
from aims_pax.settings.methods.fhi_aims import FhiAimsSettings
from aims_pax.settings.project import Project


def structure_remarks(project: Project) -> list[Problem]:
    """Remarks on files and structures of a project, each in the four parts of a problem."""
    remarks = [remark for system in project.systems for remark in system.remarks]
    for system in project.systems:
        plan = project.plan_of(system)
        reference = project.settings.reference if plan is None else plan.reference
        is_told = isinstance(reference, FhiAimsSettings | AsiSettings)  # these are given the moments
        if system.moments is not None and not is_told:
            where = system.name if system.file is None else system.file.name
            found = f"The file gives initial magnetic moments, and the reference {reference.type} is not told them."
            advice = (
                "Name moments by element: REFERENCE.magnetic_moments."
                if hasattr(reference, "magnetic_moments")
                else "Labels are those of the charge and spin in REFERENCE."
            )
            remarks.append(Problem(where, found, "", advice))
    return list(dict.fromkeys(remarks))
