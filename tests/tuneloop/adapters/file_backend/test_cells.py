from hypothesis import given
from hypothesis import strategies as st

from tuneloop.adapters.file_backend.sheets import (
    CUT,
    LONGEST,
    for_workbook,
    from_workbook,
    guarded,
    looks_alike,
    shown,
    unguarded,
)

NASTY = st.one_of(st.text(), st.text(alphabet="=+-@'\t\r\n\0_x0041D"))


@given(NASTY)
def test_what_is_guarded_comes_back_as_it_was_and_starts_no_formula(text):
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@given(NASTY)
def test_signs_that_xml_cannot_hold_come_back_as_they_were(text):
    assert from_workbook(for_workbook(text)) == text
    assert not set(for_workbook(text)) & {"\r", "\0", "\x0b", "\uffff"}


def test_a_word_with_an_apostrophe_is_left_as_somebody_typed_it():
    assert unguarded("'tis fine") == guarded("'tis fine") == "'tis fine"


def test_a_long_text_is_cut_where_the_cell_ends_and_says_so():
    text = shown("\U0001f375" * LONGEST)
    assert text.endswith(CUT)
    assert len(text.encode("utf-16-le")) // 2 == LONGEST + len(CUT)


def test_what_spreadsheet_programs_change_on_their_own_is_no_change():
    assert looks_alike("one\r\ntwo ", "one\n two")
    assert looks_alike("'=1+1", "=1+1")
    assert not looks_alike("one", "two")
