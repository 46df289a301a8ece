from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

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


def test_a_pair_of_answers_keeps_the_worse_one_and_is_named_by_both(tmp_path: Path) -> None:
    pairs = [{"prompt": "a", "chosen": "b", "rejected": worse} for worse in ("c", "d")]
    first, second, plain = read(tmp_path, [*pairs, a_row()])

    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert isinstance(plain, Record)
    assert (first.completion, first.rejected, plain.rejected) == ("b", "c", None)
    assert len({first.id, second.id, plain.id}) == 3
    assert not any("given_id" in r.extra for r in (first, second, plain))


def test_a_column_of_bytes_is_a_rejection_and_the_bytes_stay_out_of_the_quarantine(tmp_path: Path) -> None:
    rows = [{"id": b"\x00", "prompt": b"secret", "completion": "b"}]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")

    (row,) = read_sources([Source(name="a", path="a.parquet")], root=tmp_path, workspace=tmp_path)

    assert row == Rejection(
        "a",
        1,
        None,
        "wrong_type",
        "prompt must be text, this is bytes",
        raw='{"id": "<1 bytes>", "prompt": "<6 bytes>", "completion": "b"}',
    )


def test_the_details_of_a_rejection_never_repeat_the_row(tmp_path: Path) -> None:
    secret = "Ottilie"
    bad = [{secret: 1}, {"prompt": {secret: 1}, "completion": "b"}, {"messages": [{"role": secret, "content": secret}]}]
    lines = [*(json.dumps(r) for r in bad), f'{{"{secret}": 1, "{secret}": 2}}', f'["{secret}"', f'"{secret}\\ud800"']
    (tmp_path / "a.jsonl").write_text("\n".join(lines))

    rows = list(read_sources([Source(name="a", path="a.jsonl")], root=tmp_path, workspace=tmp_path))

    assert len(rows) == len(lines)
    for row in rows:
        assert isinstance(row, Rejection)
        assert secret in (row.raw or "")
        assert secret not in f"{row.reason} {row.detail} {row.record_id}"
