"""The bytes of a file as UTF-8: unpacked where the ending says so, recoded where a byte order mark does."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tuneloop.data.raw_row import RawRow
from tuneloop.errors import DataError
from tuneloop.readable_files import MIB, fault_of

UNDECODABLE = "tuneloop-undecodable"
BYTE_ORDER_MARKS = (
    # The longer ones first: UTF-32 begins as UTF-16 does.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
BLOCK_BYTES = 8192
ZSTD_BLOCK_BYTES = 1024
"""Of a truncated .zst file, pyarrow withholds the whole block at whose end it notices."""

MAX_RATIO = 200
"""Texts pack to a fifth or a twentieth; what unpacks to more than this and `ALWAYS_UNPACKED` is to fill a disk."""
ALWAYS_UNPACKED = 256 * MIB
MEASURED_FIRST = 16 * MIB
"""Packed files up to this are unpacked into nothing before a row is read: what is a bomb costs seconds, not a run."""
LZMA_MEMORY = 128 * MIB
"""A dictionary of an .xz file may be four gigabytes large; `xz -9` makes one of 64 MiB."""


class TruncatedError(Exception):
    """A packed file ends, or makes no sense, before all of it was unpacked."""


def opened(path: Path) -> io.BufferedReader:
    """A file's content as UTF-8 without byte order mark. Bytes that are not UTF-8 come as they are.

    What UTF-16 and UTF-32 cannot decode comes as bytes that are not UTF-8 either, so that it costs a row, not a file.

    Raises:
        DataError: the file cannot be opened, or it is packed and not a byte of it can be unpacked.
        TruncatedError: (when reading) a packed file breaks off.
    """
    if fault := fault_of(path):
        raise DataError(f"{path} {fault}")
    try:
        stream = _unpacked(path)
        head = stream.peek(4)[:4]
    except OSError as error:
        raise DataError(f"{path} cannot be opened: {error.strerror or type(error).__name__}") from None
    coding = next((name for mark, name in BYTE_ORDER_MARKS if head.startswith(mark)), None)
    if coding:
        return io.BufferedReader(_Recoded(stream, coding))
    if head.startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
    return stream


def require_no_bomb(path: Path) -> None:
    """Unpack a packed file of moderate size once, only to see how large it becomes. Larger ones are measured as they
    are read.

    Raises:
        DataError: it becomes absurdly large, or cannot be unpacked at all.
    """
    if path.suffix.lower() not in UNPACKERS or fault_of(path, max_bytes=MEASURED_FIRST):
        return
    with suppress(TruncatedError), opened(path) as stream:
        while stream.read(MIB):
            pass


def require_ratio(path: Path, packed_bytes: int, unpacked_bytes: int) -> None:
    """Refuse what has become absurdly large.

    Raises:
        DataError: it is a bomb, or as good as one.
    """
    most = max(ALWAYS_UNPACKED, MAX_RATIO * packed_bytes)
    if unpacked_bytes > most:
        raise DataError(
            f"{path} unpacks to more than {most // MIB:,} MiB, over {MAX_RATIO} times its size: is that right? If so, "
            "unpack it yourself and name the unpacked file"
        )


def lines(stream: io.BufferedReader, max_bytes: int) -> Iterator[bytes | None]:
    """The lines of a stream; None for one that is longer than `max_bytes`, which is never held as a whole."""
    while line := stream.readline(max_bytes + 1):
        if len(line) <= max_bytes or line.endswith(b"\n"):
            yield line
        else:
            while (more := stream.readline(max_bytes)) and not more.endswith(b"\n"):
                pass
            yield None


def truncated(number: int) -> RawRow:
    """What stands for the rows that a broken archive no longer gives."""
    return RawRow(number, problem=("truncated_file", "the archive breaks off here; the rows after this are lost"))


def too_long(number: int, max_bytes: int) -> RawRow:
    return RawRow(number, problem=("line_too_long", f"longer than {max_bytes / 1024**2:.3g} MiB"))


def _zstd(path: Path) -> Any:
    import pyarrow as pa

    return pa.input_stream(str(path), compression="zstd")


def _xz(path: Path) -> Any:
    return _Xz(path)


UNPACKERS: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": _xz, ".zst": _zstd}


def _unpacked(path: Path) -> io.BufferedReader:
    ending = path.suffix.lower()
    if ending not in UNPACKERS:
        return path.open("rb")
    block = ZSTD_BLOCK_BYTES if ending == ".zst" else BLOCK_BYTES
    return io.BufferedReader(_Unpacking(UNPACKERS[ending](path), path, block))


class _Readable(io.RawIOBase):
    def readable(self) -> bool:
        return True


class _Unpacking(_Readable):
    """Turns the many errors of the unpackers into ours, once everything before them has been read."""

    def __init__(self, packed: Any, path: Path, block_bytes: int) -> None:
        self.packed = packed
        self.path = path
        self.block_bytes = block_bytes
        self.given = 0
        self.packed_bytes = path.stat().st_size

    def readinto(self, into: Any) -> int:
        try:
            data = self.packed.read1(min(len(into), self.block_bytes))
        except (EOFError, OSError, zlib.error, lzma.LZMAError):
            if not self.given:
                raise DataError(f"{self.path} cannot be unpacked; is it what its ending says, and complete?") from None
            raise TruncatedError from None
        self.given += len(data)
        require_ratio(self.path, self.packed_bytes, self.given)
        into[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self.packed.close()
        super().close()


class _Xz:
    """An .xz file unpacked with a bound on memory, which `lzma.open` does not take."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("rb")
        self.decoder = lzma.LZMADecompressor(memlimit=LZMA_MEMORY)

    def read1(self, size: int) -> bytes:
        while True:
            if self.decoder.eof:
                rest = self.decoder.unused_data.lstrip(b"\0") or self.file.read(BLOCK_BYTES).lstrip(b"\0")
                if not rest:
                    return b""
                self.decoder = lzma.LZMADecompressor(memlimit=LZMA_MEMORY)  # several streams are one file
            else:
                rest = self.file.read(BLOCK_BYTES) if self.decoder.needs_input else b""
                if self.decoder.needs_input and not rest:
                    raise EOFError
            if data := self.decoder.decompress(rest, size):
                return data

    def close(self) -> None:
        self.file.close()


class _Recoded(_Readable):
    """UTF-16 or UTF-32 as UTF-8."""

    def __init__(self, stream: io.BufferedReader, coding: str) -> None:
        self.stream = stream
        self.decoder = codecs.getincrementaldecoder(coding)(UNDECODABLE)
        self.pending = memoryview(b"")

    def readinto(self, into: Any) -> int:
        data = b"more"
        while data and not self.pending:
            data = self.stream.read1(BLOCK_BYTES)
            text = self.decoder.decode(data, final=not data)
            self.pending = memoryview(text.encode("utf-8", "surrogatepass"))
        count = min(len(into), len(self.pending))
        into[:count] = self.pending[:count]
        self.pending = self.pending[count:]
        return count

    def close(self) -> None:
        self.stream.close()
        super().close()


def _half_a_pair(error: UnicodeError) -> tuple[str, int]:
    """Half a surrogate pair in place of what cannot be decoded: the UTF-8 made of it is invalid, and so is found."""
    return "\udcff", error.end if isinstance(error, UnicodeDecodeError) else 0


codecs.register_error(UNDECODABLE, _half_a_pair)
