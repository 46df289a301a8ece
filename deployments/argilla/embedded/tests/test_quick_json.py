"""The faster reader and writer of JSON gives what the standard library's gives."""

import json
from typing import Any

import pytest
from argilla_embedded import quick_json
from hypothesis import given, settings
from hypothesis import strategies as st

_scalar = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.text("\ud800a"),
)
_value = st.recursive(
    _scalar, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)), max_leaves=20
)


@settings(max_examples=500, deadline=None)
@given(value=_value)
def test_what_is_written_is_read_back_by_either(value: Any) -> None:
    assert json.loads(quick_json.dumps(value)) == value
    assert quick_json.loads(json.dumps(value)) == value


@settings(max_examples=500, deadline=None)
@given(text=st.one_of(st.text(), st.text(alphabet='{}[]:,"\\01eE+-.nNaIify tru')))
def test_what_is_no_json_is_refused_in_the_same_words(text: str) -> None:
    assert _outcome(quick_json.loads, text) == _outcome(json.loads, text)


def _outcome(loads: Any, text: str) -> str:
    try:
        return repr(loads(text))
    except json.JSONDecodeError as error:
        return str(error)


def test_deep_nesting_is_read() -> None:
    assert quick_json.loads("[" * 500 + "]" * 500) == json.loads("[" * 500 + "]" * 500)


def test_what_json_has_no_word_for_becomes_null() -> None:
    assert quick_json.dumps([float("nan"), float("inf"), 1.0], allow_nan=False) == "[null,null,1.0]"


def test_what_is_no_json_value_is_refused() -> None:
    with pytest.raises(TypeError):
        quick_json.dumps(object())
