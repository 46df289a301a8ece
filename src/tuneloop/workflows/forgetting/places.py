"""Every place where a person's words stand in a workspace, and those outside that are only named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tuneloop.data.files import file_of, source_rows
from tuneloop.data.snapshots import list_manifests
from tuneloop.errors import DataError
from tuneloop.recipes import Source
from tuneloop.tombstones import FILE as TOMBSTONES
from tuneloop.workflows.forgetting.databases import Database
from tuneloop.workflows.forgetting.lines import (
    erase_from_trail,
    erase_lines,
    erase_pieces,
    erase_rows,
    erase_rows_below_head,
    erase_strings,
    erase_strings_of_lines,
)
from tuneloop.workflows.forgetting.models import MARKER
from tuneloop.workflows.forgetting.rewriting import UNFINISHED, delete
from tuneloop.workflows.forgetting.sheets import erase_notes, erase_sheet
from tuneloop.workflows.forgetting.tables import erase_table_rows
from tuneloop.workflows.forgetting.wanted import Erase, Gathered, Wanted

# A stored format that is new needs one line here, and one in docs/personal-data.md; a test walks a workspace and fails
# at a file that no line names. The order is that of erasing: what follows from other places comes before them, data
# versions last, so that a run that was killed finds again what it was looking for.


@dataclass(frozen=True)
class Place:
    """`patterns` are of paths inside the workspace; `*` goes over folders too.

    `erase` is None where no words are. What is `derived` is deleted as a whole whenever something is erased. `follows`:
    rows are known here by texts or hashes of rows elsewhere.
    """

    name: str
    patterns: tuple[str, ...]
    erase: Erase | None = None
    derived: bool = False
    follows: bool = False

    def has(self, path: str) -> bool:
        return any(fnmatchcase(path, pattern) for pattern in self.patterns)


def erase_result(file: Path, wanted: Wanted, gathered: Gathered, *, write: bool) -> int:
    """A cached result that holds it is deleted: it is computed again when it is needed."""
    count = erase_strings(file, wanted, gathered, write=False)
    if count and write:
        delete(file)
    return count


def _inside(folders: Sequence[str], *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/*{name}" for folder in folders for name in names)


MODELS = ("models", "searches", "learning-curves", "reproductions", "exports")
_WEIGHTS = (".safetensors", ".gguf", ".pt", ".pth", ".bin", ".model", ".index.json", ".jinja", ".npz", ".npy")
_TOKENIZERS = ("tokenizer.json", "vocab.json", "merges.txt", "tokens_map.json", "tokens.json", "config.json")
_DOCUMENTS = (".json", ".yaml", ".yml", ".txt", ".md", ".csv", "MLmodel")
_SHEETS = (".xlsx", ".csv", ".jsonl")
_PICTURES = (".png", ".jpg", ".svg", ".ico")


def places(pseudonym_of: Callable[[str], str] | None = None) -> tuple[Place, ...]:
    """The table. `pseudonym_of` turns the id of an Argilla user into what the answers call this reviewer."""
    reviews = frozenset({"records", "responses", "suggestions"})
    return (
        Place("half-written files", (f"*{UNFINISHED}", ".*.new", "*/.*.new", "*.tmp"), derived=True),
        Place("the tombstones", (TOMBSTONES, f"*/{MARKER}", "forgetting.lock")),
        Place("keys, locks and ports", ("*.key", "*.lock", "*.secret", "stack.json", "*/lock", "*/.lock", "run/*")),
        Place("the review server's own number", ("argilla/server_id.dat",)),
        Place("fingerprints of trainings", _inside(MODELS, "arguments.sha256")),
        Place("temporary files of the services", ("tmp/*",), derived=True),
        Place("staging of the data step", ("data/.staging-*", "data/.version-*"), derived=True),
        Place("cache of readings", ("generations/own-answers-*.jsonl",), derived=True),
        Place("cache of answers", ("generations/*.jsonl",), erase_rows, follows=True),
        Place("cache of the judge", ("judgements/*.jsonl",), erase_rows, follows=True),
        Place("search index of the review server", ("argilla/search.db*", "argilla/mirror.db*"), derived=True),
        Place("waiting jobs of the review server", ("argilla/valkey/*", "argilla/tmp/*"), derived=True),
        Place("prompts that were asked", ("feedback/*/asked.jsonl",), erase_rows, follows=True),
        Place("uses of the private test set", ("private-uses/*.jsonl",), erase_strings_of_lines, follows=True),
        Place("drift watch", ("drift/*.json",), erase_strings),
        Place("logs", ("logs/*",), erase_lines),
        Place("code of metrics", ("metric-modules/*",)),
        Place("past trainings' times", ("estimates.jsonl",), erase_rows),
        Place("weights and tokenizers", _inside(MODELS, *_WEIGHTS, *_TOKENIZERS)),
        Place("base models", ("models/base/*",)),
        Place("rows of a search", _inside(MODELS, ".parquet"), erase_table_rows),
        Place("reports of trainings", _inside(MODELS, ".json"), erase_strings),
        Place("notes of trainings", _inside(MODELS, ".jsonl", ".md", ".txt", ".log"), erase_lines),
        Place("pictures", _inside(("*",), *_PICTURES)),
        Place("results of tasks", ("prefect/results/*",), erase_result),
        Place("Prefect's database", ("prefect/*.db",), Database()),
        Place("Prefect's settings", ("prefect/*.toml", "prefect/*.json", "prefect/.*"), erase_lines),
        Place("MLflow's database", ("mlflow/*.db",), Database()),
        Place("weights in MLflow", _inside(("mlflow/artifacts",), *_WEIGHTS, *_TOKENIZERS)),
        Place("tables in MLflow", _inside(("mlflow",), ".parquet"), erase_table_rows),
        Place("rows in MLflow", _inside(("mlflow",), ".jsonl"), erase_rows),
        Place("pages in MLflow", _inside(("mlflow",), ".html"), erase_pieces),
        Place("documents in MLflow", _inside(("mlflow",), *_DOCUMENTS), erase_strings),
        Place("scores", ("evaluations/*.parquet",), erase_table_rows),
        Place("answers of an evaluation", ("evaluations/*.jsonl",), erase_rows),
        Place("reports of an evaluation", ("evaluations/*.json", "evaluations/*.md"), erase_strings),
        Place("pages of rounds and reviews", ("rounds/*.html", "evaluations/*.html", "feedback/*.html"), erase_pieces),
        Place("rounds", ("rounds/*.json", "rounds/*.md", "rounds/*/recipe.path", "feedback/*.json"), erase_strings),
        Place("audit trail", ("promotions/*.jsonl",), erase_from_trail),
        Place("sealed length of an audit trail", ("promotions/*.head",)),
        Place("kept review sets", ("review-files/*/.desk/sets/*.jsonl",), erase_rows_below_head),
        Place("answers of the sheets", ("review-files/*/.desk/answers.jsonl",), erase_rows),
        Place("notes on review sheets", ("review-files/*/.desk/written.jsonl",), erase_notes),
        Place("review sheets", _inside(("review-files",), *_SHEETS, "/.desk/imported/*"), erase_sheet),
        Place("the review server's database", ("argilla/argilla.db",), Database(reviews, "users", pseudonym_of)),
        Place("review sets", ("feedback/*/sets/*.jsonl",), erase_rows_below_head),
        Place("feedback", ("feedback/*.jsonl",), erase_rows),
        Place("traffic", ("traffic/*",), erase_rows),
        Place("report of a data version", ("data/*/report.html",), erase_pieces),
        Place("manifest of a data version", ("data/*/manifest.json",), erase_strings),
        Place("rows that were set aside", ("data/*/quarantine.jsonl", "data/blocked-*.jsonl"), erase_rows),
        Place("data versions", ("data/*.parquet",), erase_table_rows),
    )  # fmt: skip


OTHER: tuple[tuple[tuple[str, ...], Erase], ...] = (
    ((".jsonl", ".ndjson"), erase_rows),
    ((".json",), erase_strings),
    ((".parquet", ".pq"), erase_table_rows),
    ((".xlsx", ".csv"), erase_sheet),
    ((".html",), erase_pieces),
    ((".txt", ".md", ".log", ".yaml", ".yml", ".toml", ".tsv"), erase_lines),
    ((".db", ".sqlite"), Database()),
)
"""Files that are no place of ours, such as sources that a user has put into the workspace: treated by their endings."""


def eraser_of(file: Path) -> Erase | None:
    """How a file that is no place of ours is treated; None: nobody can tell what it holds."""
    return next((erase for endings, erase in OTHER if file.suffix.lower() in endings), None)


def files_in(workspace: Path) -> Iterator[Path]:
    """Every file, in the order of the paths; links are left alone, and so are SQLite's companions."""
    for path in sorted(workspace.rglob("*")):
        is_companion = path.name.endswith(("-wal", "-shm", "-journal"))
        if path.is_file() and not path.is_symlink() and not is_companion:
            yield path


@dataclass(frozen=True)
class OutsideSource:
    """`rows` is None where it could not be read, for the reason in `problem`."""

    name: str
    path: str
    rows: int | None
    problem: str = ""


def outside_sources(workspace: Path, root: Path, wanted: Wanted) -> list[OutsideSource]:
    """The sources of all data versions, each once, that hold what is wanted or cannot be read."""
    found = (_looked_into(source, root, workspace, wanted) for source in _sources(workspace))
    return [source for source in found if source is not None and source.rows != 0]


def _sources(workspace: Path) -> list[Source]:
    sources: dict[str, Source] = {}
    for manifest in list_manifests(workspace):
        for content in manifest.config.get("data", {}).get("sources", []):
            try:
                source = Source.model_validate(content)
            except ValidationError:
                continue
            sources[source.path] = source
    return list(sources.values())


def _looked_into(source: Source, root: Path, workspace: Path, wanted: Wanted) -> OutsideSource | None:
    if source.path.startswith("workspace:"):
        return None
    try:
        file = file_of(source, root=root, workspace=workspace)
        if file is None:
            problem = "on the hub, and was not read again: look there yourself"
            return OutsideSource(source.name, source.path, None, problem)
        if file.resolve().is_relative_to(workspace.resolve()):
            return None
        return OutsideSource(source.name, source.path, sum(_hits(source, root, workspace, wanted)))
    except DataError as error:
        return OutsideSource(source.name, source.path, None, str(error))


def _hits(source: Source, root: Path, workspace: Path, wanted: Wanted) -> Iterator[bool]:
    column = source.columns.get("id", "id")
    for raw in source_rows(source, root=root, workspace=workspace):
        value: Any = raw.raw if raw.value is None else raw.value
        given = str(value.get(column)) if isinstance(value, dict) else None
        yield wanted.is_in(value) or given in wanted.ids
