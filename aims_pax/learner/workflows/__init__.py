"""Workflows that are played again and again while a committee learns: who is where, and what follows.

A player is a trajectory that goes through the phases of a workflow, from the first to the last: a visit; then it
begins anew. Players wait for nobody, but where all of them are to have models that have learned from all.
"""

from aims_pax.learner.workflows.decide import decide, driver_of, may_begin, reopened
from aims_pax.learner.workflows.events import (
    Advance,
    AllLearned,
    Await,
    Build,
    BuildFailed,
    Built,
    Command,
    Consequence,
    EpochsDone,
    Event,
    Finish,
    HoldFrame,
    KeepLabel,
    LabelArrived,
    LabelFailed,
    LearnAll,
    Moved,
    PhaseOver,
    Submit,
    Train,
)
from aims_pax.learner.workflows.rules import DrivenBy, Holds, PhaseRule, PlayRules
from aims_pax.learner.workflows.state import Best, Doing, End, Pick, Player, PlayState, Turn
from aims_pax.learner.workflows.transition import begin, transition

__all__ = [
    "Advance",
    "AllLearned",
    "Await",
    "Best",
    "Build",
    "BuildFailed",
    "Built",
    "Command",
    "Consequence",
    "Doing",
    "DrivenBy",
    "End",
    "EpochsDone",
    "Event",
    "Finish",
    "HoldFrame",
    "Holds",
    "KeepLabel",
    "LabelArrived",
    "LabelFailed",
    "LearnAll",
    "Moved",
    "PhaseOver",
    "PhaseRule",
    "Pick",
    "PlayRules",
    "PlayState",
    "Player",
    "Submit",
    "Train",
    "Turn",
    "begin",
    "decide",
    "driver_of",
    "may_begin",
    "reopened",
    "transition",
]
