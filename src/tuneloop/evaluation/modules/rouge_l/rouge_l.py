"""ROUGE-L: the longest common subsequence of words, as F1 (Lin, 2004)."""

import datasets
import evaluate
from rouge_score import rouge_scorer


class RougeL(evaluate.Metric):  # type: ignore[misc]
    """`compute` gives the mean under `rouge_l` and one number per answer under `scores`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        features = datasets.Features({"predictions": text, "references": text})
        return evaluate.MetricInfo(description=__doc__, citation="", inputs_description="texts", features=features)

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, object]:
        scorer = rouge_scorer.RougeScorer(["rougeL"])
        pairs = zip(predictions, references, strict=True)
        scores = [float(scorer.score(wanted, answer)["rougeL"].fmeasure) for answer, wanted in pairs]
        return {"rouge_l": sum(scores) / len(scores), "scores": scores}
