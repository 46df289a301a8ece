"""Files of training rows that are bombs, damaged or absurd, each made in a few lines."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

MIB = 1024**2
ROW = b'{"prompt": "a", "completion": "b"}\n'


def repeated(path: Path, packer: Callable[..., Any], content: bytes, times: int) -> None:
    with packer(path, "wb") as stream:
        for _ in range(times):
            stream.write(content)


def gigantic_dictionary(path: Path) -> None:
    """An lzma file whose header asks for four gigabytes of memory, and whose content would use them."""
    packed = lzma.compress(b"x" * (8 * MIB), format=lzma.FORMAT_ALONE)
    path.write_bytes(packed[:1] + (0xFFFF0000).to_bytes(4, "little") + packed[5:])


def zstd(path: Path) -> None:
    import pyarrow as pa

    with pa.output_stream(str(path), compression="zstd") as stream:
        for _ in range(300):
            stream.write(b"x" * MIB)


def parquet(path: Path, columns: object, **options: object) -> None:
    import pyarrow as pa
    from pyarrow import parquet as files

    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    files.write_table(table, path, **options)


def one_text_many_times(path: Path) -> None:
    """A dictionary of one text of 4 MiB, and 2,000 rows that name it: eight gigabytes in four kilobytes."""
    import pyarrow as pa

    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array(["x" * (4 * MIB)]))
    parquet(path, {"prompt": texts, "completion": texts}, compression="zstd")


def one_page(path: Path) -> None:
    """A page of 256 MiB."""
    import pyarrow as pa

    parquet(
        path, {"prompt": pa.array(["x" * (256 * MIB)], pa.large_string()), "completion": ["b"]},
        use_dictionary=False, compression="zstd", write_statistics=False,
    )  # fmt: skip


def endless_list(path: Path) -> None:
    """One row with a list of twenty million nulls."""
    import numpy as np
    import pyarrow as pa

    count = 20_000_000
    values = pa.nulls(count, pa.int8())
    lists = pa.ListArray.from_arrays(pa.array(np.array([0, count], dtype=np.int32)), values)
    parquet(path, {"prompt": ["a"], "completion": ["b"], "tags": lists}, compression="zstd")


def large_footer(path: Path) -> None:
    import pyarrow as pa

    table = pa.table({"prompt": ["a"], "completion": ["b"]})
    parquet(path, table.replace_schema_metadata({"notes": "x" * 20 * MIB}))


def deep_schema(path: Path) -> None:
    import pyarrow as pa

    value = pa.array([1])
    for _ in range(600):
        value = pa.StructArray.from_arrays([value], ["a"])
    parquet(path, {"prompt": value})


def lying_footer(path: Path) -> None:
    parquet(path, {"prompt": ["a"], "completion": ["b"]})
    content = path.read_bytes()
    path.write_bytes(content[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1")


def half_a_parquet(path: Path) -> None:
    parquet(path, {"prompt": ["a"] * 1000, "completion": ["b"] * 1000})
    path.write_bytes(path.read_bytes()[:400])


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


DATA_FILES: Mapping[str, tuple[str, Callable[[Path], object]]] = {
    "a gzip bomb of one line": ("bomb.jsonl.gz", lambda p: repeated(p, gzip.open, b"x" * MIB, 300)),
    "a gzip bomb of rows": ("rows.jsonl.gz", lambda p: repeated(p, gzip.open, ROW * 30_000, 300)),
    "a bzip2 bomb": ("bomb.csv.bz2", lambda p: repeated(p, bz2.open, b"x" * MIB, 300)),
    "an xz bomb": ("bomb.json.xz", lambda p: repeated(p, partial(lzma.open, preset=0), b"[" * MIB, 300)),
    "an xz dictionary of four gigabytes": ("huge.jsonl.xz", gigantic_dictionary),
    "a zstd bomb": ("bomb.jsonl.zst", zstd),
    "a gzip file cut at its header": ("cut.jsonl.gz", lambda p: p.write_bytes(gzip.compress(ROW)[:9])),
    "a text under the name of a gzip file": ("text.jsonl.gz", lambda p: p.write_bytes(ROW)),
    "nested a million deep": ("deep.json", lambda p: p.write_bytes(b"[" * MIB)),
    "lines nested a million deep": ("deep.jsonl", lambda p: p.write_bytes((b"[" * MIB + b"\n") * 3)),
    "one line of 300 MiB": ("line.jsonl", lambda p: repeated(p, open, b"x" * MIB, 300)),
    "a table with a million columns": (
        "columns.csv",
        lambda p: p.write_bytes(b",".join(b"%d" % n for n in range(500_000))),
    ),
    "a table with a million columns a row": (
        "wide.csv",
        lambda p: p.write_bytes(b"prompt,completion\n" + (b"," * 2_000_000 + b"\n") * 5),
    ),
    "an unclosed quote": ("quote.csv", lambda p: p.write_bytes(b'prompt,completion\n"' + b"a,b\n" * 40_000)),
    "NUL bytes": ("nul.jsonl", lambda p: p.write_bytes(bytes(8 * MIB))),
    "UTF-16 of random bytes": ("random.jsonl", lambda p: p.write_bytes(b"\xff\xfe" + os.urandom(2 * MIB))),
    "Latin-1": ("latin.csv", lambda p: p.write_bytes("prompté,réponse\na,b\n".encode("latin-1"))),
    "an empty file": ("empty.jsonl", lambda p: p.write_bytes(b"")),
    "only a byte order mark": ("mark.csv", lambda p: p.write_bytes(b"\xef\xbb\xbf")),
    "a folder": ("folder.jsonl", lambda p: p.mkdir()),
    "a pipe": ("pipe.jsonl", os.mkfifo),
    "a link to a device": ("zero.jsonl", lambda p: p.symlink_to("/dev/zero")),
    "a link to the system's memory": ("memory.jsonl", lambda p: p.symlink_to("/proc/self/pagemap")),
    "a link to itself": ("loop.jsonl", link_to_itself),
    "a name of 300 letters": ("n" * 300 + ".jsonl", lambda _: None),
    "a Parquet file of one text many times": ("dictionary.parquet", one_text_many_times),
    "a Parquet page of 256 MiB": ("page.parquet", one_page),
    "a Parquet row with a list without end": ("list.parquet", endless_list),
    "a Parquet footer of 20 MiB": ("notes.parquet", large_footer),
    "a Parquet schema nested deep": ("schema.parquet", deep_schema),
    "a Parquet footer that lies": ("footer.parquet", lying_footer),
    "half a Parquet file": ("half.parquet", half_a_parquet),
}

QUARANTINED = (
    "lines nested a million deep", "one line of 300 MiB", "a table with a million columns a row", "an unclosed quote",
    "NUL bytes", "UTF-16 of random bytes",
)  # fmt: skip
"""Of which single rows are bad: the check names them, and the exit code is 1."""
