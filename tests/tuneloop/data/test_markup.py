from __future__ import annotations

import pytest

from tuneloop.data.markup import without_markup


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hello<br>you &amp; me</p><p>Bye</p>", "Hello\nyou & me\n\nBye"),
        ("<ul><li>one</li><li>two</li></ul>", "- one\n- two"),
        ("<ol><li>one<li>two</ol>after", "1. one\n2. two\n\nafter"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ('see <a href="https://x.example">our page</a>', "see our page"),
        ("<style>p {}</style><script>alert(1)</script><b>Hi</b><!-- no -->", "Hi"),
        ("<div><div>a</div></div><div>b</div>", "a\nb"),
        ("use <code>x &lt; 3</code>", "use `x < 3`"),
        ("<pre>a\n  b</pre>", "```\na\n  b\n```"),
        ("grey &amp; sage &ndash; swap", "grey & sage \u2013 swap"),
        ("<o:p></o:p>Hi&nbsp;there", "Hi\u00a0there"),
    ],
)
def test_markup_becomes_the_text_that_was_seen(html: str, text: str) -> None:
    assert without_markup(html).replace("\u00a0", " ") == text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    "text",
    [
        "1 < 2 and 3 > 2",
        "R&D costs &copy x",
        "from <anna@example.org>",
        "a <b c> d",
        "use `<br>` or\n```\n<p>code &amp; more</p>\n```",
        "  two  spaces\n\n\n\nand lines  ",
    ],
)
def test_what_is_no_markup_stays_as_it_is(text: str) -> None:
    assert without_markup(text) == text


def test_beside_markup_too_what_is_no_markup_stays() -> None:
    text = "if a < b, ask <anna@example.org> about R&D &copy 3"

    assert without_markup(f"{text} <b>today</b>") == f"{text} today"


def test_a_tag_that_nobody_closed_does_not_swallow_the_rest() -> None:
    assert without_markup("I put <script> into <b>my page</b> and it broke").endswith("my page and it broke")


def test_code_beside_markup_is_not_touched() -> None:
    assert without_markup("<b>Use</b> `<br  />` here") == "Use `<br  />` here"


def test_deep_nesting_is_no_problem() -> None:
    assert without_markup("<div>" * 5000 + "x") == "x"
