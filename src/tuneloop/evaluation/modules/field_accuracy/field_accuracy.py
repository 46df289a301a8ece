"""Share of the labelled keys of a JSON answer that are as expected; 0 when it is not JSON."""

import datasets
import evaluate

from tuneloop.evaluation.answer_fields import share_of_equal_fields


class FieldAccuracy(evaluate.Metric):  # type: ignore[misc]
    """`compute` gives the mean under `field_accuracy` and one number per answer under `scores`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        features = datasets.Features({"predictions": text, "references": text})
        return evaluate.MetricInfo(description=__doc__, citation="", inputs_description="texts", features=features)

    def _compute(
        self,
        predictions: list[str],
        references: list[str],
        required_keys: tuple[str, ...] = (),
        labels: dict[str, tuple[str, ...]] | None = None,
    ) -> dict[str, object]:
        keys = tuple(labels or ()) or required_keys
        pairs = zip(predictions, references, strict=True)
        scores = [share_of_equal_fields(answer, wanted, keys) for answer, wanted in pairs]
        return {"field_accuracy": sum(scores) / len(scores), "scores": scores}
