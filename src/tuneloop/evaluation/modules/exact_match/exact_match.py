"""1 for an answer that is the expected one, character by character; white space around it does not count."""

import datasets
import evaluate


class ExactMatch(evaluate.Metric):  # type: ignore[misc]
    """`compute` gives the mean under `exact_match` and one number per answer under `scores`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        features = datasets.Features({"predictions": text, "references": text})
        return evaluate.MetricInfo(description=__doc__, citation="", inputs_description="texts", features=features)

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, object]:
        pairs = zip(predictions, references, strict=True)
        scores = [float(answer.strip() == wanted.strip()) for answer, wanted in pairs]
        return {"exact_match": sum(scores) / len(scores), "scores": scores}
