"""Prompts that reviewers may be asked about: new, without personal data, and none that must stay unseen."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tuneloop.data.anonymising import treat
from tuneloop.data.meanings import embed_short, nearest
from tuneloop.data.near_duplicates import find_clusters, normalise
from tuneloop.data.relations import question
from tuneloop.drift.traffic import TrafficRow, read_since
from tuneloop.errors import DataError, RecipeError
from tuneloop.evaluation.metrics import without_expected
from tuneloop.ports import Embedder
from tuneloop.pseudonyms import pseudonym_key
from tuneloop.recipes import Recipe
from tuneloop.records import Message, Record
from tuneloop.review.gold import GoldItem, read_gold
from tuneloop.review.review_sets import ReviewSets, prompt_hash
from tuneloop.review.sampling import Clusters, open_positions
from tuneloop.row_files import splits_in, stream_rows
from tuneloop.workflows.review_sets.items import ReviewSetup

MAX_WAITING = 2000
"""So many of the newest prompts are what a random share stands for."""
TESTED = {"test", "private"}
_log = logging.getLogger(__name__)


def check_review(recipe: Recipe, root: Path) -> None:
    """Find what is wrong with the files and names under `review` now, not after an hour of training.

    Raises:
        RecipeError: `review.score` is not a metric, or compares with an expected answer.
        DataError: a file is missing or broken.
    """
    review = recipe.review
    if not review.enabled:
        return
    if review.score is not None and not without_expected([review.score], root):
        raise RecipeError(
            f"review.score: {review.score} compares with an expected answer, which new prompts do not have; take "
            "valid_json, repetition, term_accuracy, or a metric of your own that says needs_expected = False"
        )
    if review.guidelines is not None and not (root / review.guidelines).is_file():
        raise DataError(f"there are no guidelines at {root / review.guidelines}; correct `review.guidelines`")
    gold_of(recipe, root)
    listed_prompts(recipe, root)


def gold_of(recipe: Recipe, root: Path) -> list[GoldItem]:
    """Return the recipe's gold items; none where it names no file."""
    return read_gold(root / recipe.review.gold) if recipe.review.gold else []


def listed_prompts(recipe: Recipe, root: Path) -> list[str]:
    """Return the recipe's own list of new prompts.

    Raises:
        DataError: the file is missing, or a line has no prompt.
    """
    if recipe.review.prompts is None:
        return []
    file = root / recipe.review.prompts
    if not file.is_file():
        raise DataError(f"there are no prompts at {file}; correct `review.prompts` in the recipe or leave it out")
    lines = enumerate(file.read_text("utf-8").split("\n"), 1)
    return [_prompt(line, file, number) for number, line in lines if line.strip()]


def waiting_prompts(setup: ReviewSetup) -> list[str]:
    """Return the newest unedited production traffic, then the recipe's own list: at most `MAX_WAITING` prompts."""
    traffic = read_since(setup.traffic)
    return scrubbed(setup.recipe, [*_unedited(traffic), *listed_prompts(setup.recipe, setup.root)], setup.workspace)


def scrubbed(recipe: Recipe, prompts: Sequence[str], workspace: Path) -> list[str]:
    """Return the first `MAX_WAITING` different prompts as reviewers may see them.

    Personal data is treated as the recipe's checks say: under `quarantine` a prompt that has some is left out, else
    it is replaced. Only how many are left out is logged.
    """
    checks = recipe.data.checks
    distinct: dict[str, str] = {}
    for prompt in prompts:
        distinct.setdefault(prompt_hash(prompt), prompt.encode(errors="replace").decode())
    texts = list(distinct.values())[:MAX_WAITING]
    rows = [Record(str(n), (Message("user", t), Message("assistant", "")), "", n) for n, t in enumerate(texts)]
    treated = treat(rows, checks, pseudonym_key(workspace))
    unwanted = [set(filter(None, kinds.split(","))) - set(checks.pii_allowed) for kinds in treated.kinds]
    if found := Counter(kind for kinds in unwanted for kind in kinds):
        _log.info("%d prompts with personal data are not shown to reviewers: %s", sum(map(bool, unwanted)), dict(found))
    return [
        row.prompt for row, kinds in zip(treated.records, unwanted, strict=True) if not kinds and row.prompt.strip()
    ]


def open_prompts(setup: ReviewSetup, prompts: Sequence[str], sets: ReviewSets, tested: Sequence[str]) -> list[int]:
    """Return the positions of those that may be asked about now. Gold items come into sets by other means."""
    avoided = [*sets.prompts(), *tested, *(item.prompt for item in gold_of(setup.recipe, setup.root))]
    return open_positions(prompts, asked=sets.ledger.asked(), avoided=avoided, clusters=clusters_of(setup.recipe))


def tested_prompts(data_folder: Path) -> list[str]:
    """Return the test and private rows' prompts, which no reviewer may see."""
    files = [data_folder / f"{split}.parquet" for split in splits_in(data_folder) if split in TESTED]
    return [question(record) for file in files for record in stream_rows(file)]


def unlike_tests(recipe: Recipe, prompts: Sequence[str], tested: Sequence[str], embedder: Embedder) -> list[str]:
    """Leave out prompts that say what a test row says in other words, where the recipe has a limit for that."""
    limit = recipe.data.checks.same_meaning_cosine
    if limit is None:
        return list(prompts)
    texts, tests = ([normalise(text) for text in side] for side in (prompts, tested))
    short, vectors = embed_short(texts, range(len(texts)), embedder)
    _, targets = embed_short(tests, range(len(tests)), embedder)
    alike = set(short[nearest(vectors, targets, limit) >= 0].tolist())
    return [prompt for place, prompt in enumerate(prompts) if place not in alike]


def clusters_of(recipe: Recipe) -> Clusters:
    """Return what finds near-duplicates, by the recipe's own threshold."""
    threshold = recipe.data.checks.near_duplicate_jaccard
    return lambda texts: find_clusters([normalise(text) for text in texts], threshold=threshold)


def _unedited(traffic: Sequence[TrafficRow]) -> list[str]:
    return [row.prompt for row in reversed(traffic) if row.sent is None]


def _prompt(line: str, file: Path, number: int) -> str:
    try:
        prompt = json.loads(line)["prompt"]
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{file} line {number} is not a JSON object with a `prompt`; correct the line or delete it"
        ) from error
    return str(prompt)
