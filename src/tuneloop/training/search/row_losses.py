"""Validation loss row by row, so that two trainings can be compared over the same rows.

Validation sets are small, and rows differ far more from each other than two trainings do on the same row. The paired
difference leaves the first out; its spread is that of a ratio estimate, as the loss is a mean over tokens of rows of
unequal length (W. G. Cochran, "Sampling Techniques", 3rd edition, chapter 6).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneloop.chat import IGNORED, load_tokenizer
from tuneloop.errors import TrainingError
from tuneloop.recipes import Training
from tuneloop.results.search import Comparison
from tuneloop.row_files import load_rows
from tuneloop.training.rows import tokenise


@dataclass(frozen=True, slots=True)
class RowLosses:
    """Both of shape (rows,): summed loss of the answer's tokens in nats, and how many there are."""

    sums: NDArray[np.float64]
    tokens: NDArray[np.int64]

    @property
    def mean(self) -> float:
        return float(self.sums.sum() / self.tokens.sum())


def row_losses(
    *, base: Path, adapter: Path, config: Training, validation_file: Path, system_prompt: str, max_tokens: int
) -> RowLosses:
    """The loss of each validation row under base plus adapter (method full: under the model in `adapter`).

    Rows go through the model one at a time, without padding and by the library's own forward.
    """
    import torch

    rows = tokenise(load_tokenizer(base), load_rows(validation_file), system_prompt, max_tokens)
    model = _load(base, adapter, config).eval()
    sums, tokens = [], []
    with torch.inference_mode():
        for row in rows:
            labelled = sum(label != IGNORED for label in row["labels"][1:])
            ids, labels = (torch.tensor([row[name]], device=model.device) for name in ("input_ids", "labels"))
            sums.append(float(model(input_ids=ids, labels=labels, use_cache=False).loss) * labelled)
            tokens.append(labelled)
    return RowLosses(np.array(sums), np.array(tokens))


def compare(best: RowLosses, own: RowLosses, *, candidates: int, confidence: float = 0.95) -> Comparison:
    """Mean loss of `best` minus `own`, over the same rows.

    `candidates` settings were compared with `own` and the best was taken: the interval is Bonferroni's, so that it
    holds for the luckiest of them too.

    Raises:
        TrainingError: fewer than two rows.
    """
    from scipy import stats

    rows = len(best.sums)
    if rows < 2:  # noqa: PLR2004 (one row has no spread)
        raise TrainingError("settings cannot be compared over a single validation row; raise data.validation_share")
    differences = best.sums - own.sums
    total = int(best.tokens.sum())
    mean = float(differences.sum() / total)
    residuals = differences - mean * best.tokens
    error = math.sqrt(rows / (rows - 1) * float((residuals**2).sum())) / total
    reach = float(stats.t.isf((1 - confidence) / 2 / max(candidates, 1), rows - 1)) * error
    return Comparison(difference=mean, low=mean - reach, high=mean + reach, rows=rows, candidates=candidates)


def _load(base: Path, adapter: Path, config: Training) -> Any:
    import torch
    from peft import PeftModel

    from tuneloop.training.loading import load_base, load_nf4

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if config.method == "full":
        return load_base(adapter, dtype=torch.bfloat16, attention="sdpa", device=device)
    if config.method == "qlora":
        loaded, _ = load_nf4(base, attention="sdpa", device=device, dequantise=device == "cpu")
    else:
        loaded = load_base(base, dtype=torch.bfloat16, attention="sdpa", device=device)
    return PeftModel.from_pretrained(loaded, str(adapter))
