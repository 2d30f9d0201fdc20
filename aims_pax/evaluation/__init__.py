"""How wrong models are, measured against labels; whether their dynamics holds; what to make of both."""

from aims_pax.evaluation.metrics import Errors, Evaluation, MemberPrediction, evaluate
from aims_pax.evaluation.shown import evaluation_json, evaluation_table

__all__ = [
    "Errors",
    "Evaluation",
    "MemberPrediction",
    "evaluate",
    "evaluation_json",
    "evaluation_table",
]
