"""How wrong models are, measured against labels."""

from aims_pax.evaluation.metrics import Errors, Evaluation, MemberPrediction, evaluate
from aims_pax.evaluation.tables import evaluation_json, evaluation_table

__all__ = ["Errors", "Evaluation", "MemberPrediction", "evaluate", "evaluation_json", "evaluation_table"]
