from datetime import UTC, datetime
from pathlib import Path

from tests.tuneloop.reports.examples import make_round
from tuneloop.reports.approval_text import question_about
from tuneloop.results import Reason


def test_the_question_says_what_would_be_replaced_why_and_until_when():
    reason = Reason(rule="loss", passed=True, text="loss fell by <b>0.2</b>")
    verdict = make_round().verdict.model_copy(update={"decision": "promote", "reasons": [reason]})
    round_ = make_round(3, verdict=verdict)
    text = question_about(round_, version="7", page=Path("/ws/page.html"), until=datetime(2026, 5, 1, 12, tzinfo=UTC))
    assert "May version 7 of desk go into production?" in text
    assert round_.candidate.model_hash[:12] in text
    assert "`/ws/page.html`" in text
    assert "2026-05-01 12:00 UTC" in text
    assert "<b>" not in text.replace("\\<b", "")
    assert "there is no champion" in question_about(
        round_.model_copy(update={"champion": None}), version="7", page=Path("p"), until=datetime.now(UTC)
    )
