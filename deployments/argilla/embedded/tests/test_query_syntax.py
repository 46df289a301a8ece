"""The query language by itself; no server."""

import pytest
from argilla_embedded.search.query_syntax import MAX_TERMS, And, Everything, Match, Not, Or, QueryTooLongError, parse

A, B, C = Match('"a"'), Match('"b"'), Match('"c"')


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("a", A),
        ("a b", And(A, B)),
        ("a + b", And(A, B)),
        ("a|b", Or(A, B)),
        ("-a", Not(A)),
        ("--a", A),
        ("a -b", And(A, Not(B))),
        ("a | -b", Or(A, Not(B))),
        ("-(a | b)", Not(Or(A, B))),
        ("a (b | c)", And(A, Or(B, C))),
        ("*", Everything()),
    ],
)
def test_operators_build_a_tree(query: str, tree: object) -> None:
    assert parse(query) == tree


def test_operators_bind_from_left_to_right() -> None:
    assert parse("a | b c") == And(Or(A, B), C)
    assert parse("a b | c") == Or(And(A, B), C)


@pytest.mark.parametrize(
    ("query", "expression"),
    [
        ('"a b"', '"a b"'),
        ('"a b"~3', 'NEAR("a" "b", 3)'),
        ("ab*", '"ab" *'),
        (r"a\*", '"a*"'),
        (r"\-a", '"-a"'),
        ("a-b", '"a-b"'),
        ("a~2", '"a"'),
        ('say"hi"', None),
        ("日本", '" 日  本 "'),
    ],
)
def test_a_leaf_becomes_one_full_text_expression(query: str, expression: str | None) -> None:
    tree = parse(query)
    assert tree == (Match(expression) if expression else And(Match('"say"'), Match('"hi"')))


@pytest.mark.parametrize("query", ["", "  ", "!!!", "-", "| +", "()", '""', '"', "-(!)", "**"])
def test_a_query_without_a_word_is_nothing(query: str) -> None:
    assert parse(query) is None


@pytest.mark.parametrize("query", ["a (b", "a b)", "a ) b", 'a " b', "+ a b", "(a b", "a b |"])
def test_dangling_signs_are_skipped(query: str) -> None:
    assert parse(query) == And(A, B)


def test_an_overlong_query_is_refused() -> None:
    assert parse("a " * MAX_TERMS) is not None
    with pytest.raises(QueryTooLongError):
        parse("a " * (MAX_TERMS + 1))
    with pytest.raises(QueryTooLongError):
        parse("(" * 5000)
