"""What a synthetic row must show before it is trained on. Each that fails is counted under its reason.

Cheap questions first, the sentence vectors last: they cost a hundred times as much as all else together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tuneloop.data.balance import likeness
from tuneloop.data.fixed_parts import keeps_fixed_parts
from tuneloop.data.near_duplicates import find_clusters, normalise
from tuneloop.data.pii import find_kinds
from tuneloop.data.relations import question
from tuneloop.data.text_marks import UNKNOWN_LANGUAGE, count_special_tokens, detect_language
from tuneloop.ports import Embedder
from tuneloop.records import Record

SHORTEST, LONGEST = 0.4, 2.5
"""Words of a rewritten text per word of its original; beyond that something was left out or made up."""

CAPITALISED_NOUNS = ("de", "lb")
"""Languages in which a capital letter says nothing of a name."""

_FIRST_PERSON = re.compile(r"\b(?:i|me|my|mine|we|us|our|ours)\b", re.IGNORECASE)
_MODELS_VOICE = re.compile(
    r"\A\W*(?:i(?:'m| am) sorry|sorry,? but|i(?:'m| am) (?:un)?able|i (?:cannot|can't|don't have)"
    r"|as an? (?:\w+[ -]){0,3}(?:ai|assistant|chatbot|model)"
    r"|the (?:original |given |new )?(?:message|text|sentence|phrase)\b"
    r"|this (?:message|text|sentence) )|\bas an? ai\b|\bi(?:'m| am) (?:just )?an? (?:ai|chatbot|language model)\b",
    re.IGNORECASE,
)
"""A model that refuses, answers the message or talks about it, instead of saying it in other words."""

_NAME_LIKE = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that might be added. `text` is the turn that was made, `original` what it was made from: None for
    templates. `rewritten` says that a language model made it: then it may be anything."""

    record: Record
    method: str
    text: str
    original: str | None
    original_key: str | None = None
    """The normalised question of the row it was made from."""
    rewritten: bool = False


@dataclass(slots=True)
class Sifted:
    """`dropped` counts (method, reason); `fidelity` is the cosine of each candidate that was compared, by id."""

    kept: list[Candidate]
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    fidelity: dict[str, float] = field(default_factory=dict)


def sift(
    candidates: Sequence[Candidate],
    *,
    known_prompts: Sequence[str],
    forbidden_prompts: Sequence[str],
    near: float,
    embedder: Embedder | None,
    min_fidelity: float,
) -> Sifted:
    """The candidates that may be trained on, in their order; of two equal ones the first.

    Args:
        candidates: what was made, in a stable order.
        known_prompts: normalised questions of the training rows; a candidate that repeats one adds nothing.
        forbidden_prompts: normalised questions of validation and test rows; a candidate close to one is a leak.
        near: Jaccard similarity of word 3-grams from which two prompts are near-copies.
        embedder: None leaves the fidelity out; only what keeps the original's words may do without.
        min_fidelity: the least cosine of a prompt with its original.
    """
    sifted = Sifted(list(candidates))
    _drop(sifted, [flaw(c, near=near) for c in sifted.kept])
    _drop(sifted, _copies(sifted.kept, known_prompts))
    _drop(sifted, _leaks(sifted.kept, forbidden_prompts, near))
    if embedder is not None:
        sifted.fidelity = _fidelity(sifted.kept, embedder)
        _drop(
            sifted, ["unfaithful" if sifted.fidelity.get(c.record.id, 1.0) < min_fidelity else "" for c in sifted.kept]
        )
    return sifted


def flaw(candidate: Candidate, *, near: float) -> str:
    """The first thing that is wrong with a candidate by itself, or ""."""
    if not candidate.text.strip():
        return "empty"
    return next((reason for reason, is_wrong in _flaws(candidate, near) if is_wrong()), "")


def _flaws(candidate: Candidate, near: float) -> Iterator[tuple[str, Callable[[], bool]]]:
    new, old = candidate.text, candidate.original
    yield "personal_data", lambda: bool(find_kinds(new) - find_kinds(old or ""))
    if old is None:
        return
    yield "unchanged", lambda: new.strip() == old.strip()
    yield "special_tokens", lambda: count_special_tokens(new) > count_special_tokens(old)
    yield "values_changed", lambda: not keeps_fixed_parts(old, new)
    if candidate.rewritten:
        yield "answered", lambda: bool(_MODELS_VOICE.search(new)) and not _MODELS_VOICE.search(old)
        yield "language", lambda: _is_other_language(old, new)
        yield "form_changed", lambda: _is_other_form(old, new)
        yield "too_close", lambda: likeness(old, new) >= near
        yield "length", lambda: not SHORTEST <= len(new.split()) / max(len(old.split()), 1) <= LONGEST
        yield "new_name", lambda: bool(_names(new) - _words(old)) and detect_language(old) not in CAPITALISED_NOUNS


def _is_other_language(old: str, new: str) -> bool:
    before, after = detect_language(old), detect_language(new)
    return UNKNOWN_LANGUAGE not in (before, after) and before != after


def _is_other_form(old: str, new: str) -> bool:
    """A question that is none any more, or a first person who is gone: then the model speaks, not the customer."""
    lost_question = "?" in old and "?" not in new
    return lost_question or bool(_FIRST_PERSON.search(old) and not _FIRST_PERSON.search(new))


def _names(text: str) -> set[str]:
    """Capitalised words within a sentence: a model likes to invent somebody who signs."""
    return {name.casefold() for name in _NAME_LIKE.findall(text)}


def _words(text: str) -> set[str]:
    return set(normalise(text).split())


def _copies(candidates: Sequence[Candidate], known_prompts: Sequence[str]) -> list[str]:
    """Noise may leave a prompt the same after normalising (a missing full stop is the point of it), but only once."""
    known, made = set(known_prompts), set[str]()
    reasons = []
    for candidate in candidates:
        key = normalise(question(candidate.record))
        is_own = key == candidate.original_key and not candidate.rewritten
        reasons.append("copy" if key in made or (key in known and not is_own) else "")
        made.add(key)
    return reasons


def _leaks(candidates: Sequence[Candidate], forbidden_prompts: Sequence[str], near: float) -> list[str]:
    """Whoever is in a cluster with a forbidden prompt: also what is near to something near to it.

    Rows of templates are looked at in small portions: many at once would make their common words look like an
    instruction that all rows share, which the search for clusters leaves out. Typing errors hide a copy, so what was
    made of a forbidden prompt goes as well, whatever it became.
    """
    if not forbidden_prompts:
        return [""] * len(candidates)
    forbidden = set(forbidden_prompts)
    written = [c for c in candidates if c.original is None]
    step = max(len(forbidden_prompts) // 10, 1)
    portions = [written[start : start + step] for start in range(0, len(written), step)]
    portions.append([c for c in candidates if c.original is not None])
    found = {i for portion in portions if portion for i in _leaking_ids(portion, forbidden_prompts, near)}
    found |= {c.record.id for c in candidates if c.original_key in forbidden}
    return ["leakage" if c.record.id in found else "" for c in candidates]


def _leaking_ids(candidates: Sequence[Candidate], forbidden_prompts: Sequence[str], near: float) -> Iterator[str]:
    keys = [normalise(question(c.record)) for c in candidates]
    clusters = list(find_clusters([*forbidden_prompts, *keys], threshold=near))
    forbidden = set(clusters[: len(forbidden_prompts)])
    for candidate, cluster in zip(candidates, clusters[len(forbidden_prompts) :], strict=True):
        if cluster in forbidden:
            yield candidate.record.id


def _fidelity(candidates: Sequence[Candidate], embedder: Embedder) -> dict[str, float]:
    made = [c for c in candidates if c.original is not None]
    if not made:
        return {}
    originals = sorted({str(c.original) for c in made})
    place = {text: i for i, text in enumerate(originals)}
    old, new = embedder.embed(originals), embedder.embed([c.text for c in made])
    return {c.record.id: float(old[place[str(c.original)]] @ new[i]) for i, c in enumerate(made)}


def _drop(sifted: Sifted, reasons: Sequence[str]) -> None:
    sifted.dropped.update((c.method, r) for c, r in zip(sifted.kept, reasons, strict=True) if r)
    sifted.kept = [c for c, r in zip(sifted.kept, reasons, strict=True) if not r]
