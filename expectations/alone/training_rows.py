"""Files of training rows, taken through the same examination as the sources of a recipe."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from expectations.alone.checked import Checked, Unreadable, checks_of, recipe_of, sources_of
from expectations.alone.options import Options
from tuneloop.ports import A, B, TokenCounter
from tuneloop.recipes import Data, Model, Recipe, Source
from tuneloop.records import Record
from tuneloop.settings import Settings

if TYPE_CHECKING:
    from expectations.examining import Examined

PEEKED_ROWS = 100
PLACES = 3
NO_TOKENIZER = "lengths were not checked: name the model's folder with --base"


@contextmanager
def check_training_rows(options: Options, progress: Callable[[int], None]) -> Iterator[Checked]:
    """Check all files together; `progress` is told of rows as they are read.

    Raises:
        DataError: a file cannot be read. RecipeError: the recipe cannot. ModelError: the base has no tokenizer.
    """
    from expectations.describing import describe
    from expectations.examining import examine

    root = Path.cwd()
    with _workspace() as workspace:
        recipe = one_pool(options, root, workspace)
        counter = _counter(options, recipe)
        executor = _Watched(progress)
        with examine(recipe, root=root, workspace=workspace, counter=counter, executor=executor) as found:
            manifest = describe(found, version="", parents=[], root=root, workspace=workspace, counter=counter)
            yield Checked(
                manifest=manifest,
                suites=list(_suites(found, counter)),
                unreadable=_unreadable(found),
                notes=[] if counter else [NO_TOKENIZER],
                passing=_passing(found),
                rejections=found.rejections(),
            )


def one_pool(options: Options, root: Path, workspace: Path) -> Recipe:
    """A recipe for the files: what the given one expects of rows, but all rows in one split and none left out, so that
    a copy is called a copy."""
    given = recipe_of(options) or Recipe(name="alone", data=Data(sources=()), model=Model(base="none"))
    sources = sources_of(options)
    data = given.data.model_copy(
        update={
            "sources": sources,
            "kind": options.suite or _kind(sources, root, workspace),
            "cleaning": options.cleaning or given.data.cleaning,
            "checks": checks_of(options),
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
    from tuneloop.data.reading import read_sources

    first = islice(read_sources(sources, root=root, workspace=workspace), PEEKED_ROWS)
    return "preference" if any(isinstance(r, Record) and r.rejected is not None for r in first) else "sft"


@contextmanager
def _workspace() -> Iterator[Path]:
    """The project's, for its key: the same person has the same pseudonym as in training. Else one that goes again."""
    own = Settings().workspace_path
    if own.is_dir():
        yield own
        return
    with tempfile.TemporaryDirectory(prefix="tuneloop-validate-") as folder:
        yield Path(folder)


def _counter(options: Options, recipe: Recipe) -> TokenCounter | None:
    if options.base is None:
        return None
    from tuneloop.chat import load_tokenizer
    from tuneloop.example_lengths import ExampleLengths

    load_tokenizer(options.base)  # here, so that a folder without one is an error before any work is done
    return ExampleLengths(options.base, recipe.model.system_prompt)


class _Watched:
    """The executor of this process, with somebody watching."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self._progress = progress

    def map(self, function: Callable[[A], B], chunks: Iterable[A]) -> Iterator[B]:
        for chunk in chunks:
            yield function(chunk)
            self._progress(len(chunk) if isinstance(chunk, list) else 0)


def _suites(found: Examined, counter: TokenCounter | None) -> Iterator[tuple[Any, int]]:
    """The suites that were run, for pages about them."""
    from expectations.preference_suite import preference_suite
    from expectations.sft_suite import relation_suite, row_suite

    recipe, steps = found.recipe, {step.name: step.rows_out for step in found.steps}
    suite = preference_suite if recipe.data.kind == "preference" else row_suite
    yield suite(recipe.data, max_tokens=recipe.model.max_tokens if counter else None), steps["read"]
    yield relation_suite(recipe.data), steps.get("check rows", 0)


def _unreadable(found: Examined) -> list[Unreadable]:
    places: dict[str, list[str]] = {}
    for rejection in found.staging.unreadable():
        seen = places.setdefault(rejection.reason, [])
        if len(seen) < PLACES:
            seen.append(f"{rejection.source}:{rejection.line}")
    return [Unreadable(reason, n, tuple(places[reason])) for reason, n in found.unreadable.most_common()]


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
