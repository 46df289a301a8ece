"""Files of training rows, taken through the same steps as the sources of a recipe."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from tuneloop.data.reading import read_sources
from tuneloop.ports import A, B, TokenCounter, Validator
from tuneloop.recipes import Data, Model, Recipe, Source
from tuneloop.records import Record
from tuneloop.workflows.prepare_data import examine
from tuneloop.workflows.prepare_data.examined import Examined
from tuneloop.workflows.prepare_data.manifest import describe
from tuneloop.workflows.validate_file.request import Checked, Request, unreadable_of

PEEKED_ROWS = 100
NO_TOKENIZER = "lengths were not checked: name the model's folder with --base"


@contextmanager
def check_training_rows(request: Request, validator: Validator, progress: Callable[[int], None]) -> Iterator[Checked]:
    root = Path.cwd()
    with _workspace(request.workspace) as workspace:
        recipe = one_pool(request, root, workspace)
        counter = _counter(request, recipe)
        with examine(
            recipe,
            root=root,
            workspace=workspace,
            validator=validator,
            counter=counter,
            executor=_Watched(progress),
        ) as found:
            manifest = describe(found, version="", parents=[], root=root, workspace=workspace, counter=counter)
            yield Checked(
                manifest=manifest,
                suites=[(run.suite, run.rows) for run in found.runs],
                unreadable=unreadable_of(found.staging.unreadable()),
                notes=[] if counter else [NO_TOKENIZER],
                passing=_passing(found),
                rejections=found.rejections(),
            )


def one_pool(request: Request, root: Path, workspace: Path) -> Recipe:
    """Return a recipe for the files: what the given one expects of rows, but all rows in one split and none left out,
    so that a copy is called a copy."""
    given = request.recipe or Recipe(name="alone", data=Data(sources=()), model=Model(base="none"))
    sources = request.sources
    data = given.data.model_copy(
        update={
            "sources": sources,
            "kind": request.suite or _kind(sources, root, workspace),
            "cleaning": request.cleaning or given.data.cleaning,
            "checks": request.checks,
            "slices": ("source",),
            "balance": None,
            "augmentation": None,
            "train_share": 1.0,
            "validation_share": 0.0,
            "max_train_rows": None,
            "max_validation_rows": None,
        }
    )
    return given.model_copy(update={"name": sources[0].name, "data": data})


def _kind(sources: tuple[Source, ...], root: Path, workspace: Path) -> Literal["sft", "preference"]:
    first = islice(read_sources(sources, root=root, workspace=workspace), PEEKED_ROWS)
    return "preference" if any(isinstance(r, Record) and r.rejected is not None for r in first) else "sft"


@contextmanager
def _workspace(own: Path) -> Iterator[Path]:
    """The project's, for its key: the same person has the same pseudonym as in training. Else one that goes again."""
    if own.is_dir():
        yield own
        return
    with tempfile.TemporaryDirectory(prefix="tuneloop-validate-") as folder:
        yield Path(folder)


def _counter(request: Request, recipe: Recipe) -> TokenCounter | None:
    if request.base is None:
        return None
    from tuneloop.chat import load_tokenizer
    from tuneloop.example_lengths import ExampleLengths

    load_tokenizer(request.base)  # here, so that a folder without one is an error before any work is done
    return ExampleLengths(request.base, recipe.model.system_prompt)


class _Watched:
    """The executor of this process, which tells how far it is."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self._progress = progress

    def map(self, function: Callable[[A], B], chunks: Iterable[A]) -> Iterator[B]:
        for chunk in chunks:
            yield function(chunk)
            self._progress(len(chunk) if isinstance(chunk, list) else 0)


def _passing(found: Examined) -> Iterator[Mapping[str, Any]]:
    """Kept rows in a shape that is read again as it is."""
    for _, _, _, text in found.kept():
        record = json.loads(text)
        row = {name: record[name] for name in ("id", "group", "created_at") if record[name] is not None}
        extra = {"extra": record["extra"]} if record["extra"] else {}
        yield {**row, **_conversation(record), **extra}


def _conversation(record: Mapping[str, Any]) -> dict[str, Any]:
    if record["rejected"] is None:
        return {"messages": record["messages"]}
    *prompt, chosen = record["messages"]
    return {"prompt": prompt, "chosen": [chosen], "rejected": [{"role": "assistant", "content": record["rejected"]}]}
