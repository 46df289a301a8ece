"""Tasks of EleutherAI's lm-evaluation-harness (extra `lm-eval`), as a suite: what the field measures models by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.errors import RecipeError
from tuneloop.evaluation.gguf_model import artefact_in
from tuneloop.evaluation.subject import Subject
from tuneloop.evaluation.suites.suite import SuiteScores
from tuneloop.records import content_hash

if TYPE_CHECKING:
    import pandas as pd

METRIC = "lm_eval"
SCORING = 1
"""Raise it when the same answers may get other scores than before."""

_RIGHT_OR_WRONG = ("acc", "exact_match", "acc_norm")
"""The harness's metrics that are 0 or 1 for each sample; the first that a task has is taken."""

_TASK_FILES = frozenset({".yaml", ".yml", ".py", ".json", ".jsonl", ".csv", ".parquet"})
_SEED = 17


@dataclass(frozen=True, slots=True)
class LmEval:
    """Metric: `lm_eval`, the share of samples answered right (the task's `acc`, else `exact_match`, else `acc_norm`).

    Args:
        tasks: names of tasks, groups or tags, as the harness has them.
        include_path: a folder with task files of your own; code in them is run.
        limit: samples per task, the first ones; None takes all.
        chat_template: whether prompts go through the model's chat template; the harness's published figures mostly
            do without.
    """

    tasks: tuple[str, ...]
    include_path: Path | None = None
    limit: int | None = None
    chat_template: bool = False

    @property
    def name(self) -> str:
        return "lm_eval"

    def identity(self) -> Any:
        """Names of the tasks, a hash of the user's task files, and the harness, whose tasks belong to its version."""
        return {
            "tasks": list(self.tasks),
            "files": self._files(),
            "limit": self.limit,
            "chat_template": self.chat_template,
            "harness": _version(),
            "scoring": SCORING,
        }

    def measure(self, subject: Subject) -> SuiteScores:
        """Put the tasks to the model's folder.

        Raises:
            RecipeError: the harness is not installed, a task is unknown, its data cannot be had, it executes what the
                model writes, or it has no score that is right or wrong for each sample; or the model is a GGUF file.
        """
        if artefact_in(subject.model.folder) != "merged":
            raise RecipeError("lm_eval_tasks reads safetensors only: take `artefact: merged`, or leave the tasks out")
        samples = list(self._samples(subject))
        return SuiteScores(_frame(samples), metrics=(METRIC,), answers=tuple(map(_answer, samples)))

    def _samples(self, subject: Subject) -> Iterator[dict[str, Any]]:
        """The harness's samples with `id`, `task` and `score`; of a task with several filters, those of the first."""
        for task, samples in self._results(subject)["samples"].items():
            seen: set[int] = set()
            for sample in samples:
                if sample["doc_id"] not in seen:
                    seen.add(sample["doc_id"])
                    score = float(sample[_metric(task, sample["metrics"])])
                    yield {**sample, "id": f"{task}/{sample['doc_id']}", "task": task, "score": score}

    def _results(self, subject: Subject) -> Mapping[str, Any]:
        _version()
        from lm_eval import simple_evaluate
        from lm_eval.models.huggingface import HFLM

        tasks = self._loaded()
        model = HFLM(
            pretrained=str(subject.model.folder),
            tokenizer=subject.model.tokenizer,
            dtype=subject.model.dtype,
            batch_size=subject.batch_size,
            device=_device(),
            trust_remote_code=False,
        )
        found: Mapping[str, Any] = simple_evaluate(
            model,
            tasks=tasks,
            limit=self.limit,
            apply_chat_template=self.chat_template,
            system_instruction=subject.system_prompt or None if self.chat_template else None,
            bootstrap_iters=0,  # intervals are ours, by cluster
            random_seed=None,  # the process's generators are not the harness's to seed
            numpy_random_seed=None,
            torch_random_seed=None,
            fewshot_random_seed=_SEED,
        )
        return found

    def _loaded(self) -> list[Any]:
        """The tasks with their data, from the machine or from the hub."""
        from lm_eval.tasks import TaskManager

        known = TaskManager(include_path=None if self.include_path is None else str(self.include_path))
        if unknown := sorted(set(self.tasks) - set(known.all_tasks)):
            raise RecipeError(
                f"lm-evaluation-harness has no task {unknown[0]!r}; `lm-eval ls tasks` lists what there is"
            )
        try:
            found: dict[str, Any] = known.load(list(self.tasks))["tasks"]
        except OSError as error:  # also what the hub's and the data sets' own errors derive from
            raise RecipeError(
                f"the data of the tasks {', '.join(self.tasks)} cannot be had ({type(error).__name__}): let this "
                "machine reach the Hugging Face hub once, fill its cache, or give tasks whose data are files of yours"
            ) from error
        for name, task in found.items():
            _metric(name, task.aggregation())
            if getattr(task, "UNSAFE_CODE", False):
                raise RecipeError(
                    f"the task {name} executes what the model writes, which is not done here; take it out"
                )
        return list(found.values())

    def _files(self) -> str | None:
        if self.include_path is None:
            return None
        files = sorted(file for file in self.include_path.rglob("*") if file.suffix in _TASK_FILES)
        return content_hash([[str(file.relative_to(self.include_path)), file.read_bytes().hex()] for file in files])


def _version() -> str:
    try:
        return metadata.version("lm-eval")
    except metadata.PackageNotFoundError:
        raise RecipeError(
            "evaluation.lm_eval_tasks needs lm-evaluation-harness: pip install 'tuneloop[lm-eval]'"
        ) from None


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _metric(task: str, names: Iterable[str]) -> str:
    found = next((name for name in _RIGHT_OR_WRONG if name in names), None)
    if found is None:
        raise RecipeError(
            f"the task {task} is measured by {', '.join(names)}; only tasks with one of {', '.join(_RIGHT_OR_WRONG)} "
            "can be a suite, as each sample must be right or wrong"
        )
    return found


def _frame(samples: list[dict[str, Any]]) -> pd.DataFrame:
    """One row per sample. Samples whose documents are the same share a cluster."""
    import pandas as pd

    columns = {
        "id": [sample["id"] for sample in samples],
        "cluster": [f"{sample['task']}/{sample['doc_hash']}" for sample in samples],
        "category": [sample["task"] for sample in samples],
        METRIC: [sample["score"] for sample in samples],
    }
    return pd.DataFrame(columns)


def _answer(sample: Mapping[str, Any]) -> dict[str, Any]:
    failure = None if sample["score"] else f"expected: {sample['target']}"
    return {
        "id": sample["id"],
        "category": sample["task"],
        "prompt": str(sample["arguments"][0][0]),
        "answer": _said(sample),
        "failure": failure,
    }


def _said(sample: Mapping[str, Any]) -> str:
    """The text that was generated, or the choice that the model found likeliest."""
    responses = sample["filtered_resps"]
    if isinstance(responses[0], str):
        return responses[0]
    likeliest = max(range(len(responses)), key=lambda place: responses[place][0])
    return str(sample["arguments"][likeliest][1]).strip()
