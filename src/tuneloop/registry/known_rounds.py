"""Find rounds and recipes of a workspace by the names and ids that others know them by."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tuneloop.errors import DataError
from tuneloop.files import atomic_write
from tuneloop.registry.rounds import rounds_folder
from tuneloop.results import Round

MIN_PREFIX = 6
"""Letters of a hash that are enough to mean one model, and no round or version number."""

HashOf = Callable[[Path], str]
"""Hash of a folder's weights and configuration, such as `tuneloop.training.base_models.folder_hash`."""


@dataclass(frozen=True)
class KnownRounds:
    """Rounds oldest first, recipe by recipe; `missing` names the files that could not be read."""

    rounds: list[Round]
    missing: list[str] = field(default_factory=list)

    def of_version(self, version: str) -> list[Round]:
        """The round that registered this model version."""
        return [r for r in self.rounds if r.model_version == version]

    def of_number(self, number: int) -> list[Round]:
        return [r for r in self.rounds if r.number == number]

    def of_model(self, prefix: str) -> list[Round]:
        """Rounds whose model's hash, that of what is served of it, or training key, begins like this."""
        hashes = [(r, (r.training.model_hash, r.candidate.model_hash)) for r in self.rounds]
        return [r for r, known in hashes if any(h.startswith(prefix) for h in known) or _is_key(r, prefix)]

    def of_adapter(self, prefix: str, hash_of: HashOf) -> list[Round]:
        """Rounds whose adapter's files hash to this; only those whose adapter is still there can be found."""
        there = [r for r in self.rounds if Path(r.training.adapter).is_dir()]
        return [r for r in there if hash_of(Path(r.training.adapter)).startswith(prefix)]

    def of_base(self, prefix: str) -> list[Round]:
        """Rounds that were trained on the base with this hash: a base answers too, but has no round of its own."""
        return [r for r in self.rounds if len(prefix) >= MIN_PREFIX and r.training.base_hash.startswith(prefix)]

    def of_run(self, run_id: str) -> list[Round]:
        """Rounds of an MLflow run or a flow run."""
        return [r for r in self.rounds if run_id in {r.mlflow_run_id, r.flow_run_id}]

    def with_data(self, version: str) -> list[Round]:
        return [r for r in self.rounds if r.data.version == version]


def known_rounds(workspace: Path, recipe: str | None = None) -> KnownRounds:
    """All rounds that can be read (of one recipe)."""
    found = KnownRounds([])
    for file in sorted((workspace / "rounds").glob(f"{recipe or '*'}/[0-9]*.json")):
        try:
            found.rounds.append(Round.model_validate_json(file.read_bytes()))
        except ValidationError:
            name = f"{file.parent.name}/{file.stem}"
            found.missing.append(f"round {name} cannot be read: damaged, or of another release of tuneloop")
    return found


def only_one(found: list[Round], said: str, known: KnownRounds) -> Round:
    """The round that is meant; rounds that came to the same model count as one, and the last of them is it.

    Raises:
        DataError: none is, or several are.
    """
    models = {(r.recipe, r.training.model_hash) for r in found}
    if len(models) == 1:
        return found[-1]
    names = ", ".join(_name(r) for r in (found or known.rounds)[-10:]) or "none"
    if found:
        raise DataError(f"{said} belongs to several rounds: {names}; add --recipe, --round or more letters")
    raise DataError(f"{said} belongs to no known round; there are: {names}")


def answering_models(workspace: Path, answer_id: str) -> set[str]:
    """What is noted as the model of an answer: of the traffic, or one that was put before reviewers.

    Args:
        workspace: where traffic/ and feedback/ are.
        answer_id: id of a traffic row, of a reviewer's response, or of a reviewed item.
    """
    said = {
        str(row["model"])
        for file in (*_files(workspace, "traffic/*.jsonl"), *_files(workspace, "feedback/*/responses.jsonl"))
        for row in lines_with(file, answer_id)
        if answer_id in {row.get("id"), row.get("response_id"), row.get("item_id")} and row.get("model")
    }
    if not said:
        raise DataError(f"no answer {answer_id} in the traffic or the reviews of {workspace}; its id is misspelt?")
    return said


def lines_with(file: Path, text: str) -> Iterator[Mapping[str, Any]]:
    """Objects of a JSONL file whose line holds `text`; a line that was cut off is skipped."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if text not in line:
                continue
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                yield row


def _files(workspace: Path, pattern: str) -> list[Path]:
    return sorted(workspace.glob(pattern))


def _is_key(round_: Round, prefix: str) -> bool:
    return len(prefix) >= MIN_PREFIX and round_.training_key.startswith(prefix)


def _name(round_: Round) -> str:
    version = f", version {round_.model_version}" if round_.model_version else ""
    return f"{round_.recipe} round {round_.number} (model {round_.training.model_hash[:12]}{version})"


# Whoever sees an answer sees only the review set that it belongs to; this is how the recipe is found again.


PATH_FILE = "recipe.path"


def note_recipe(workspace: Path, name: str, path: str) -> None:
    """Remember where the recipe is (relative to the project's root, or absolute); a moved one is found again."""
    atomic_write(rounds_folder(workspace, name) / PATH_FILE, path)


def known_recipes(workspace: Path) -> dict[str, str]:
    """Name -> path of every recipe that was run here, in the order of their names."""
    files = sorted((workspace / "rounds").glob(f"*/{PATH_FILE}"))
    return {file.parent.name: file.read_text(encoding="utf-8") for file in files}


def recipe_of(review_set: str, known: Mapping[str, str]) -> str | None:
    """Name of the recipe that published the set; None: somebody else's. Of `tea` and `tea-green` the longer fits."""
    fitting = [name for name in known if review_set.startswith(f"{name}-")]
    return max(fitting, key=len, default=None)
