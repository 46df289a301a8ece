"""What is inside an .xlsx file before a parser sees it: measured while it is unpacked, not believed from its headers.

A workbook is a zip archive of XML files. Bombs hide in both: a few kilobytes that unpack to gigabytes, entities that
expand, millions of empty elements each of which becomes an object.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from tuneloop.errors import DataError
from tuneloop.readable_files import MIB

MAX_MEMBERS = 500
MAX_MEMBER_BYTES = 48 * MIB
MAX_UNPACKED_BYTES = 96 * MIB
MAX_TAGS = 1_500_000
"""Over all members. openpyxl needs some six microseconds for each, and a filled-in cell has four or five."""

_BLOCK = 256 * 1024
_DIRECTORY_ENTRY = b"PK\x01\x02"
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""Also how a workbook with a password begins."""
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""All that the format allows (ECMA-376 part 2); others can ask for gigabytes of memory to unpack a byte."""
_ENCRYPTED = 0x1
_DECLARATIONS = (b"<!DOCTYPE", b"<!ENTITY")
_LONGEST_DECLARATION = max(map(len, _DECLARATIONS))
_SAVE_AGAIN = "save the sheet again as .xlsx, or as `CSV UTF-8`"


def require_sound_archive(path: Path) -> None:
    """Unpack everything once, into nothing, and stop where it is more than a sheet can be.

    Raises:
        DataError: it is no such archive, or its content is too large, or declares entities. Names the file.
    """
    content = path.read_bytes()
    if content.startswith(_OLD_WORKBOOK):
        raise DataError(f"{path} is an old .xls workbook, or has a password; {_SAVE_AGAIN}, without a password")
    if content.count(_DIRECTORY_ENTRY) > MAX_MEMBERS:  # before zipfile makes an object of each
        raise DataError(f"{path} is no workbook: it packs more than {MAX_MEMBERS} files; {_SAVE_AGAIN}")
    try:
        with zipfile.ZipFile(path) as archive:
            _measure(archive, path)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError) as error:
        raise DataError(f"{path} is not an .xlsx workbook, or a damaged one ({error}); {_SAVE_AGAIN}") from error


def _measure(archive: zipfile.ZipFile, path: Path) -> None:
    unpacked, tags = 0, 0
    for member in archive.infolist():
        if member.flag_bits & _ENCRYPTED or member.compress_type not in _PACKINGS:
            raise DataError(f"{path} has a password or is packed in an unusual way; {_SAVE_AGAIN}, without a password")
        size = 0
        ending = b""
        with archive.open(member) as stream:
            while block := stream.read(_BLOCK):
                size += len(block)
                tags += block.count(b"<")
                _require_small(path, member.filename, size, unpacked + size, tags)
                _require_plain_xml(path, member.filename, ending + block)
                ending = block[-_LONGEST_DECLARATION:]
        unpacked += size


def _require_small(path: Path, member: str, size: int, unpacked: int, tags: int) -> None:
    if size > MAX_MEMBER_BYTES or unpacked > MAX_UNPACKED_BYTES:
        raise DataError(
            f"{path} unpacks to more than a sheet can be ({MAX_MEMBER_BYTES // MIB} MiB a part, "
            f"{MAX_UNPACKED_BYTES // MIB} MiB in all; {member[:80]!r} is beyond that); copy the filled-in rows into a "
            "fresh export"
        )
    if tags > MAX_TAGS:
        raise DataError(
            f"{path} holds more than {MAX_TAGS:,} XML elements, more than a sheet can have; copy the filled-in rows "
            "into a fresh export"
        )


def _require_plain_xml(path: Path, member: str, block: bytes) -> None:
    """No entities, and no encoding in which they could hide: whatever expat or libxml2 reads keeps ASCII as it is,
    but for UTF-16 and UTF-32, which have NUL bytes."""
    if not member.endswith((".xml", ".rels", ".vml")):
        return
    if b"\0" in block or any(mark in block for mark in _DECLARATIONS):
        raise DataError(
            f"{path} declares entities or hides its encoding in {member[:80]!r}, which no spreadsheet program does; "
            f"{_SAVE_AGAIN}"
        )
