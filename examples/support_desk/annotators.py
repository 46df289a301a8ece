"""Two scripted annotators, each with an Argilla account of their own. In real life people do this, in the browser.

They take what is pending for *them* from Argilla's API, as its web page does, judge it by the house rules (judging.py)
with the right answers in their heads, and submit under their own API keys.

    python -m examples.support_desk.annotators REVIEW_SET   (reads TUNELOOP_ARGILLA_URL and TUNELOOP_ARGILLA_API_KEY)
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from examples.support_desk.judging import Judgement, judge, with_a_view_of_ones_own
from tuneloop.adapters.argilla.questions import ANSWER, CORRECTION, ISSUES, PROMPT, RATING, restored
from tuneloop.adapters.argilla.teams import ensure_annotator
from tuneloop.errors import DataError, ServiceError

ANNOTATORS = ("robin", "kim")
GOLD = Path(__file__).with_name("review_prompts.jsonl")
_PAGE = 50
_PENDING = {
    "filters": {
        "type": "and",
        "and": [{"type": "terms", "scope": {"entity": "response", "property": "status"}, "values": ["pending"]}],
    }
}


def annotate(
    argilla_url: str,
    owner_api_key: str,
    review_set: str,
    gold: Path = GOLD,
    *,
    names: Sequence[str] = ANNOTATORS,
    seed: int = 7,
    public_url: str | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """Answer what is pending in the review set, as each of the annotators; returns how many responses were submitted.

    `gold` is JSONL of {prompt, completion}: the answers the annotators would have sent. Records whose prompt is not in
    it are left to people. `seed` is that of the small differences between the annotators; the same record always gets
    the same judgement.

    Call it again and it does nothing: what has been answered is not pending.

    Raises:
        ServiceError: Argilla is not there, refuses us, or has no such review set.
        DataError: the gold file is not there.
    """
    answers = _gold(gold)
    shown = (public_url or argilla_url).rstrip("/")
    say(f"{len(names)} scripted annotators answer {review_set!r}.")
    say(f"In real life, people do; to do it yourself, open {shown}")
    submitted = 0
    for name in names:
        key = ensure_annotator(argilla_url, owner_api_key, name, _password(owner_api_key, name))
        with httpx.Client(base_url=argilla_url, headers={"X-Argilla-Api-Key": key}, timeout=60) as http:
            judgements = _answer_all(http, review_set, answers, f"{seed}/{name}")
        submitted += len(judgements)
        say(f"  {name}: {_summary(judgements)}")
    return submitted


def _answer_all(http: httpx.Client, review_set: str, answers: Mapping[str, str], seed: str) -> list[Judgement]:
    dataset = _find(http, review_set)
    judgements = []
    for record in list(_pending(http, dataset)):
        prompt, answer = (restored(record["fields"].get(name) or "") for name in (PROMPT, ANSWER))
        gold = answers.get(prompt)
        if gold is None:
            continue
        chance = random.Random(f"{seed}/{record['external_id']}")
        judgement = with_a_view_of_ones_own(judge(prompt, answer, gold), chance)
        body = response_of(judgement, answer)
        http.post(f"/api/v1/records/{record['id']}/responses", json=body).raise_for_status()
        judgements.append(judgement)
    return judgements


def response_of(judgement: Judgement, answer: str) -> dict[str, Any]:
    """The judgement as Argilla's page would send it: the pre-filled answer is sent along where nothing was changed."""
    values: dict[str, Any] = {RATING: judgement.rating, CORRECTION: judgement.correction or answer}
    if judgement.issues:  # Argilla refuses an empty list
        values[ISSUES] = list(judgement.issues)
    return {"status": "submitted", "values": {name: {"value": value} for name, value in values.items()}}


def _find(http: httpx.Client, review_set: str) -> str:
    datasets = http.get("/api/v1/me/datasets").raise_for_status().json()["items"]
    for dataset in datasets:
        if dataset["name"] == review_set and dataset["status"] == "ready":
            return str(dataset["id"])
    raise ServiceError(f"Argilla has no review set {review_set!r} that the annotators may see; publish it first")


def _pending(http: httpx.Client, dataset: str) -> Iterator[dict[str, Any]]:
    """Everything that waits for this annotator; all pages are read before anything is answered."""
    offset = 0
    while True:
        page = http.post(
            f"/api/v1/me/datasets/{dataset}/records/search", params={"offset": offset, "limit": _PAGE}, json=_PENDING
        )
        items = page.raise_for_status().json()["items"]
        yield from (item["record"] for item in items)
        offset += len(items)
        if len(items) < _PAGE:
            return


def _gold(file: Path) -> dict[str, str]:
    try:
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except FileNotFoundError as error:
        raise DataError(f"no gold answers at {file}; the scripted annotators cannot judge without") from error
    return {row["prompt"]: row["completion"] for row in rows}


def _password(owner_api_key: str, name: str) -> str:
    """Different on every installation, the same in every run of one."""
    return hmac.new(owner_api_key.encode(), f"annotator {name}".encode(), hashlib.sha256).hexdigest()[:24]


def _summary(judgements: Sequence[Judgement]) -> str:
    if not judgements:
        return "nothing was pending"
    mean = sum(j.rating for j in judgements) / len(judgements)
    corrected = sum(j.correction is not None for j in judgements)
    issues = ", ".join(f"{name} {n}" for name, n in Counter(i for j in judgements for i in j.issues).most_common(4))
    return f"{len(judgements)} answers rated {mean:.1f} on average, {corrected} corrected ({issues or 'no issues'})"


if __name__ == "__main__":
    annotate(os.environ["TUNELOOP_ARGILLA_URL"], os.environ["TUNELOOP_ARGILLA_API_KEY"], sys.argv[1])
