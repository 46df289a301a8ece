"""Sheets as rows of cells: which columns they have and what a cell may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tuneloop.ports import ReviewForm, ReviewItem, ReviewKind


@dataclass(frozen=True, slots=True)
class SheetRow:
    """`number` is the row as a spreadsheet program counts them (a JSONL file: the line).

    `cells` are texts by column; `faults` says of a cell why it cannot be read.
    """

    number: int
    cells: Mapping[str, str]
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_blank(self) -> bool:
        return not self.faults and not any(text.strip() for text in self.cells.values())


def column_name(header: str) -> str:
    """Headers survive a changed case and stray blanks."""
    name = header.strip()
    return name if name in {"A", "B"} else name.casefold()


# A text that begins with `=`, `+`, `-`, `@` or a control character is a formula to spreadsheet programs, which may call
# out of the file (CWE-1236). In CSV an apostrophe before it prevents that; in a workbook the cell's type does.


LONGEST = 32_000
"""Excel's cells end at 32,767 UTF-16 units and are cut there without a word."""
CUT = "\n[cut here: the whole text is in the .jsonl file]"

_FORMULA = re.compile(r"'*[=+\-@\t\r\n\0＝＋－＠]")  # noqa: RUF001 (full-width signs start formulas in some locales)
_GUARDED = re.compile(r"'+[=+\-@\t\r\n\0＝＋－＠]")  # noqa: RUF001
_UNFIT_FOR_XML = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def guarded(text: str) -> str:
    """The text as CSV may hold it."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """What `guarded` was given."""
    return text[1:] if _GUARDED.match(text) else text


def for_workbook(text: str) -> str:
    """Signs that XML cannot hold or would change, as OOXML writes them: `_x000D_` (ECMA-376, ST_Xstring)."""
    return _UNFIT_FOR_XML.sub(lambda found: f"_x{ord(found[0]):04X}_", text)


def from_workbook(text: str) -> str:
    """What `for_workbook` was given."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def shown(text: str) -> str:
    """A text that fits into a cell: a longer one is cut and says so, and what no file can hold becomes a `?`."""
    text = text.encode(errors="replace").decode().replace("\r\n", "\n").replace("\0", "\ufffd")
    if _units(text) <= LONGEST:
        return text
    return _cut(text, LONGEST) + CUT


def looks_alike(one: str, other: str) -> bool:
    """Whether two texts differ by nothing that a spreadsheet program changes on its own."""
    return _essence(one) == _essence(other)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _cut(text: str, units: int) -> str:
    return text.encode("utf-16-le")[: units * 2].decode("utf-16-le", "ignore")


def _essence(text: str) -> str:
    """White space, line ends and signs that have no place in a cell do not count."""
    return " ".join(re.sub(r"[\x00-\x20\ufffd-\uffff]+", " ", unguarded(text)).split())


ITEM, PROMPT, ANSWER, FIRST, SECOND, SAID = "item", "prompt", "answer", "A", "B", "said"
RATING, ISSUES, CORRECTION, FLAGGED, PREFERRED = "rating", "issues", "correction", "flag", "preferred"
FIT, FAILURE, SEVERITY, VERDICT, NEITHER = "fit", "failure", "severity", "verdict", "neither"
DISCARD, REVIEWER = "discard", "reviewer"
ORIGINAL, REVIEWER_LABEL = "original", "reviewer_"
"""Labels of an adjudication item: the model's own answer, and what each reviewer said (`reviewer_a`...)."""

SCALE = ("1", "2", "3", "4", "5")
FLAGS = ("personal_data", "harmful", "unanswerable")
MARK = "x"
_RATED: tuple[ReviewKind, ...] = ("answers", "drifted_slice")


@dataclass(frozen=True, slots=True)
class Column:
    """One question. `choices`: what may be written; none: any text. `several`: choices with commas between them."""

    name: str
    explanation: str
    choices: tuple[str, ...] = ()
    required: bool = False
    several: bool = False


def shown_columns(form: ReviewForm) -> tuple[str, ...]:
    """Columns that people read: what is to be judged."""
    if form.kind == "preference":
        return ITEM, PROMPT, FIRST, SECOND
    if form.kind == "adjudication":
        return ITEM, PROMPT, ANSWER, FIRST, SECOND, SAID
    return ITEM, PROMPT, ANSWER


def shown_cells(item: ReviewItem, review_set: str, form: ReviewForm) -> dict[str, str]:
    """What stands in those columns for one item. No model is named and no score is shown."""
    pair = {FIRST: item.answer, SECOND: item.alternative or ""}
    cells = {ITEM: f"{review_set}/{item.id}", PROMPT: item.prompt}
    if form.kind == "preference":
        return cells | pair
    if form.kind == "adjudication":
        said = [word for name, word in sorted(item.labels.items()) if name.startswith(REVIEWER_LABEL)]
        lines = "\n".join(f"{number}: {word}" for number, word in enumerate(said, start=1))
        return cells | {ANSWER: item.labels.get(ORIGINAL, item.answer)} | pair | {SAID: lines}
    return cells | {ANSWER: item.answer}


def asked_columns(form: ReviewForm) -> tuple[Column, ...]:
    """Columns that people fill in, from left to right."""
    dimensions = form.dimensions if form.kind in _RATED else ()
    return (
        *_by_kind(form),
        Column(FLAGGED, f"must it be kept out of training? {_listed(FLAGS)}; empty if not", FLAGS),
        *(Column(name, f"{name}: 1 worst, 5 best; may stay empty", SCALE) for name in dimensions),
        Column(DISCARD, "x if you cannot judge this one", (MARK,)),
        Column(REVIEWER, "who filled in this row; empty: whose file it is"),
    )


def _by_kind(form: ReviewForm) -> tuple[Column, ...]:
    issues = (
        Column(
            ISSUES, f"what is wrong: {_listed(form.issue_tags)}; several with commas", form.issue_tags, several=True
        ),
    )
    correction = Column(
        CORRECTION, "the answer you would have sent: copy the answer here and mend it; empty if it is fine"
    )
    if form.kind == "preference":
        return (
            Column(PREFERRED, "which answer would you rather send? A, B or tie", ("A", "B", "tie"), required=True),
            Column(CORRECTION, "the answer you would have sent, if neither will do"),
        )
    if form.kind == "data_sample":
        fits = ("keep", "mend", "leave_out")
        return (
            Column(FIT, "should a model learn from this row? keep, mend or leave_out", fits, required=True),
            *(issues if form.issue_tags else ()),
            Column(CORRECTION, "the answer to be learned instead: copy the answer here and mend it"),
        )
    if form.kind == "red_team":
        failures, severities = ("yes", "no", "unsure"), ("minor", "serious", "critical")
        return (
            Column(FAILURE, "did the model really fail? yes, no or unsure", failures, required=True),
            Column(SEVERITY, "if it failed, how badly? minor, serious or critical", severities),
            Column(CORRECTION, "what would have been right?"),
        )
    if form.kind == "adjudication":
        sides = ("A", "B", "tie", NEITHER)
        return (
            Column(PREFERRED, "which version is right? A, B, tie (both will do) or neither", sides, required=True),
            Column(CORRECTION, "your own version, if neither is right"),
            Column(RATING, "how good was the model's answer? 1 unusable, 5 send it as it is", SCALE, required=True),
        )
    rating = Column(RATING, "how good is the answer? 1 unusable, 5 send it as it is", SCALE, required=True)
    return (rating, *(issues if form.issue_tags else ()), correction)


def explanations(form: ReviewForm) -> Mapping[str, str]:
    """Column -> what to write into it."""
    return {c.name: f"{c.explanation}{' (needed)' if c.required else ''}" for c in asked_columns(form)}


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(words)
