"""A tiny base model and a tiny data version, once for all training tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import make_tiny_model
from tuneloop.records import Message, Record

TOPICS = ("lamp", "kettle", "mower", "quilt")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Kernels this small only wait for each other when they are shared out."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny-base"))


@pytest.fixture(scope="session")
def train_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("rows") / "train.parquet", 24)


@pytest.fixture(scope="session")
def validation_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("rows") / "validation.parquet", 5)


@pytest.fixture(scope="session")
def batch() -> Callable[..., dict[str, Any]]:
    return padding_free_batch


def write_rows(path: Path, count: int) -> Path:
    """Rows of uneven length in the form the data step writes."""
    import pyarrow as pa
    import pyarrow.parquet

    rows = [_row(number) for number in range(count)]
    texts = [json.dumps(row.to_json()) for row in rows]
    pyarrow.parquet.write_table(pa.table({"id": [row.id for row in rows], "record": texts}), path)
    return path


def _row(number: int) -> Record:
    topic = TOPICS[number % len(TOPICS)]
    question = f"The {topic} is late. " * (1 + number % 3)
    answer = json.dumps({"category": "delivery", "summary": topic})
    return Record(f"r{number}", (Message("user", question), Message("assistant", answer)), "tests", number + 1)


def padding_free_batch(lengths: tuple[int, ...] = (7, 19, 12), vocabulary: int = 320, seed: int = 0) -> dict[str, Any]:
    """Rows of random tokens laid end to end; the second half of each carries loss."""
    import torch

    ids = torch.randint(3, vocabulary, (1, sum(lengths)), generator=torch.Generator().manual_seed(seed))
    positions = torch.cat([torch.arange(n) for n in lengths])[None]
    halves = torch.cat([torch.full((n,), n // 2) for n in lengths])[None]
    borders = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
    labels = ids.masked_fill(positions < halves, -100)
    return {"input_ids": ids, "labels": labels, "position_ids": positions, "cu_seq_lens_q": borders}
