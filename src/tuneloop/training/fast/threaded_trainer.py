"""A trainer that does the step itself, for CPUs.

The rows of a batch are split into shards, one for each thread, and a thread takes its shard through forward and
backward with single-threaded kernels. Rows without padding are independent, so two cores share a batch with hardly a
meeting point, whereas two threads inside each of the ten thousand small kernels of a step wait for each other at every
one: on a machine with other work that was measured at a tenth of the speed. Gradients are added up in the order of the
shards, so a run can be repeated exactly.

Rows mostly begin alike, with the system prompt. A shard computes that beginning once, and its rows attend to it: what
a token's past is decides what it becomes, so this changes no number (but for rounding), forwards or backwards.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import pad
from torch.utils.data import DataLoader

from tuneloop.chat import IGNORED
from tuneloop.training.callbacks import WatchedTrainer
from tuneloop.training.distributed import sum_gradients, summed
from tuneloop.training.fast.attention import TILE
from tuneloop.training.fast.fused import linear_cross_entropy

# By default every tensor of a megabyte is a mapping of its own, or the end of a heap that is cut off: at each layer the
# kernel hands out fresh pages, zeroes them, and none of them is in a cache. Measured in docs/training-speed.md.


# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
NEVER = 2**31 - 1
GIBIBYTE, MOST_BEFORE_GLIBC_2_35 = 1 << 30, 32 << 20


def keep_freed_memory() -> bool:
    """For the rest of the process; call it before threads are started. False where the C library is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    mallopt(M_ARENA_MAX, 1)  # other arenas give a heap back when it is empty, whatever is set
    mallopt(M_TRIM_THRESHOLD, NEVER)
    return bool(mallopt(M_MMAP_THRESHOLD, GIBIBYTE) or mallopt(M_MMAP_THRESHOLD, MOST_BEFORE_GLIBC_2_35))


Batch = dict[str, Any]

TOKENS_AT_ONCE = 1024
"""Of a shard, unless one row is longer. What is kept for the backward grows with them, the speed hardly."""


class ThreadedTrainer(WatchedTrainer):
    """Fused step over padding-free batches, one thread per shard; evaluation averages over tokens, not batches."""

    def __init__(self, *, threads: int, **rest: Any) -> None:
        super().__init__(**rest)
        keep_freed_memory()
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "shard", initializer=torch.set_num_threads, initargs=(1,))

    def step(self, model: Any, inputs: Batch, num_items_in_batch: Any) -> torch.Tensor:
        model.train()
        total = num_items_in_batch
        if total is None:
            total = (inputs["labels"] != IGNORED).sum() * self.current_gradient_accumulation_steps
        trained = [p for p in model.parameters() if p.requires_grad]
        parts, losses = split_rows(inputs, self._threads), []
        for loss, gradients in self._pool.map(lambda part: self._gradients(part, total, trained), parts):
            losses.append(loss)
            for parameter, gradient in zip(trained, gradients, strict=True):
                parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        if self.accelerator.sync_gradients:
            sum_gradients(trained)
        # the trainer logs the mean over processes, and each has only its share of the whole
        return torch.stack(losses).sum().mul(self.accelerator.num_processes)

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
        parts = [part for batch in self._own_batches(eval_dataset) for part in split_rows(batch, self._threads)]
        with torch.no_grad():
            loss = sum(self._pool.map(self._evaluated, parts))
        labelled = sum(int((part["labels"] != IGNORED).sum()) for part in parts)
        loss, tokens = summed(float(loss), labelled)
        metrics = {f"{metric_key_prefix}_loss": loss / max(tokens, 1)}
        self.log(dict(metrics))
        handler: Any = self.callback_handler
        self.control: Any = handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _own_batches(self, rows: Any) -> Iterable[Batch]:
        """The share of the rows that is this process's, each row once; accelerate would fill up the last batch."""
        rows = self.eval_dataset if rows is None else rows
        mine = rows.shard(self.args.world_size, self.args.process_index)
        return DataLoader(mine, self.args.per_device_eval_batch_size, collate_fn=self.data_collator)

    @torch.no_grad()  # the context manager outside holds for its own thread only
    def _evaluated(self, part: Batch) -> float:
        return float(summed_loss(self.model, part))


def summed_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Cross-entropy summed over the labelled tokens of a padding-free batch, without ever holding all logits."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    targets = batch["labels"][0, 1:]
    labelled = (targets != IGNORED).nonzero()[:, 0]
    hidden = inner.get_decoder()(
        **filled_up(batch),
        shared_prefix=batch.get("shared_prefix", False),
        kept_tokens=labelled,
        use_cache=False,
    ).last_hidden_state[0]
    if len(hidden) != len(labelled):  # a fused last layer has left the others out already
        hidden = hidden[labelled]
    return linear_cross_entropy(hidden, inner.get_output_embeddings().weight, targets[labelled])


def filled_up(batch: Batch) -> Batch:
    """Tokens, positions and borders with one more row that makes the number of tokens a multiple of `TILE`: oneDNN
    compiles a kernel for every new number, and keeps it."""
    ids, borders = batch["input_ids"], batch["cu_seq_lens_q"]
    missing = -ids.shape[1] % TILE
    if not missing:
        return {name: batch[name] for name in ("input_ids", "position_ids", "cu_seq_lens_q")}
    positions = torch.cat((batch["position_ids"], torch.arange(missing)[None]), 1)
    return {
        "input_ids": pad(ids, (0, missing)),
        "position_ids": positions,
        "cu_seq_lens_q": torch.cat((borders, borders[-1:] + missing)),
    }


def split_rows(batch: Batch, threads: int) -> list[Batch]:
    """Split the rows of a padding-free batch into shards of about equal length: one for each thread, or as many times
    as many as keep the shards at about `TOKENS_AT_ONCE`."""
    borders = batch["cu_seq_lens_q"].tolist()
    rows = sorted(pairwise(borders), key=lambda row: row[0] - row[1])
    rounds = math.ceil(borders[-1] / (threads * TOKENS_AT_ONCE))
    parts: list[list[tuple[int, int]]] = [[] for _ in range(min(threads * rounds, len(rows)))]
    for row in rows:  # longest first, always to the part that has least
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
