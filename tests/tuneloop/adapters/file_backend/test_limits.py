"""How large a sheet may be: what is just within is read whole, and what is beyond is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.sheets import ROW, SHEETS, workbook
from tuneloop.adapters.file_backend.importing import read_sheet
from tuneloop.adapters.file_backend.workbooks import MAX_COLUMNS, MAX_ROW_CHARACTERS, MAX_ROWS
from tuneloop.errors import DataError


def csv_of(folder: Path, rows: int, columns: int = 1) -> Path:
    line = ",".join(f"c{n}" for n in range(columns)) + "\n"
    (folder / "a.csv").write_text(line * rows)
    return folder / "a.csv"


def test_a_sheet_with_as_many_rows_and_columns_as_may_be_is_read(tmp_path: Path) -> None:
    assert len(read_sheet(csv_of(tmp_path, MAX_ROWS))) == MAX_ROWS - 1
    assert len(read_sheet(csv_of(tmp_path, 2, MAX_COLUMNS))[0].cells) == MAX_COLUMNS


@pytest.mark.parametrize(
    ("rows", "columns", "problem"), [(MAX_ROWS + 1, 1, "row 20,002"), (1, MAX_COLUMNS + 1, "65 col")]
)
def test_one_row_or_column_more_is_refused(tmp_path: Path, rows: int, columns: int, problem: str) -> None:
    with pytest.raises(DataError, match=rf"a\.csv has .*{problem}"):
        read_sheet(csv_of(tmp_path, rows, columns))


def test_a_long_row_of_many_lines_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("item\n" + '"x\n",' * (MAX_ROW_CHARACTERS // 4))
    with pytest.raises(DataError, match=r"a\.csv has more than 4,194,304 characters in row 2"):
        read_sheet(tmp_path / "a.csv")


def test_a_workbook_is_read_beyond_the_size_that_it_tells_of_itself(tmp_path: Path) -> None:
    workbook(tmp_path / "a.xlsx", ROW.format(2) + ROW.format(5))
    assert [(row.number, row.cells) for row in read_sheet(tmp_path / "a.xlsx") if row.cells] == [
        (2, {"item": "x"}), (5, {"item": "x"}),
    ]  # fmt: skip


def test_a_formula_is_a_fault_and_never_computed(tmp_path: Path) -> None:
    workbook(tmp_path / "a.xlsx", '<row r="2"><c r="A2"><f>1+1</f><v>2</v></c></row>')
    assert "formula" in read_sheet(tmp_path / "a.xlsx")[0].faults["item"]


@pytest.mark.parametrize("case", ["a far cell", "entities that expand", "a zip packed with lzma", "half a workbook"])
def test_a_hostile_workbook_is_refused_by_name(tmp_path: Path, case: str) -> None:
    name, make = SHEETS[case]
    make(tmp_path / name)
    with pytest.raises(DataError, match=name):
        read_sheet(tmp_path / name)
