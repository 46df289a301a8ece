"""Scripted production traffic: customers begin to write about something new (rented e-bikes and balcony solar kits).

python -m examples.support_desk.traffic TRAFFIC_FILE
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tuneloop.drift.traffic import TrafficRow, append, read_since
from tuneloop.errors import DataError

ROWS = Path(__file__).with_name("drift.jsonl")
_SECONDS_APART = 90


def send_traffic(
    traffic_file: Path,
    rows: Path = ROWS,
    *,
    model: str = "scripted",
    draft: Callable[[str], str] | None = None,
    now: datetime | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """Write the rows into the traffic log, as if they had just come in; returns how many were new to it.

    `rows` is JSONL of {id, prompt, completion}; for every second row `completion` is what a support agent really sent.
    `draft` is the model that drafts answers; without it the log gets empty drafts, which is enough for the drift watch.
    `now`, with a time zone, is the time of the last row; None: this moment.

    Raises:
        DataError: no such file of rows.
    """
    wanted = _read(rows)
    known = {row.id for row in read_since(traffic_file)}
    start = (now or datetime.now(UTC)) - timedelta(seconds=_SECONDS_APART * (len(wanted) - 1))
    new = [
        _row(row, number, start + timedelta(seconds=_SECONDS_APART * number), model, draft)
        for number, row in enumerate(wanted)
        if f"traffic-{row['id']}" not in known
    ]
    append(traffic_file, new)
    sent = sum(row.sent is not None for row in new)
    say(f"Scripted customers (no real ones) wrote {len(new)} messages on a new topic; agents sent an answer to {sent}.")
    return len(new)


def _row(
    row: Mapping[str, Any], number: int, time: datetime, model: str, draft: Callable[[str], str] | None
) -> TrafficRow:
    return TrafficRow(
        id=f"traffic-{row['id']}",
        time=time.isoformat(timespec="seconds"),
        prompt=row["prompt"],
        answer=draft(row["prompt"]) if draft else "",
        model=model,
        sent=row["completion"] if number % 2 == 0 else None,
    )


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except FileNotFoundError as error:
        raise DataError(f"no traffic rows at {file}") from error


if __name__ == "__main__":
    send_traffic(Path(sys.argv[1]))
