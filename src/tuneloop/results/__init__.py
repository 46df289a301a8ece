"""What each step of the loop reports: small, serialisable, free of any row's text."""

from tuneloop.results.data import Check, Cluster, DataManifest, DataReport, Example, Forgotten, Origin, Slice, Step
from tuneloop.results.evaluation import EvaluationReport, Metric, Opinion, Reason, Speed, Verdict
from tuneloop.results.private_test import PrivateReport, PrivateUse
from tuneloop.results.result import Cost
from tuneloop.results.review import (
    JudgeAgreement,
    Quality,
    QuestionAgreement,
    ReviewerSummary,
    ReviewSummary,
    SetAside,
    SetSummary,
)
from tuneloop.results.rounds import Approval, DriftReport, FeedbackReport, ReviewReport, Round
from tuneloop.results.training import Estimate, LossPoint, TrainingReport, TrainingWarning

__all__ = [
    "Approval",
    "Check",
    "Cluster",
    "Cost",
    "DataManifest",
    "DataReport",
    "DriftReport",
    "Estimate",
    "EvaluationReport",
    "Example",
    "FeedbackReport",
    "Forgotten",
    "JudgeAgreement",
    "LossPoint",
    "Metric",
    "Opinion",
    "Origin",
    "PrivateReport",
    "PrivateUse",
    "Quality",
    "QuestionAgreement",
    "Reason",
    "ReviewReport",
    "ReviewSummary",
    "ReviewerSummary",
    "Round",
    "SetAside",
    "SetSummary",
    "Slice",
    "Speed",
    "Step",
    "TrainingReport",
    "TrainingWarning",
    "Verdict",
]
