"""aims_PAX.yaml, mace.yaml and starting structures as frozen, validated values."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aims_pax.settings.cluster import ClusterSettings, InlineCluster, LocalCluster, ParslCluster, SlurmCluster
    from aims_pax.settings.committee.mace import (
        ArchitectureSettings,
        DeviceSettings,
        GeneralSettings,
        MaceSettings,
        TrainingSettings,
    )
    from aims_pax.settings.md import MDSettings
    from aims_pax.settings.methods.driver import FoundationalModelSettings
    from aims_pax.settings.methods.fhi_aims import FhiAimsSettings
    from aims_pax.settings.methods.reference import (
        AseCalculatorSettings,
        PyscfSettings,
        ReferenceSettings,
        TbliteSettings,
        TeacherSettings,
    )
    from aims_pax.settings.misc import MiscSettings
    from aims_pax.settings.project import Project, load_project
    from aims_pax.settings.sections import Settings
    from aims_pax.settings.stages.active import ActiveLearningSettings
    from aims_pax.settings.stages.initial import InitialDatasetSettings
    from aims_pax.settings.systems import System

_HOMES: Final = {
    "ActiveLearningSettings": "stages.active",
    "ArchitectureSettings": "committee.mace",
    "AseCalculatorSettings": "methods.reference",
    "ClusterSettings": "cluster",
    "DeviceSettings": "committee.mace",
    "FhiAimsSettings": "methods.fhi_aims",
    "FoundationalModelSettings": "methods.driver",
    "GeneralSettings": "committee.mace",
    "InitialDatasetSettings": "stages.initial",
    "InlineCluster": "cluster",
    "LocalCluster": "cluster",
    "MDSettings": "md",
    "MaceSettings": "committee.mace",
    "MiscSettings": "misc",
    "ParslCluster": "cluster",
    "Project": "project",
    "PyscfSettings": "methods.reference",
    "ReferenceSettings": "methods.reference",
    "Settings": "sections",
    "SlurmCluster": "cluster",
    "System": "systems",
    "TbliteSettings": "methods.reference",
    "TeacherSettings": "methods.reference",
    "TrainingSettings": "committee.mace",
    "load_project": "project",
}
"""The module of each name: what needs one of them alone, such as the unit of a score, need not import all."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = [
    "ActiveLearningSettings",
    "ArchitectureSettings",
    "AseCalculatorSettings",
    "ClusterSettings",
    "DeviceSettings",
    "FhiAimsSettings",
    "FoundationalModelSettings",
    "GeneralSettings",
    "InitialDatasetSettings",
    "InlineCluster",
    "LocalCluster",
    "MDSettings",
    "MaceSettings",
    "MiscSettings",
    "ParslCluster",
    "Project",
    "PyscfSettings",
    "ReferenceSettings",
    "Settings",
    "SlurmCluster",
    "System",
    "TbliteSettings",
    "TeacherSettings",
    "TrainingSettings",
    "load_project",
]
