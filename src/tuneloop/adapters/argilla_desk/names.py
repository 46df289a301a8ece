"""Names of fields, questions and metadata in Argilla, and what a set remembers of itself.

They are what responses are read back by, so they stay as they are; titles may change, here and in Argilla's settings.
"""

from __future__ import annotations

from tuneloop.ports import ReviewKind

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
