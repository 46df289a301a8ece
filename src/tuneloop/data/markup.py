"""HTML to plain text: line breaks, list items and the words of links stay, the rest of the markup goes.

The parser (selectolax) would take much that people write for tags (`<anna@example.org>`, `a <b`). So it is only shown
what certainly is an element; every other `<` and `&` is escaped first.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from tuneloop.data.text_marks import CODE, ENTITY, TAG

HINTS = "[<&]"
"""In every text that `without_markup` changes."""

FENCE = "```"
_NAMES = (
    "a|abbr|address|article|aside|b|blockquote|body|br|button|caption|center|cite|code|col|colgroup|dd|del|details|div"
    "|dl|dt|em|figcaption|figure|font|footer|form|h[1-6]|head|header|hr|html|i|img|input|ins|kbd|label|li|link|main"
    "|mark|meta|nav|o:p|ol|p|pre|q|section|small|span|strike|strong|sub|summary|sup|table|tbody|td|tfoot|th|thead|tr"
    "|tt|u|ul|wbr"
)
_NO_ELEMENT = re.compile(rf"<(?!/?(?:{_NAMES})(?:\s[^<>]*)?/?>)", re.IGNORECASE)
_NO_REFERENCE = re.compile(r"&(?!(?:[a-z][a-z0-9]*|#\d+|#x[0-9a-f]+);)", re.IGNORECASE)
# A parser would drop everything behind such a tag where it is not closed, so their pairs are taken out before.
_UNSEEN = re.compile(
    r"<(script|style|title|template|noscript)\b[^<>]*>.*?</\1\s*>|<!--.*?-->", re.DOTALL | re.IGNORECASE
)
_UNSEEN_TAG = re.compile(r"</?(?:script|style|iframe|svg)(?:\s[^<>]*)?/?>", re.IGNORECASE)

LINE, PARAGRAPH = "\x1e", "\x1d"
_LINES = "div, tr, hr, dt, dd, li, section, article, header, footer, form, address, center, figure, nav, aside, main"
_PARAGRAPHS = "p, h1, h2, h3, h4, h5, h6, ul, ol, dl, table, blockquote, details"


class _Kept:
    """Pieces that no cleaning may touch, with a short mark in the text where each belongs."""

    def __init__(self, text: str) -> None:
        self.sign = next(chr(c) for c in range(0xE000, 0xF900) if chr(c) not in text)
        self.pieces: list[str] = []

    def keep(self, piece: str) -> str:
        self.pieces.append(self.restore(piece))
        return f"{self.sign}{len(self.pieces) - 1}{self.sign}"

    def restore(self, text: str) -> str:
        return re.sub(f"{self.sign}(\\d+){self.sign}", lambda m: self.pieces[int(m[1])], text)


def without_markup(text: str) -> str:
    """`text` without tags and character references. Code in backticks is left alone; a text without either is returned
    as it is, in particular with all its white space."""
    if "<" not in text and "&" not in text:
        return text
    kept = _Kept(text)
    open_text = CODE.sub(lambda m: kept.keep(m[0]), text)
    if TAG.search(open_text):
        return kept.restore(_rendered(open_text, kept.keep))
    return kept.restore(ENTITY.sub(lambda m: html.unescape(m[0]), open_text))


def _rendered(text: str, keep: Callable[[str], str]) -> str:
    from selectolax.lexbor import LexborHTMLParser

    seen = _UNSEEN_TAG.sub("", _UNSEEN.sub("", text))
    escaped = _NO_ELEMENT.sub("&lt;", _NO_REFERENCE.sub("&amp;", seen))
    body = LexborHTMLParser(escaped).body
    if body is None:
        return ""
    _keep_code(body, keep)
    _break_lines(body)
    return _tidy(body.text(separator=""))


def _keep_code(body: Any, keep: Callable[[str], str]) -> None:
    for node in body.css("pre"):
        code = node.text().strip("\n")
        node.replace_with(code if FENCE in code else "\n" + keep(f"{FENCE}\n{code}\n{FENCE}") + "\n")
    for node in body.css("code"):
        code = node.text()
        node.replace_with(keep(f"`{code}`") if code.strip() and not set("`\n") & set(code) else code)


def _break_lines(body: Any) -> None:
    """Mark where lines and paragraphs end; marks side by side are one break, as in a browser."""
    for node in body.css("br"):
        node.replace_with("\n")
    for node in body.css("td, th"):
        node.insert_after(" ")
    for selector, mark in ((_LINES, LINE), (_PARAGRAPHS, PARAGRAPH)):
        for node in body.css(selector):
            node.insert_before(mark)
            node.insert_after(mark)
    numbers: Counter[int] = Counter()
    for node in body.css("li"):
        numbers[node.parent.mem_id] += 1
        node.insert_before(f"{numbers[node.parent.mem_id]}. " if node.parent.tag == "ol" else "- ")


def _tidy(text: str) -> str:
    text = re.sub(rf"\s*{PARAGRAPH}[\s{PARAGRAPH}{LINE}]*", "\n\n", re.sub(rf"[ \t]*{LINE}[ \t{LINE}]*\n?", "\n", text))
    lines = [re.sub(r"[ \t\u00a0]+", " ", line).strip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
