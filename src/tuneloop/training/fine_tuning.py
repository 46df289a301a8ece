"""One call that fine-tunes: it can be killed at any moment and called again, and never does finished work twice."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.chat import load_tokenizer
from tuneloop.recipes import Training
from tuneloop.records import content_hash
from tuneloop.results import Cost, LossPoint, TrainingReport
from tuneloop.training.base_models import folder_hash
from tuneloop.training.keeping import finish, finished_report, last_whole_checkpoint, start_or_go_on, step_of
from tuneloop.training.rows import read_rows, require_rows, tokenise

if TYPE_CHECKING:
    from datasets import Dataset

    from tuneloop.training.building import Built
    from tuneloop.training.plan import Plan

log = logging.getLogger(__name__)


def fine_tune(
    *,
    base: Path,
    train_file: Path,
    validation_file: Path,
    out: Path,
    system_prompt: str,
    max_tokens: int,
    config: Training,
    data_version: str,
    on_progress: Callable[[LossPoint], None] | None = None,
    threads: int | None = None,
) -> TrainingReport:
    """Train `base` on the answers of `train_file` and write adapter, merged model and report into `out`.

    Called again with the same arguments it returns the finished report, or goes on at the last checkpoint. Called with
    others for the same `out`, it starts afresh. The two files are Parquet with a column `record` (JSON of a Record).

    Args:
        base: folder with safetensors and tokenizer (see `prepare_base`).
        train_file: the rows to learn from.
        validation_file: the rows whose loss is measured twice an epoch; may have none.
        out: folder of this one run; everything is written there.
        system_prompt: for rows that bring none.
        max_tokens: rows with more tokens are left out.
        config: the recipe's training section.
        data_version: goes into the report.
        on_progress: called with every loss; what it raises is logged, not passed on.
        threads: CPU threads; None: all we may use.

    Raises:
        TrainingError: no rows, or a loss that explodes.
        ModelError: the base cannot be read.
    """
    start = time.perf_counter()
    fingerprint = content_hash([str(base), data_version, system_prompt, max_tokens, config.model_dump()])
    if (finished := finished_report(out, fingerprint)) is not None:
        return finished
    start_or_go_on(out, fingerprint)
    tokenizer = load_tokenizer(base)
    train, validation = (
        tokenise(tokenizer, read_rows(path), system_prompt, max_tokens) for path in (train_file, validation_file)
    )
    require_rows(train, max_tokens)
    plan = _plan(base, config, threads, train)
    from tuneloop.training.building import build
    from tuneloop.training.progress import PeakMemory

    with PeakMemory() as memory, _kernel_threads(1 if plan.fast else plan.threads):
        built = build(
            base=base, out=out, config=config, plan=plan, tokenizer=tokenizer, train=train, validation=validation,
            on_progress=on_progress,
        )  # fmt: skip
        resumed_from = _train(built.trainer, out)
        difference = _save(built.trainer.model, base, out, config, probe=train[0]["input_ids"])
    measured = _measured(built, resumed_from)
    report = TrainingReport(
        adapter=str(out / ("model" if config.method == "full" else "adapter")),
        model=str(out / "model"),
        model_hash=folder_hash(out / "model"),
        base_hash=folder_hash(base),
        data_version=data_version,
        merge_max_logit_difference=difference,
        cost=Cost(seconds=time.perf_counter() - start, peak_rss_mib=memory.mib),
        **measured,
    )
    finish(out, report)
    return report


def _plan(base: Path, config: Training, threads: int | None, train: Dataset) -> Plan:
    from transformers import AutoConfig

    from tuneloop.training.plan import make_plan

    architecture = AutoConfig.from_pretrained(str(base), local_files_only=True, trust_remote_code=False)
    longest = sorted((len(ids) for ids in train["input_ids"]), reverse=True)[: config.batch_size]
    return make_plan(config, architecture, threads, sum(longest))


@contextmanager
def _kernel_threads(threads: int) -> Iterator[None]:
    """Threads inside torch's kernels for the block: lanes bring their own, and more would only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train(trainer: Any, out: Path) -> int:
    """Train to the end; returns the step it was resumed from."""
    last = last_whole_checkpoint(out)
    if last is None:
        trainer.train()
        return 0
    log.info("going on at step %d", step_of(last))
    trainer.train(resume_from_checkpoint=str(last))
    return step_of(last)


def _save(model: Any, base: Path, out: Path, config: Training, probe: list[int]) -> float | None:
    """Write adapter and merged model; returns the largest logit difference between them (method full: None)."""
    from tuneloop.training.merging import merge_adapter, save_model

    if config.method == "full":
        save_model(model, base, out / "model")
        return None
    model.save_pretrained(out / "adapter")
    return merge_adapter(base, out / "adapter", out / "model", config, probe)


def _measured(built: Built, resumed_from: int) -> dict[str, Any]:
    """The report's fields that come from the trainer."""
    from tuneloop.training.progress import loss_points

    trainer, loaded = built.trainer, built.loaded
    history = loss_points(trainer.state.log_history)
    speed = trainer.tokens_seen / trainer.seconds_stepping if trainer.seconds_stepping else 0.0
    log.info("trained %d steps, %.0f tokens per second", trainer.state.global_step, speed)
    return {
        "quantised_layers": loaded.quantised_layers,
        "trainable_parameters": loaded.trainable_parameters,
        "total_parameters": loaded.total_parameters,
        "steps": trainer.state.global_step,
        "resumed_from_step": resumed_from,
        "tokens_per_second": speed,
        "train_loss": [p.train_loss for p in history if p.train_loss is not None][-1],
        "eval_loss": next((p.eval_loss for p in reversed(history) if p.eval_loss is not None), None),
        "losses": history,
        "chosen": built.chosen,
    }
