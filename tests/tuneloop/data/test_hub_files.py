from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict

from tuneloop.data.files import file_of, raw_rows, source_rows
from tuneloop.data.hub_files import hub_rows
from tuneloop.data.reading import read_sources
from tuneloop.errors import DataError
from tuneloop.recipes import Source
from tuneloop.records import Record

pytestmark = pytest.mark.integration

CHAT = [{"role": "user", "content": "Is it late?"}, {"role": "assistant", "content": "No."}]


def rows_of(tmp_path: Path, path: str, **more: Any) -> list[Any]:
    return [r.value for r in source_rows(Source(name="a", path=path, **more), root=tmp_path, workspace=tmp_path)]


@pytest.mark.parametrize("form", ["auto", "huggingface"])
@pytest.mark.parametrize("prefix", ["", "workspace:"])
def test_a_saved_data_set_is_read_like_a_file(tmp_path: Path, form: str, prefix: str) -> None:
    rows = [{"messages": CHAT, "id": str(n)} for n in range(2500)]
    Dataset.from_list(rows).save_to_disk(tmp_path / "saved", num_shards=2)

    source = Source(name="a", path=f"{prefix}saved", format=form)  # type: ignore[arg-type]
    read = list(read_sources([source], root=tmp_path, workspace=tmp_path))

    assert [(r.id, r.line, r.completion) for r in read if isinstance(r, Record)] == [
        (str(n), n + 1, "No.") for n in range(2500)
    ]


def test_a_split_is_named_behind_the_folder(tmp_path: Path) -> None:
    splits = {name: Dataset.from_list([{"prompt": name}]) for name in ("train", "test")}
    DatasetDict(splits).save_to_disk(tmp_path / "saved")
    DatasetDict({"train": splits["train"]}).save_to_disk(tmp_path / "single")

    assert rows_of(tmp_path, "saved#test") == [{"prompt": "test"}]
    assert rows_of(tmp_path, "single", format="huggingface") == [{"prompt": "train"}]
    for path in ("saved", "saved#validation"):
        with pytest.raises(DataError, match="has the splits train, test; name one of them"):
            rows_of(tmp_path, path)


def test_the_folder_stands_for_all_splits_of_a_saved_data_set(tmp_path: Path) -> None:
    Dataset.from_list([{"prompt": "a"}]).save_to_disk(tmp_path / "saved" / "inner")

    source = Source(name="a", path="saved/inner#train")

    assert file_of(source, root=tmp_path, workspace=tmp_path) == tmp_path / "saved" / "inner"


@pytest.mark.parametrize("damaged", ["state.json", "data-00000-of-00001.arrow"])
@pytest.mark.parametrize("kept", [0, 20, 300])
def test_a_damaged_data_set_is_the_users_to_mend(tmp_path: Path, damaged: str, kept: int) -> None:
    Dataset.from_list([{"prompt": "a" * 1000}] * 10).save_to_disk(tmp_path)
    file = tmp_path / damaged
    file.write_bytes(file.read_bytes()[: kept if damaged.endswith("arrow") else kept // 3])

    with pytest.raises(DataError):
        list(raw_rows(tmp_path))


def test_what_load_dataset_finds_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "train.jsonl").write_text('{"prompt": "a"}\n' * 1500)
    monkeypatch.chdir(tmp_path)

    assert [(r.line, r.value) for r in hub_rows("desk#train")] == [(n, {"prompt": "a"}) for n in range(1, 1501)]
    assert sum(1 for _ in hub_rows("desk")) == 1500
    with pytest.raises(DataError, match="has the splits train"):
        list(hub_rows("desk#test"))


def test_without_the_hub_there_is_one_clear_error() -> None:
    """In a process of its own: `datasets` reads the switch when it is imported."""
    code = (
        "from tuneloop.data.hub_files import hub_rows\nfrom tuneloop.errors import DataError\n"
        "try: list(hub_rows('tuneloop/no-such-data@main#train'))\nexcept DataError as error: print(error)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert shown.stdout.startswith("there is no folder tuneloop/no-such-data@main, and the data set cannot be had")


@pytest.mark.parametrize("path", ["", "a/b/c", "https://huggingface.co/org/name", "org/name@"])
def test_what_is_no_name_is_never_asked_for(path: str) -> None:
    with pytest.raises(DataError, match="neither a folder nor a name"):
        list(hub_rows(path))
