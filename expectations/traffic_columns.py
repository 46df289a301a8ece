"""The slim frame of production traffic: what was found in each request, without its text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from expectations.found_in_texts import text_marks, time_marks
from tuneloop.data.text_marks import detect_language
from tuneloop.drift.traffic import TrafficRow


def traffic_columns(rows: Sequence[TrafficRow], *, as_of: datetime, names: bool = False) -> pd.DataFrame:
    """A row per request.

    id; empty_prompt, empty_answer; prompt_characters; language of the prompt (ISO 639-1 or `und`); age_days and
    bad_date; pii_kinds, special_tokens and injections in prompt, answer and what was sent. Names of people cost too
    much to look for in every request: `names` asks for them.
    """
    about = [
        {
            "id": row.id,
            "empty_prompt": not row.prompt.strip(),
            "empty_answer": not row.answer.strip(),
            "prompt_characters": len(row.prompt),
            "language": detect_language(row.prompt),
        }
        for row in rows
    ]
    texts = ["\n".join((row.prompt, row.answer, row.sent or "")) for row in rows]
    return pd.DataFrame(about).assign(
        **time_marks([r.time for r in rows], as_of=as_of), **text_marks(texts, names=names)
    )
