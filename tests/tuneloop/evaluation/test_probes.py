from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tuneloop.errors import DataError
from tuneloop.evaluation.probes import Probe, accepts, load_probes


def probe(accept: str, *, number: int = 0, skill: str = "arithmetic") -> Probe:
    return Probe(id=f"p{number}", skill=skill, prompt="How many?", accept=(accept,), text="There are five of them.")


@pytest.mark.parametrize(
    ("accept", "answer", "accepted"),
    [
        ("twelve", "It is Twelve.", True),
        ("12", "12", True),
        ("12", "The year 1812", False),
        ("5", "0.5", False),
        ("0.5", "10.5", False),
        ("12", "12.", True),
        ("12", "12.5", False),
        ("art", "a party", False),
        ("tea, tea", "Tea,\n tea", True),
        ("Zürich", "in ZÜRICH!", True),
    ],
)
def test_an_accepted_answer_is_found_as_whole_words(accept: str, answer: str, accepted: bool) -> None:  # noqa: FBT001
    assert accepts(probe(accept), answer) is accepted


def test_a_sample_is_stable_and_spread_over_the_skills(tmp_path: Path) -> None:
    probes = [probe("x", number=i, skill="abc"[min(2, i // 10)]) for i in range(40)]
    file = tmp_path / "probes.jsonl"
    file.write_text("".join(p.model_dump_json() + "\n" for p in probes))
    chosen = load_probes(file, max_probes=9)
    assert Counter(p.skill for p in chosen) == {"a": 3, "b": 3, "c": 3}
    file.write_text("".join(p.model_dump_json() + "\n" for p in reversed(probes)))
    assert load_probes(file, max_probes=9) == chosen
    assert len(load_probes(file)) == 40


def test_a_line_that_is_no_probe_is_named(tmp_path: Path) -> None:
    file = tmp_path / "probes.jsonl"
    file.write_text(probe("x").model_dump_json() + "\n" + json.dumps({"id": "2"}) + "\n")
    with pytest.raises(DataError, match="line 2"):
        load_probes(file)


def test_missing_probes_are_an_error_a_user_can_mend(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no probes"):
        load_probes(tmp_path / "none.jsonl")
