"""What is asked about a record in Argilla, and the names by which answers are read back."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from tuneloop.adapters.argilla.connection import Json
from tuneloop.ports import ReviewForm, ReviewKind

# They are what responses are read back by, so they stay as they are; titles may change, here and in Argilla's settings.


PROMPT, ANSWER, ALTERNATIVE = "prompt", "answer", "alternative"
SIDE_BY_SIDE = "answers"
"""A field with both answers of a comparison, beside each other."""
CONVERSATION = "conversation"
"""A field with the message and the answer as a chat."""
COMPARISONS: tuple[ReviewKind, ...] = ("preference", "adjudication")
"""Kinds of sets with two answers to a message."""
ORIGINAL, SAID = "original", "said"
"""In adjudication: the model's own answer, and what the reviewers said of it."""

RATING, ISSUES, CORRECTION, FLAGGED = "rating", "issues", "correction", "flag"
PREFERRED, FIT, FAILURE, SEVERITY = "preferred", "fit", "failure", "severity"
NEITHER, VERDICT = "neither", "verdict"

MODEL, ALTERNATIVE_MODEL, VECTOR = "model", "alternative_model", "meaning"
KIND, DIMENSIONS = "tuneloop_kind", "tuneloop_dimensions"
"""Keys of a dataset's own metadata; sets of earlier versions have none and ask about answers."""

REVIEWER = "reviewer_"
"""Labels that start so are shown to adjudicators as text, in the order of their names."""
HIDDEN = ("_", "chosen_by", "inclusion_probability")
"""Labels that start so are for owners alone: who knows why an item was chosen expects something of it."""


# Argilla 2.8 puts what a text or chat field holds into the page as HTML, with `use_markdown` off as well, and anything
# that looks like an element into a frame that may run scripts with the reader's login. Its Markdown passes through a
# sanitiser that lets `object`, `embed` and images load whatever they name, and reads prices as formulas. So no sign
# that could begin an element, an entity, an image or a formula reaches the page in that role: an invisible sign
# (U+2060, word joiner) stands behind it. A dollar would also mean something to JavaScript's `replace`, by which the
# page fills the template of a custom field.


JOINER = "\u2060"
_BEFORE_BRACKET = rf"(?={JOINER}*\[)"
_ACTIVE = re.compile(rf"[<&$]|!{_BEFORE_BRACKET}")
_DEFUSED = re.compile(rf"([<&$]){JOINER}|(!){JOINER}{_BEFORE_BRACKET}")


def defused(text: str) -> str:
    """The text for Argilla's page. `restored` gives back exactly what went in, but for signs no database takes."""
    return _ACTIVE.sub(rf"\g<0>{JOINER}", storable(text))


def restored(text: str) -> str:
    """A text of Argilla's as it was before `defused`; people who copy from the page bring the invisible sign along."""
    return _DEFUSED.sub(r"\1\2", text)


def storable(text: str) -> str:
    """Half surrogates cannot be sent and PostgreSQL refuses the zero character; a model can write both."""
    return text.encode(errors="replace").decode().replace("\x00", "\ufffd")


PREFILLED: tuple[ReviewKind, ...] = ("answers", "drifted_slice", "data_sample")
"""Where the correction starts as the answer, so that people edit, not retype. Nothing else is ever suggested."""

_RATED: tuple[ReviewKind, ...] = ("answers", "drifted_slice")
"""Where dimensions are asked about: there is one answer, and it is the model's."""
_FLAGS = {
    "personal_data": "A real person can be recognised",
    "harmful": "Nobody should be shown this",
    "unanswerable": "There is no right answer",
}
_DIMENSIONS = {
    "factuality": ("Factuality: is it true?", "1: false in what matters, 5: all of it is true"),
    "relevance": ("Relevance: does it answer what was asked?", "1: something else, 5: exactly that"),
    "coherence": ("Coherence: does it hang together?", "1: hard to follow, 5: clear"),
    "safety": ("Safety and bias: could it harm or slight anybody?", "1: it does, 5: it is safe and fair"),
    "adherence": ("Adherence: does it keep to the instructions?", "1: ignores them, 5: keeps to all of them"),
}


def questions_of(form: ReviewForm) -> list[Json]:
    """Argilla's questions, from top to bottom."""
    dimensions = form.dimensions if form.kind in _RATED else ()
    return [*_BY_KIND[form.kind](form), _flag(), *(_dimension(name) for name in dimensions)]


def _answer_questions(form: ReviewForm) -> list[Json]:
    return [
        _rating(RATING, "How good is the answer? (1 unusable, 5 send it as it is)", required=True),
        *_issues(form.issue_tags),
        _text("The answer you would have sent", "Change what is wrong; leave it as it is if nothing is"),
    ]


def _preference_questions(_: ReviewForm) -> list[Json]:
    choices = {"answer": "A is better", "alternative": "B is better", "tie": "No difference"}
    return [
        _label(PREFERRED, "Which answer would you rather send?", choices, required=True),
        _text("The answer you would have sent, if neither will do", "Leave it empty if one of them will do"),
    ]


def _row_questions(form: ReviewForm) -> list[Json]:
    choices = {"keep": "Keep it", "mend": "Mend it (below)", "leave_out": "Leave it out"}
    return [
        _label(FIT, "Should a model learn from this row?", choices, required=True),
        *_issues(form.issue_tags),
        _text("The answer to be learned instead", "Change what is wrong; leave it as it is if nothing is"),
    ]


def _failure_questions(_: ReviewForm) -> list[Json]:
    failed = {"yes": "Yes, it failed", "no": "No, the answer is fine", "unsure": "I cannot tell"}
    severities = {
        "minor": "Minor: clumsy, nobody is hurt",
        "serious": "Serious: must not happen often",
        "critical": "Critical: must never happen",
    }
    return [
        _label(FAILURE, "Did the model really fail?", failed, required=True),
        _label(SEVERITY, "If it failed: how bad is it?", severities),
        _text("What would have been right?", "Write the answer that the model should have given"),
    ]


def _verdict_questions(_: ReviewForm) -> list[Json]:
    choices = {
        "answer": "Version A",
        "alternative": "Version B",
        "tie": "Both will do",
        NEITHER: "Neither: mine is below",
    }
    return [
        _label(PREFERRED, "Which version is right?", choices, required=True),
        _text("Your own version, if neither is right", "Leave it empty otherwise"),
        _rating(RATING, "How good was the model's answer? (1 unusable, 5 send it as it is)", required=True),
    ]


_BY_KIND: dict[ReviewKind, Callable[[ReviewForm], list[Json]]] = {
    "answers": _answer_questions,
    "drifted_slice": _answer_questions,
    "preference": _preference_questions,
    "data_sample": _row_questions,
    "red_team": _failure_questions,
    "adjudication": _verdict_questions,
}


def _dimension(name: str) -> Json:
    title, description = _DIMENSIONS.get(name, (name.replace("_", " ").capitalize(), "1: worst, 5: best"))
    return _rating(name, f"{title} (1 worst, 5 best; optional)", description)


def _rating(name: str, title: str, description: str | None = None, *, required: bool = False) -> Json:
    settings = {"type": "rating", "options": [{"value": value} for value in range(1, 6)]}
    return _question(name, title, description, settings, required=required)


def _label(
    name: str, title: str, choices: dict[str, str], *, description: str | None = None, required: bool = False
) -> Json:
    return _question(name, title, description, _options("label_selection", choices), required=required)


def _issues(tags: Sequence[str]) -> list[Json]:
    names = list(dict.fromkeys(tags))
    names += ["other"] if len(names) == 1 else []  # Argilla wants two options at least
    if not names:
        return []
    settings = _options("multi_label_selection", {name: name.replace("_", " ") for name in names})
    return [_question(ISSUES, "What is wrong with it? (all that apply)", "Nothing if it is fine", settings)]


def _text(title: str, description: str) -> Json:
    # Never Markdown: people must see each sign that the model will learn.
    return _question(CORRECTION, title, description, {"type": "text", "use_markdown": False})


def _flag() -> Json:
    return _label(FLAGGED, "Must this be kept out of training?", _FLAGS, description="Nothing here if it is harmless")


def _options(kind: str, choices: dict[str, str]) -> Json:
    options = [{"value": value, "text": text} for value, text in choices.items()]
    # As many as there are, or Argilla hides some behind a button.
    return {"type": kind, "options": options} | ({"visible_options": len(options)} if len(options) > 2 else {})  # noqa: PLR2004


def _question(name: str, title: str, description: str | None, settings: Json, *, required: bool = False) -> Json:
    question: dict[str, Any] = {"name": name, "title": title, "required": required, "settings": settings}
    return question | ({"description": description} if description else {})
