"""A trainer that does the step itself, for CPUs.

A lane is a thread that takes some rows of the batch through forward and backward with single-threaded kernels. Rows
without padding are independent, so two cores share a batch with hardly a meeting point, whereas two threads inside
each of the ten thousand small kernels of a step wait for each other at every one: on a machine with other work
that was measured at a tenth of the speed. Gradients are added up in lane order, so a run can be repeated exactly.

Rows mostly begin alike, with the system prompt. A lane computes that beginning once, and its rows attend to it: what a
token's past is decides what it becomes, so this changes no number (but for rounding), forwards or backwards.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import torch

from tuneloop.chat import IGNORED
from tuneloop.training.fused import linear_cross_entropy
from tuneloop.training.watched import WatchedTrainer

Batch = dict[str, Any]


class LaneTrainer(WatchedTrainer):
    """Fused step over padding-free batches, one thread per lane; evaluation averages over tokens, not batches."""

    def __init__(self, *, lanes: int, **rest: Any) -> None:
        super().__init__(**rest)
        self._lanes = lanes
        self._pool = ThreadPoolExecutor(lanes, "lane", initializer=torch.set_num_threads, initargs=(1,))

    def step(self, model: Any, inputs: Batch, num_items_in_batch: Any) -> torch.Tensor:
        model.train()
        total = num_items_in_batch
        if total is None:
            total = (inputs["labels"] != IGNORED).sum() * self.current_gradient_accumulation_steps
        trained = [p for p in model.parameters() if p.requires_grad]
        parts = split_rows(inputs, self._lanes)
        results = list(self._pool.map(lambda part: self._gradients(part, total, trained), parts))
        for _, gradients in results:
            for parameter, gradient in zip(trained, gradients, strict=True):
                parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        return torch.stack([loss for loss, _ in results]).sum()

    def _gradients(
        self, part: Batch, total: Any, trained: list[torch.nn.Parameter]
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        loss = summed_loss(self.model, part) / total
        return loss.detach(), torch.autograd.grad(loss, trained)

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: Any = None,  # noqa: ARG002 the signature is the trainer's
        metric_key_prefix: str = "eval",
    ) -> Any:
        self.model.eval()
        parts = [part for batch in self.get_eval_dataloader(eval_dataset) for part in split_rows(batch, self._lanes)]
        with torch.no_grad():
            loss = sum(self._pool.map(self._evaluated, parts))
        tokens = sum(int((part["labels"] != IGNORED).sum()) for part in parts)
        metrics = {f"{metric_key_prefix}_loss": float(loss) / max(tokens, 1)}
        self.log(dict(metrics))
        handler: Any = self.callback_handler
        self.control: Any = handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    @torch.no_grad()  # the context manager outside holds for its own thread only
    def _evaluated(self, part: Batch) -> float:
        return float(summed_loss(self.model, part))


def summed_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Cross-entropy summed over the labelled tokens of a padding-free batch, without ever holding all logits."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden = inner.get_decoder()(
        input_ids=batch["input_ids"],
        position_ids=batch["position_ids"],
        cu_seq_lens_q=batch["cu_seq_lens_q"],
        shared_prefix=batch.get("shared_prefix", False),
        use_cache=False,
    ).last_hidden_state[0]
    targets = batch["labels"][0, 1:]
    labelled = (targets != IGNORED).nonzero()[:, 0]
    return linear_cross_entropy(hidden[labelled], inner.get_output_embeddings().weight, targets[labelled])


def split_rows(batch: Batch, lanes: int) -> list[Batch]:
    """Deal the rows of a padding-free batch out to at most `lanes` parts of about equal length."""
    borders = batch["cu_seq_lens_q"].tolist()
    rows = sorted(pairwise(borders), key=lambda row: row[0] - row[1])
    parts: list[list[tuple[int, int]]] = [[] for _ in range(min(lanes, len(rows)))]
    for row in rows:  # longest first, always to the lane that has least
        min(parts, key=lambda part: sum(end - start for start, end in part)).append(row)
    return [_take(batch, part) for part in parts]


def _take(batch: Batch, rows: list[tuple[int, int]]) -> Batch:
    """The part with these rows: what they all begin with first, then the rest of each."""
    shared = _shared_length(batch, rows)
    pieces = [(start + shared, end) for start, end in rows]
    if shared:
        pieces = [(rows[0][0], rows[0][0] + shared), *pieces]
    where = torch.cat([torch.arange(start, end) for start, end in pieces])
    lengths = torch.tensor([0] + [end - start for start, end in pieces])
    part = {name: batch[name][:, where] for name in ("input_ids", "labels", "position_ids")}
    return {**part, "cu_seq_lens_q": lengths.cumsum(0).to(torch.int32), "shared_prefix": shared > 0}


def _shared_length(batch: Batch, rows: list[tuple[int, int]]) -> int:
    """How many first tokens all rows share, short of the one before their first label (it predicts differing ones)."""
    if len(rows) < 2:  # noqa: PLR2004
        return 0
    ids, labels = batch["input_ids"][0], batch["labels"][0]
    unlabelled = [int((labels[start:end] != IGNORED).int().argmax()) or end - start for start, end in rows]
    most = max(min(unlabelled) - 1, 0)
    beginnings = torch.stack([ids[start : start + most] for start, _ in rows])
    return int((beginnings == beginnings[0]).all(0).int().cumprod(0).sum())
