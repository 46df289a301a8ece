"""1 for an answer that is a JSON object with the required keys and only allowed labels."""

import datasets
import evaluate

from tuneloop.evaluation.answer_fields import has_wanted_form


class ValidJson(evaluate.Metric):  # type: ignore[misc]
    """`compute` gives the mean under `valid_json` and one number per answer under `scores`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        features = datasets.Features({"predictions": text, "references": text})
        return evaluate.MetricInfo(description=__doc__, citation="", inputs_description="texts", features=features)

    def _compute(
        self,
        predictions: list[str],
        references: list[str],  # noqa: ARG002 (the interface has it; form needs no reference)
        required_keys: tuple[str, ...] = (),
        labels: dict[str, tuple[str, ...]] | None = None,
    ) -> dict[str, object]:
        scores = [float(has_wanted_form(answer, required_keys, labels or {})) for answer in predictions]
        return {"valid_json": sum(scores) / len(scores), "scores": scores}
