"""aims_PAX.yaml, mace.yaml and starting structures as frozen, validated values."""

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
