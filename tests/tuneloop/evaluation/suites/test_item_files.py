from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tuneloop.errors import DataError
from tuneloop.evaluation.suites.forgetting import Forgetting
from tuneloop.evaluation.suites.item_files import MAX_BYTES
from tuneloop.evaluation.suites.red_team import RedTeam

LINE = {"id": "a", "category": "x", "prompt": "Why?", "rule": {"asks_back": True}}
SECRET = "Ada Holm, 4 Mill Road"


def written(tmp_path: Path, *lines: dict[str, object] | str) -> Path:
    file = tmp_path / "items.jsonl"
    file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return file


def test_a_sample_is_stable_and_spread_over_the_categories(tmp_path: Path) -> None:
    lines = [LINE | {"id": f"i{n}", "category": "abc"[min(2, n // 10)]} for n in range(40)]
    chosen = RedTeam(written(tmp_path, *lines), max_items=9).attacks
    assert Counter(item.category for item in chosen) == {"a": 3, "b": 3, "c": 3}
    assert RedTeam(written(tmp_path, *reversed(lines)), max_items=9).attacks == chosen
    assert len(RedTeam(written(tmp_path, *lines)).attacks) == 40


def test_a_larger_sample_holds_the_smaller_one() -> None:
    small, large = RedTeam(max_items=20).attacks, RedTeam(max_items=60).attacks
    assert {item.id for item in small} < {item.id for item in large}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{not json", "line 2 is not JSON"),
        ("[" * 100_000, "line 2 is not JSON"),
        ("[1, 2]", "line 2: the object"),
        (LINE | {"id": "b", "prompt": ""}, "line 2: prompt"),
        (LINE | {"id": "b", "prompt": SECRET * 1000}, "line 2: prompt"),
        (LINE | {"id": "b", "prompt": "\ud800"}, "line 2: prompt"),
        (LINE | {"id": "b", "category": "a|b"}, "line 2: category"),
        (LINE | {"id": "b", "note": SECRET}, "line 2: note"),
        (LINE | {"id": "b", "rule": {}}, "line 2: rule: .*empty"),
        (LINE | {"id": "b", "rule": {"must_not_contain": [" "]}}, "line 2: rule: .*empty word"),
        (LINE | {"id": "b", "rule": {"refusal": SECRET}}, "line 2: rule.refusal"),
        (LINE, "line 2: its id was used before"),
    ],
)
def test_a_broken_line_is_named_and_its_text_is_not_repeated(
    tmp_path: Path, line: dict[str, object] | str, message: str
) -> None:
    with pytest.raises(DataError, match=message) as error:
        _ = RedTeam(written(tmp_path, LINE, line)).attacks
    assert "Ada" not in str(error.value)


def test_a_file_that_cannot_be_used_is_an_error_with_advice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="see `items`"):
        _ = RedTeam(tmp_path / "none.jsonl").attacks
    with pytest.raises(DataError, match="cannot be read"):
        _ = RedTeam(tmp_path).attacks
    with pytest.raises(DataError, match="no items"):
        _ = RedTeam(written(tmp_path, "")).attacks
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes('{"id": "caf\xe9"}'.encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        _ = RedTeam(latin).attacks
    with latin.open("r+b") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(DataError, match="larger than"):
        _ = RedTeam(latin).attacks


def test_line_separators_inside_a_string_do_not_cut_the_line(tmp_path: Path) -> None:
    file = written(tmp_path, json.dumps(LINE | {"prompt": "one\u2028two"}, ensure_ascii=False))
    assert [item.prompt for item in RedTeam(file).attacks] == ["one\u2028two"]


def test_a_file_of_the_first_release_is_still_read(tmp_path: Path) -> None:
    old = {"id": "p", "skill": "arithmetic", "prompt": "1 + 1?", "accept": ["2"], "text": "One and one are two."}
    assert [item.category for item in Forgetting(written(tmp_path, old)).probes] == ["arithmetic"]


def test_the_identity_changes_with_the_items_the_sample_and_the_length() -> None:
    suites = [RedTeam(), RedTeam(max_items=8), RedTeam(max_items=9), RedTeam(max_items=8, max_new_tokens=8)]
    identities = [json.dumps(suite.identity()) for suite in suites]
    assert len(set(identities)) == 4
    assert json.dumps(RedTeam(max_items=8).identity()) == identities[1]
