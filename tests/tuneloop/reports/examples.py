"""A round as the loop would write it, for tests of what reads rounds."""

from __future__ import annotations

from typing import Any

from tuneloop.results import (
    Cost,
    DataReport,
    EvaluationReport,
    FeedbackReport,
    LossPoint,
    Metric,
    Reason,
    Round,
    TrainingReport,
    Verdict,
)

COST = Cost(seconds=12.34, peak_rss_mib=987.6)


def evaluation(name: str, score: float) -> EvaluationReport:
    return EvaluationReport(
        model=name,
        model_hash=f"hash-of-{name}",
        data_version="d1",
        metrics={"valid_json": Metric(value=score, low=max(0.0, score - 0.1), high=min(1.0, score + 0.1), n=48)},
        probes={"general_skills": Metric(value=0.4, low=0.3, high=0.5, n=32)},
        scores="scores.parquet",
        answers="answers.jsonl",
        tokens_per_second=50.0,
        cost=COST,
    )


def make_round(number: int = 1, **changes: Any) -> Round:
    content: dict[str, Any] = {
        "number": number,
        "recipe": "desk",
        "training_key": f"key-{number}",
        "complete": True,
        "trigger": "manual",
        "started_at": "2026-11-21T10:00:00+00:00",
        "flow_run_id": None,
        "data": DataReport(
            version="d1",
            folder="data/d1",
            rows_in=100,
            rows_quarantined=10,
            rows_train=70,
            rows_validation=10,
            rows_test=10,
            reasons={"pii": 10},
            sources={"desk": 100},
            cost=COST,
        ),
        "feedback": FeedbackReport(
            responses=4,
            new_responses=4,
            corrections=3,
            preference_pairs=3,
            mean_rating=2.5,
            issues={"voice": 2},
            folder="feedback",
        ),
        "training": TrainingReport(
            adapter="adapter",
            model="model",
            model_hash="abcdef0123456789",
            base_hash="base",
            data_version="d1",
            quantised_layers=210,
            trainable_parameters=4_884_480,
            total_parameters=139_400_000,
            steps=20,
            tokens_per_second=321.0,
            train_loss=0.5,
            eval_loss=0.6,
            losses=[LossPoint(step=10, epoch=0.5, train_loss=1.0), LossPoint(step=20, epoch=1.0, eval_loss=0.6)],
            cost=COST,
        ),
        "base": evaluation("base", 0.0),
        "champion": None,
        "candidate": evaluation("candidate", 0.9),
        "verdict": Verdict(
            decision="promote",
            reasons=[Reason(rule="improve", passed=True, text="valid_json rose by 0.90 <b>over</b> base")],
            candidate_hash="abcdef0123456789",
            champion_hash=None,
        ),
    }
    return Round(**(content | changes))
