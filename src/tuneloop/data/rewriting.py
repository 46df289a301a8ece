"""Prompts said in other words by a language model: paraphrases, and translations there and back."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.data.text_marks import detect_language
from tuneloop.ports import Rewriter

_ROLE = "You rewrite messages that customers have written; you never answer them."
_KEEP = "Keep every number, name and order code, and whatever stands in quotation marks or angle brackets."
_ONLY = "Write only the new message."

PARAPHRASES = (
    f"{_ROLE} Say the message in other words. {_KEEP} {_ONLY}",
    f"{_ROLE} Say the message more briefly, as somebody in a hurry would write it. {_KEEP} {_ONLY}",
    f"{_ROLE} Say the message politely and formally. {_KEEP} {_ONLY}",
    f"{_ROLE} Say the message as one would in a chat with a friend. {_KEEP} {_ONLY}",
)
"""One for each row made from the same original, from the beginning again where there are more."""

LANGUAGES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese",
    "nl": "Dutch", "pl": "Polish", "sv": "Swedish", "da": "Danish", "cs": "Czech", "ru": "Russian", "tr": "Turkish",
}  # fmt: skip
PIVOTS = ("de", "fr", "es", "it")
DEFAULT_LANGUAGE = "en"
"""Of texts too short to tell."""


def paraphrase(texts: Sequence[str], rewriter: Rewriter, turn: int) -> list[str]:
    """Each text in other words, "" where none came out; `turn` (from 0) chooses the manner."""
    return rewriter.rewrite(texts, PARAPHRASES[turn % len(PARAPHRASES)])


def translate_and_back(texts: Sequence[str], rewriter: Rewriter, turn: int) -> list[str]:
    """Each text by way of another language, "" where none came out; `turn` (from 0) chooses the language."""
    languages = [_language(t) for t in texts]
    new = [""] * len(texts)
    for language in sorted(set(languages)):
        places = [i for i, found in enumerate(languages) if found == language]
        pivots = [p for p in PIVOTS if p != language]
        there = rewriter.rewrite([texts[i] for i in places], _translation(pivots[turn % len(pivots)]))
        back = rewriter.rewrite(there, _translation(language))
        for place, text in zip(places, back, strict=True):
            new[place] = text
    return new


def _language(text: str) -> str:
    found = detect_language(text)
    return found if found in LANGUAGES else DEFAULT_LANGUAGE


def _translation(language: str) -> str:
    role = "You translate messages that customers have written; you never answer them."
    return f"{role} Translate the message into {LANGUAGES[language]}. {_KEEP} Write only the translation."
