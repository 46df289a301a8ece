"""The slim frame that the expectations look at: what was found in each row, computed once, without the row's text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuneloop.data.answers import read_answer
from tuneloop.data.freshness import ages_in_days
from tuneloop.data.hidden_characters import has_hidden_characters
from tuneloop.data.hints import as_arrow, hinted
from tuneloop.data.languages import detect_languages, first_not_allowed
from tuneloop.data.quality import answer_problems, text_problems
from tuneloop.data.relations import question
from tuneloop.data.text_marks import (
    count_html,
    count_injections,
    count_mail_marks,
    count_special_tokens,
    has_broken_characters,
)
from tuneloop.data.words import WordCounts, count_words
from tuneloop.ports import TokenCounter
from tuneloop.recipes import Data
from tuneloop.records import Record

if TYPE_CHECKING:
    import pandas as pd

MARKS = ("html_marks", "mail_marks", "special_tokens", "injections")
CHARACTER_MARKS = {"broken_characters": has_broken_characters, "hidden_characters": has_hidden_characters}
MOST_MARKS = np.iinfo(np.int16).max


@dataclass(frozen=True, slots=True)
class _Texts:
    """One text per row, in the forms that the checks want."""

    texts: list[str]
    arrow: Any
    counts: WordCounts

    @classmethod
    def of(cls, texts: list[str]) -> _Texts:
        arrow = as_arrow(texts)
        return cls(texts, arrow, count_words(arrow))


def row_columns(
    records: Sequence[Record],
    data: Data,
    *,
    pii_kinds: Sequence[str],
    counter: TokenCounter | None,
    max_tokens: int,
    as_of: datetime,
    withdrawn_by: Sequence[str] | None = None,
) -> pd.DataFrame:
    """A row per record: what can be said of it without looking at other rows. About 100 bytes a row.

    id, source, line, held_out; total_tokens: exact where the row may be longer than `max_tokens`, else an upper bound
    (0: the chat template refuses the row, or there is no `counter`); pii_kinds: as given, comma-separated, "" for none;
    html_marks, mail_marks, special_tokens, injections: counts; broken_characters, hidden_characters; language and
    answer_language (ISO 639-1 or `und`); answer_problem, low_quality, preference_problem ("" for none, the last always
    in data of kind `sft`); age_days at `as_of` (-1: no date); bad_date (unreadable or in the future); withdrawn_by: as
    given, who wants the row out, "" for nobody. In preference data the rejected answer is looked at as the chosen one
    is, and what is worse of the two is said. An answer that is shown as a bad one may be bad.
    """
    import pandas as pd

    pairs = data.kind == "preference"
    read = [read_answer(r.completion, data.answer) for r in records]
    shown_as_bad = [is_shown_as_bad(r) for r in records]
    asked = _Texts.of([question(r) for r in records])
    answers = _Texts.of([words for _, words in read])
    rejected = _Texts.of([read_answer(r.rejected or "", data.answer)[1] for r in records]) if pairs else None
    ages, bad_dates = ages_in_days([r.created_at for r in records], as_of)
    columns = {
        "id": [r.id for r in records],
        "source": _few([r.source for r in records]),
        "line": np.array([r.line for r in records], dtype=np.int32),
        "held_out": np.array([r.held_out for r in records], dtype=bool),
        "total_tokens": _tokens(records, counter, max_tokens),
        "pii_kinds": _few(pii_kinds),
        **_marks(asked, answers, rejected),
        **_languages(asked, answers, rejected, data.checks.languages),
        "answer_problem": _few(["" if bad else problem for bad, (problem, _) in zip(shown_as_bad, read, strict=True)]),
        "low_quality": _few(_low_quality(asked, answers, shown_as_bad)),
        "preference_problem": _few([_preference_problem(r) if pairs else "" for r in records]),
        "age_days": np.array(ages, dtype=np.int32),
        "bad_date": np.array(bad_dates, dtype=bool),
        "withdrawn_by": _few(withdrawn_by or [""] * len(records)),
    }
    return pd.DataFrame(columns)


def is_shown_as_bad(record: Record) -> bool:
    """Whether the answer has a thumb down, for KTO to learn what not to say."""
    return record.extra.get("label") is False


def _tokens(records: Sequence[Record], counter: TokenCounter | None, max_tokens: int) -> NDArray[np.int32]:
    if counter is None:
        return np.zeros(len(records), dtype=np.int32)
    lengths = np.array(counter.at_most(records), dtype=np.int32)
    doubtful = np.flatnonzero(lengths > max_tokens).tolist()
    if doubtful:
        lengths[doubtful] = counter.count([records[i] for i in doubtful])
    return lengths


def _marks(asked: _Texts, answers: _Texts, rejected: _Texts | None) -> dict[str, NDArray[Any]]:
    """Only rows with a hint are read by the exact patterns; all others have no marks."""
    marks: dict[str, NDArray[Any]] = {name: np.zeros(len(asked.texts), dtype=np.int16) for name in MARKS}
    marks |= {name: np.zeros(len(asked.texts), dtype=bool) for name in CHARACTER_MARKS}
    sides = [asked, answers, *([rejected] if rejected else [])]
    for i in np.flatnonzero(np.logical_or.reduce([hinted(side.arrow) for side in sides])):
        parts = [side.texts[i] for side in sides]
        found = (
            sum(map(count_html, parts)),
            count_mail_marks(parts[0]),
            sum(map(count_special_tokens, parts)),
            count_injections(parts[0]),
        )
        for name, number in zip(MARKS, found, strict=True):
            marks[name][i] = min(number, MOST_MARKS)
        for name, is_marked in CHARACTER_MARKS.items():
            marks[name][i] = any(map(is_marked, parts))
    return marks


def _languages(
    asked: _Texts, answers: _Texts, rejected: _Texts | None, allowed: Sequence[str]
) -> dict[str, pd.Categorical[str]]:
    asked_in, answered_in = (detect_languages(side.texts, side.counts, allowed) for side in (asked, answers))
    if rejected:
        rejected_in = detect_languages(rejected.texts, rejected.counts, allowed)
        answered_in = first_not_allowed(answered_in, rejected_in, allowed)
    return {"language": _few(asked_in), "answer_language": _few(answered_in)}


def _low_quality(asked: _Texts, answers: _Texts, shown_as_bad: Sequence[bool]) -> list[str]:
    of_prompts, of_answers = (text_problems(side.texts, side.arrow, side.counts) for side in (asked, answers))
    of_answers = answer_problems(answers.texts, of_answers, answers.arrow)
    return [a or ("" if bad else b) for a, b, bad in zip(of_prompts, of_answers, shown_as_bad, strict=True)]


def _preference_problem(record: Record) -> str:
    if record.rejected is None or not record.rejected.strip():
        return "missing"
    return "same" if record.rejected.split() == record.completion.split() else ""


def _few(values: Sequence[str]) -> pd.Categorical[str]:
    """A column of few different values: one byte a row."""
    import pandas as pd

    return pd.Categorical(list(values))
