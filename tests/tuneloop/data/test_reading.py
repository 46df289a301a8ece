from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tuneloop.data.reading import read_sources
from tuneloop.recipes import Source
from tuneloop.records import Record, Rejection


def read(tmp_path: Path, *files: list[Any], **settings: Any) -> list[Record | Rejection]:
    sources = []
    for number, rows in enumerate(files):
        (tmp_path / f"{number}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        sources.append(Source(name=f"s{number}", path=f"{number}.jsonl", **settings))
    return list(read_sources(sources, root=tmp_path, workspace=tmp_path))


def a_row(**more: Any) -> dict[str, Any]:
    return {"prompt": "a", "completion": "b", **more}


def test_a_row_keeps_its_id_line_group_and_date(tmp_path: Path) -> None:
    rows = [a_row(id=7, customer="c1", created_at="2026-01-01")]
    (row,) = read(tmp_path, rows, columns={"group": "customer"}, held_out=True)

    assert isinstance(row, Record)
    assert (row.id, row.source, row.line, row.held_out) == ("7", "s0", 1, True)
    assert (row.group, row.created_at) == ("c1", "2026-01-01")


def test_a_row_without_id_is_named_by_its_content(tmp_path: Path) -> None:
    first, second = read(tmp_path, [a_row()], [a_row(other_column=1)])

    assert isinstance(first, Record)
    assert second == Record(
        id=f"{first.id}~2", messages=first.messages, source="s1", line=1, extra={"given_id": first.id}
    )


def test_ids_are_made_distinct_over_all_sources_and_the_given_one_is_kept(tmp_path: Path) -> None:
    rows = read(tmp_path, [a_row(id="x"), a_row(id="x~2"), a_row(id="x")], [a_row(id="x")])

    assert [r.id for r in rows if isinstance(r, Record)] == ["x", "x~2", "x~3", "x~4"]
    assert [r.extra.get("given_id") for r in rows if isinstance(r, Record)] == [None, None, "x", "x"]


def test_only_an_object_under_extra_is_carried_along(tmp_path: Path) -> None:
    (row,) = read(tmp_path, [a_row(customer_email="a@example.org", extra={"review_set": "r1"})])

    assert isinstance(row, Record)
    assert row.extra == {"review_set": "r1"}


def test_a_bad_row_is_rejected_with_its_place_and_reason(tmp_path: Path) -> None:
    good, bad = read(tmp_path, [a_row(), {"id": "r2", "prompt": "a"}])

    assert isinstance(good, Record)
    assert isinstance(bad, Rejection)
    assert (bad.source, bad.line, bad.record_id, bad.reason) == ("s0", 2, "r2", "missing_field")


def test_a_workspace_file_that_is_not_there_yet_has_no_rows(tmp_path: Path) -> None:
    source = Source(name="feedback", path="workspace:feedback.jsonl")

    assert list(read_sources([source], root=tmp_path, workspace=tmp_path)) == []
