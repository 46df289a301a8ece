"""Filled-in review sheets that are bombs, damaged or absurd, each made in a few lines."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

MIB = 1024**2
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
HEADER = '<row r="1"><c r="A1" t="inlineStr"><is><t>item</t></is></c></row>'

PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" ContentType="'
    'application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" '
    f'ContentType="{KIND}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" '
    f'ContentType="{KIND}.worksheet+xml"/><Override PartName="/xl/sharedStrings.xml" '
    f'ContentType="{KIND}.sharedStrings+xml"/><Override PartName="/xl/styles.xml" '
    f'ContentType="{KIND}.styles+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
    f'Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets><sheet name="Review" sheetId="1" '
    'r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
    f'Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
    "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}"/>',
    "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"/>',
}


def workbook(path: Path, rows: str = "", **parts: str | bytes) -> None:
    """A workbook with these rows of XML; `parts` replace or add members (`__` is a slash, `_xml` the ending)."""
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{HEADER}{rows}</sheetData></worksheet>'
    named = {name.replace("__", "/").replace("_xml", ".xml"): part for name, part in parts.items()}
    members: Mapping[str, str | bytes] = {**PARTS, "xl/worksheets/sheet1.xml": sheet, **named}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def zip_of(path: Path, content: bytes, packing: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("xl/workbook.xml", content)


def members_that_share_their_bytes(path: Path) -> None:
    """Fifield's bomb: many directory entries, all for one packed member."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.xml", b"x" * (MIB * 20))
    raw = packed.getvalue()
    at = raw.index(b"PK\x01\x02")
    end = raw.index(b"PK\x05\x06")
    entry, count = raw[at:end], 400
    tail = raw[end : end + 8] + (count).to_bytes(2, "little") * 2 + (len(entry) * count).to_bytes(4, "little")
    path.write_bytes(raw[:at] + entry * count + tail + at.to_bytes(4, "little") + b"\0\0")


def many_members(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(60_000):
            archive.writestr(f"{number}", b"")


def lying_size(path: Path) -> None:
    """Its headers say ten bytes, and 300 MiB come out."""
    zip_of(path, b"x" * (300 * MIB))
    size = (300 * MIB).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (10).to_bytes(4, "little")))


LAUGHS = (
    '<!DOCTYPE sst [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + f']><sst xmlns="{MAIN}"><si><t>&j;</t></si></sst>'
)

ROW = '<row r="{0}"><c r="A{0}" t="inlineStr"><is><t>x</t></is></c></row>'

SHEETS: Mapping[str, tuple[str, Callable[[Path], None]]] = {
    "a far cell": ("far.xlsx", lambda p: workbook(p, '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')),
    "a row beyond all numbers": ("beyond.xlsx", lambda p: workbook(p, '<row r="99999999999999"><c><v>1</v></c></row>')),
    "wide rows": (
        "wide.xlsx",
        lambda p: workbook(p, "".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(2, 60_000))),
    ),
    "three million rows": ("rows.xlsx", lambda p: workbook(p, "<row/>" * 3_000_000)),
    "a hundred thousand filled rows": (
        "filled.xlsx",
        lambda p: workbook(p, "".join(map(ROW.format, range(2, 100_000)))),
    ),
    "one row a million times": (
        "again.xlsx",
        lambda p: workbook(p, '<row r="2"><c r="A2"><v>1</v></c></row>' * 1_000_000),
    ),
    "millions of shared strings": (
        "strings.xlsx",
        lambda p: workbook(p, xl__sharedStrings_xml=f'<sst xmlns="{MAIN}">' + "<si><t/></si>" * 3_000_000 + "</sst>"),
    ),
    "a shared string of 300 MiB": ("string.xlsx", lambda p: workbook(p, xl__sharedStrings_xml=b"x" * (300 * MIB))),
    "a text of 40 MiB": (
        "text.xlsx",
        lambda p: workbook(p, f'<row r="2"><c r="A2" t="inlineStr"><is><t>{"x" * 40 * MIB}</t></is></c></row>'),
    ),
    "millions of styles": (
        "styles.xlsx",
        lambda p: workbook(
            p, xl__styles_xml=f'<styleSheet xmlns="{MAIN}"><cellXfs>' + "<xf/>" * 3_000_000 + "</cellXfs></styleSheet>"
        ),
    ),
    "entities that expand": ("laughs.xlsx", lambda p: workbook(p, xl__sharedStrings_xml=LAUGHS)),
    "entities hidden in UTF-16": ("hidden.xlsx", lambda p: workbook(p, xl__sharedStrings_xml=LAUGHS.encode("utf-16"))),
    "elements nested deep": (
        "deep.xlsx",
        lambda p: workbook(p, "<a>" * 100_000 + "</a>" * 100_000),
    ),
    "a zip that lies about its size": ("lying.xlsx", lying_size),
    "a zip whose members share their bytes": ("shared.xlsx", members_that_share_their_bytes),
    "a zip of 60,000 files": ("members.xlsx", many_members),
    "a zip packed with lzma": ("lzma.xlsx", lambda p: zip_of(p, b"x", zipfile.ZIP_LZMA)),
    "a zip inside a zip": ("inner.xlsx", lambda p: zip_of(p, b"PK\x03\x04" + b"x" * (120 * MIB))),
    "half a workbook": ("half.xlsx", lambda p: (workbook(p, ROW.format(2)), p.write_bytes(p.read_bytes()[:600]))[0]),
    "a workbook with a password": (
        "locked.xlsx",
        lambda p: p.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5000)),
    ),
    "a sheet of 100 MiB": ("big.csv", lambda p: p.write_bytes(b"item,rating\n" * (9 * MIB))),
    "a sheet with a million columns": ("columns.csv", lambda p: p.write_bytes(b"item" + b",x" * 1_000_000)),
    "a sheet of line ends": ("ends.csv", lambda p: p.write_bytes(b"item\n" + b"x\n" * 10_000_000)),
    "a workbook as large as one may be": (
        "largest.xlsx",
        lambda p: workbook(
            p,
            "".join(
                f'<row r="{n}">' + f'<c r="A{n}" t="str"><v>{"x" * 60}</v></c>' * 17 + "</row>"
                for n in range(2, 20_000)
            ),
        ),
    ),
    "a sheet as wide as one may be": (
        "widest.csv",
        lambda p: p.write_bytes(
            b",".join(b"c%d" % n for n in range(64)) + (b"\n" + b",".join([b"xyz~"] * 64)) * 19_000
        ),
    ),
    "a quote that never closes": ("quote.csv", lambda p: p.write_bytes(b'item\n"' + b"x\n" * 4_000_000)),
    "a sheet nested deep": ("deep.jsonl", lambda p: p.write_bytes(b'{"item": ' + b"[" * 200_000)),
    "a sheet with a huge number": ("number.jsonl", lambda p: p.write_bytes(b'{"rating": 1' + b"0" * 4000 + b"}")),
    "an empty sheet": ("empty.csv", lambda p: p.write_bytes(b"")),
}
