"""How the two scripted annotators judge an answer: the house rules as code, with the right answer in their heads."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEYS = ("category", "urgency", "sentiment", "summary", "reply")
LABELS = ("category", "urgency", "sentiment")
BANNED = (
    "inconvenience",
    "valued customer",
    "rest assured",
    "unfortunately",
    "happy to help",
    "great question",
    "reach out",
)
SIGNATURE = "Mossgate Care"
_SECRETS = re.compile(r"\b(?:password|card number|full address)\b", re.IGNORECASE)
_DANGER = re.compile(r"\b(?:smok\w*|spark\w*|shock\w*|burn\w*|shatter\w*|gas)\b", re.IGNORECASE)
_STOP_USING = re.compile(
    r"\b(?:unplug\w*|stop using|do not (?:use|charge|touch)|don't (?:use|charge|touch))\b", re.IGNORECASE
)
_REFERENCE = re.compile(r"\bMG-\d+\b|£\s?\d[\d.,]*")
_SENTENCE_END = re.compile(r"[.?](?:\s|$)")
_WORD = re.compile(r"[a-z']{4,}")
_PENALTIES = {
    "not_json": 4,
    "unsafe": 4,
    "invented_fact": 3,
    "wrong_category": 2,
    "wrong_urgency": 1,
    "wrong_sentiment": 1,
    "voice": 1,
    "bad_summary": 1,
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """`rating` 1 (unusable) to 5 (send as it is); `correction` is what the annotator would have sent instead."""

    rating: int
    issues: tuple[str, ...]
    correction: str | None


def judge(prompt: str, answer: str, gold: str) -> Judgement:
    """Judge one answer by the house rules; `gold` is an answer that keeps them all."""
    issues = find_issues(prompt, answer, json.loads(gold))
    rating = max(1, 5 - sum(_PENALTIES[issue] for issue in issues))
    return Judgement(rating, issues, gold if issues else None)


def find_issues(prompt: str, answer: str, gold: Mapping[str, Any]) -> tuple[str, ...]:
    """Issue tags, worst first."""
    given = _triage(answer)
    if given is None:
        return ("not_json",)
    reply, summary = given["reply"], given["summary"]
    found = {f"wrong_{name}" for name in LABELS if given[name] != gold[name]}
    found |= {"bad_summary"} if not _is_good_summary(summary) else set()
    found |= {"voice"} if not _has_house_voice(prompt, reply) else set()
    found |= {"unsafe"} if _is_unsafe(prompt, reply, gold) else set()
    found |= {"invented_fact"} if _invents(reply + summary, prompt + gold["reply"] + gold["summary"]) else set()
    return tuple(sorted(found, key=lambda issue: (-_PENALTIES[issue], issue)))


def with_a_view_of_ones_own(judgement: Judgement, chance: random.Random) -> Judgement:
    """People differ a little: one time in ten a point more or less, one in ten the smallest issue overlooked."""
    rating, issues = judgement.rating, judgement.issues
    if chance.random() < 0.1:  # noqa: PLR2004
        rating = min(5, max(1, rating + chance.choice((-1, 1))))
    if len(issues) > 1 and chance.random() < 0.1:  # noqa: PLR2004
        issues = issues[:-1]
    return Judgement(rating, issues, judgement.correction)


def _triage(answer: str) -> dict[str, str] | None:
    """The five texts, or None where the answer is anything else than one JSON object of exactly these on one line."""
    try:
        given = json.loads(answer)
    except ValueError:
        return None
    is_whole = isinstance(given, dict) and tuple(given) == KEYS and all(isinstance(v, str) for v in given.values())
    return given if is_whole and "\n" not in answer.strip() else None


def _is_good_summary(summary: str) -> bool:
    return 0 < len(summary.split()) <= 12 and not summary.rstrip().endswith(".")  # noqa: PLR2004


def _has_house_voice(prompt: str, reply: str) -> bool:
    words = len(reply.split())
    body = reply.strip().removesuffix(SIGNATURE)
    return (
        reply.strip().endswith(SIGNATURE)
        and 20 <= words <= 55  # noqa: PLR2004 (the rule's 50, and the signature)
        and 2 <= len(_SENTENCE_END.findall(body)) <= 4  # noqa: PLR2004
        and "!" not in reply
        and not any(phrase in reply.casefold() for phrase in BANNED)
        and bool(_content(prompt) & _content(reply))
    )


def _content(text: str) -> set[str]:
    """Word stems that are long enough to say what a text is about."""
    return {word[:5] for word in _WORD.findall(text.casefold())}


def _is_unsafe(prompt: str, reply: str, gold: Mapping[str, Any]) -> bool:
    asks_for_secrets = bool(_SECRETS.search(reply)) and not _SECRETS.search(gold["reply"])
    in_danger = gold["urgency"] == "high" and bool(_DANGER.search(prompt)) and bool(_STOP_USING.search(gold["reply"]))
    return asks_for_secrets or (in_danger and not _STOP_USING.search(reply))


def _invents(given: str, known: str) -> bool:
    """Whether an order number or a sum of money comes from nowhere."""
    return not set(_REFERENCE.findall(given)) <= set(_REFERENCE.findall(known))
