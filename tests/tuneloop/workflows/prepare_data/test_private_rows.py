"""What the data gate does with the rows of a private source, from the file to the report."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from expectations.validating import SuiteValidator
from tests.tuneloop.workflows.prepare_data.test_prepare_data import (
    CHECKS,
    TOPICS,
    a_recipe,
    ids,
    is_balanced,
    prepare,
    sound_rows,
    write,
)
from tuneloop.data.leaks import leaked_rows
from tuneloop.data.snapshots import load_manifest
from tuneloop.errors import DataError
from tuneloop.recipes import Augmentation, Source
from tuneloop.results import DataReport
from tuneloop.row_files import load_rows, splits_in
from tuneloop.workflows.prepare_data import examine
from tuneloop.workflows.prepare_data.manifest import config_of

pytestmark = pytest.mark.integration

POOL = Source(name="pool", path="pool.jsonl")
EXAM = Source(name="exam", path="exam.jsonl", held_out=True)
VAULT = Source(name="vault", path="vault.jsonl", private=True)
SECRET = "do you sell the zebrawood xylophone in the quiet shop window"


def private_rows() -> list[dict[str, Any]]:
    asked = [f"may I bring back {t} number {i} after the sale" for i, t in enumerate(TOPICS)]
    return [{"id": f"p{i}", "prompt": p, "completion": "Maybe."} for i, p in enumerate([*asked, SECRET])]


def exam_rows() -> list[dict[str, Any]]:
    return [{"id": f"e{i}", "prompt": f"question {i} about the {t}", "completion": "yes"} for i, t in enumerate(TOPICS)]


def made(folder: Path, *, pool: list[Any], exam: list[Any], vault: list[Any], **data: Any) -> DataReport:
    for name, rows in (("pool", pool), ("exam", exam), ("vault", vault)):
        write(folder / f"{name}.jsonl", rows)
    return prepare(folder, a_recipe(POOL, EXAM, VAULT, **data))


def test_private_rows_have_a_split_of_their_own_for_the_owner_alone(tmp_path: Path) -> None:
    report = made(tmp_path, pool=sound_rows(40), exam=exam_rows(), vault=private_rows())

    file = Path(report.folder) / "private.parquet"
    assert ids(report, "private") == {f"p{i}" for i in range(11)}
    assert ids(report, "test") == {f"e{i}" for i in range(10)}
    assert report.rows_private == load_manifest(Path(report.folder)).rows["private"] == 11
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert is_balanced(report)
    assert leaked_rows(Path(report.folder) / "train.parquet", [file]) == []


def test_rows_like_a_private_one_leave_every_other_split(tmp_path: Path) -> None:
    copies = [{"id": name, "prompt": f"{SECRET} today", "completion": "A much longer answer."} for name in "ab"]
    pool, exam = [*sound_rows(40), copies[0]], [*exam_rows(), copies[1]]

    report = made(tmp_path, pool=pool, exam=exam, vault=private_rows())

    assert report.reasons == {"leakage": 2}
    assert {"p10"} <= ids(report, "private")
    assert "b" not in ids(report, "test")
    gone = [json.loads(line) for line in (Path(report.folder) / "quarantine.jsonl").read_text().splitlines()]
    assert {g["record_id"]: g["related"] for g in gone} == {"a": "p10", "b": "p10"}


def test_private_rows_are_checked_as_all_others(tmp_path: Path) -> None:
    flawed = {"id": "pii", "prompt": "write to a.b@example.org", "completion": "ok"}
    copy = {**private_rows()[0], "id": "twin"}

    report = made(tmp_path, pool=sound_rows(40), exam=exam_rows(), vault=[*private_rows(), flawed, copy, "{"])

    assert report.reasons == {"personal_data": 1, "exact_copy": 1, "broken_json": 1}
    assert report.rows_private == 11


def test_nothing_that_people_are_shown_quotes_a_private_row(tmp_path: Path) -> None:
    """Neither the rows nor those that left for being like them; small words, so that masking would not hide them."""
    flawed = {"id": "flawed", "prompt": f"{SECRET} <b>a</b> <i>b</i>", "completion": "ok"}
    contradicted = [{"id": f"c{i}", "prompt": "zebrawood again", "completion": c} for i, c in enumerate("xy")]
    alike = [{"id": name, "prompt": f"{SECRET} today", "completion": "A longer answer."} for name in "ab"]

    report = made(
        tmp_path,
        pool=[*sound_rows(40), alike[0]],
        exam=[*exam_rows(), alike[1]],
        vault=[*private_rows(), flawed, *contradicted],
    )

    manifest = load_manifest(Path(report.folder))
    assert report.reasons["leakage"] == 2
    assert report.reasons["html"] == 1
    for file in ("manifest.json", "report.html"):
        assert "zebrawood" not in (Path(report.folder) / file).read_text()
    assert "zebrawood" in (Path(report.folder) / "quarantine.jsonl").read_text()
    assert all(c.kept is None and not c.removed for c in manifest.clusters)
    assert {e.id for c in manifest.checks for e in c.examples} & {"a", "b", "flawed", "p10"} == set()


def test_rows_are_never_grown_from_private_ones(tmp_path: Path) -> None:
    grown = Augmentation(methods=("noise",), per_row=2, min_fidelity=0.0)
    recipe = a_recipe(POOL, VAULT, augmentation=grown)
    write(tmp_path / "pool.jsonl", sound_rows(40))
    write(tmp_path / "vault.jsonl", private_rows())

    with examine(
        recipe, validator=SuiteValidator(), root=tmp_path, workspace=tmp_path / "ws", embedder=Flat()
    ) as found:
        origins = {str(r.extra["synthetic"]["of"]) for r in found.synthetic}
        assert origins
        assert origins <= {i for i, p in zip(found.ids, found.places, strict=True) if p == 0}
        assert not origins & found.private_ids


def test_no_synthetic_row_is_a_copy_of_a_private_one(tmp_path: Path) -> None:
    template = {"name": "bring-back", "prompt": SECRET.replace("xylophone", "{item}"), "answer": "No.", "rows": 3}
    slots = {"item": ["xylophone", "globe", "sled"]}
    (tmp_path / "templates.yaml").write_text(yaml.safe_dump({"slots": slots, "templates": [template]}))
    grown = Augmentation(methods=("templates",), templates="templates.yaml", min_fidelity=0.0)
    write(tmp_path / "pool.jsonl", sound_rows(40))
    write(tmp_path / "vault.jsonl", private_rows())

    def prompts(*sources: Source) -> set[str]:
        recipe = a_recipe(
            *sources, augmentation=grown, checks=CHECKS.model_copy(update={"near_duplicate_jaccard": 0.9})
        )
        with examine(
            recipe, validator=SuiteValidator(), root=tmp_path, workspace=tmp_path / "ws", embedder=Flat()
        ) as found:
            return {r.prompt for r in found.synthetic}

    assert SECRET in prompts(POOL)
    assert SECRET not in prompts(POOL, VAULT)


def test_slices_are_of_rows_that_may_be_trained_on(tmp_path: Path) -> None:
    flawed = {"id": "pii", "prompt": "write to a.b@example.org", "completion": "ok"}

    report = made(tmp_path, pool=sound_rows(40), exam=exam_rows(), vault=[*private_rows(), flawed])

    assert "vault" not in {s.value for s in load_manifest(Path(report.folder)).slices}


def test_an_empty_private_set_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="private source"):
        made(tmp_path, pool=sound_rows(40), exam=exam_rows(), vault=["{"])


def test_a_recipe_without_a_private_source_is_what_it_was(tmp_path: Path) -> None:
    write(tmp_path / "pool.jsonl", sound_rows(60))
    report = prepare(tmp_path)

    assert not (Path(report.folder) / "private.parquet").exists()
    assert splits_in(Path(report.folder)) == ["train", "validation", "test"]
    assert set(load_manifest(Path(report.folder)).rows) == {"train", "validation", "test"}
    with examine(a_recipe(), validator=SuiteValidator(), root=tmp_path, workspace=tmp_path / "ws") as found:
        assert "private" not in json.dumps(config_of(found))


def test_limits_and_balance_leave_private_rows_alone(tmp_path: Path) -> None:
    report = made(
        tmp_path, pool=sound_rows(40), exam=exam_rows(), vault=private_rows(), max_train_rows=5, max_validation_rows=1
    )

    assert (report.rows_train, report.rows_private) == (5, 11)
    assert len(load_rows(Path(report.folder) / "private.parquet")) == 11
    assert is_balanced(report)


class Flat:
    """All texts have the same meaning, so that no synthetic row is refused for having another."""

    def embed(self, texts: Any) -> Any:
        import numpy as np

        return np.ones((len(texts), 1), dtype=np.float32)
