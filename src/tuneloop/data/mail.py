"""What mail leaves around a message: headers, the mails that are answered, signatures, disclaimers.

What is left must still say something: a part is only taken away if words remain without it. What stays for that reason
is found by the check for quoted mail.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tuneloop.data.boilerplate import NOTICE_HINTS, without_notices

MAX_SIGNATURE_LINES = 12
_DEVICE = r"(?:i?phone|ipad|mobile|tablet|android|samsung|blackberry|galaxy|pixel)"
_HEADER = r"(?:from|sent|to|cc|bcc|date|subject|reply-to):"

_PREFIX = re.compile(r"\A\s*(?:(?:re|fwd?|aw|wg):\s*)+(?=\S)", re.IGNORECASE)
_HEADERS = re.compile(rf"\A\s*(?:{_HEADER}[^\n]*\n){{2,}}", re.IGNORECASE)
_SUBJECT = re.compile(r"^subject:[ \t]*(\S[^\n]*)$", re.IGNORECASE | re.MULTILINE)
_WROTE = re.compile(
    r"^[ \t]*(?:[^\n]{0,20}\bOn [^\n]{4,120}(?:\n[^\n]{1,80})?\bwrote|Am [^\n]{4,120} schrieb[^\n]{0,80}"
    r"|Le [^\n]{4,120} a écrit|(?:Den|På) [^\n]{4,120} skrev[^\n]{0,80}|El [^\n]{4,120} escribió) ?:[ \t]*$",
    re.MULTILINE,
)
_QUOTE = re.compile(r"(?:\n|\A)(?:[ \t]*\n)*(?:[ \t]*>[^\n]*(?:\n|\Z)(?:[ \t]*\n)*)+")
_QUOTED_LINES = re.compile(r"^[ \t]*>[^\n]*(?:\n|\Z)", re.MULTILINE)
_BORDER = re.compile(
    rf"^-{{2,}}[ \t]*(?:original message|forwarded message)[ \t]*-{{2,}}[ \t]*$"
    rf"|^{_HEADER}[ \t]\S[^\n]*\n(?:[^\n]*\n)?{_HEADER}[ \t]",
    re.MULTILINE | re.IGNORECASE,
)
_DASHES = re.compile(r"^-- ?$", re.MULTILINE)
_SENT_FROM = re.compile(
    rf"(?:^|(?<=[.!?,])[ \t]+)[ \t]*Sent from my {_DEVICE}[^\n]{{0,40}}$", re.IGNORECASE | re.MULTILINE
)

HINTS = (
    r"(?m:^[ \t]*>)|wrote|schrieb|skrev|(?:original|forwarded) message|(?m:^-- ?$)|sent from my "
    rf"|(?m:^\s*{_HEADER})|(?m:^\s*(?:re|fwd?|aw|wg):)|{NOTICE_HINTS}"
)
"""In every ASCII text that `without_mail` changes, whatever its case."""


def without_mail(text: str, *, is_question: bool) -> str:
    """The message alone. In an answer, quoted and header-like lines stay: there they are Markdown and lists."""
    of_questions = (_without_prefix, _without_headers) if is_question else ()
    after = (_without_quotes,) if is_question else ()
    for edit in (*of_questions, _without_history, *after, _without_signature, _without_device, without_notices):
        text = _if_words_remain(text, edit)
    return text


def _if_words_remain(text: str, edit: Callable[[str], str]) -> str:
    edited = edit(text)
    if edited == text:
        return text
    edited = re.sub(r"\n{3,}", "\n\n", edited).strip()
    return edited if has_words(edited) else text


def has_words(text: str) -> bool:
    """Or numbers."""
    return any(map(str.isalnum, text))


def _without_prefix(text: str) -> str:
    return _PREFIX.sub("", text)


def _without_headers(text: str) -> str:
    """A mail's own headers; what its subject says stays."""
    headers = _HEADERS.match(text)
    if not headers:
        return text
    subject = _SUBJECT.search(headers[0])
    body = text[headers.end() :]
    return f"{_without_prefix(subject[1])}\n\n{body.lstrip()}" if subject else body


def _without_history(text: str) -> str:
    """Without the mails below. Where a reply is written between quoted lines, only these go; where nothing is written
    above a forwarded mail, that mail is the message."""
    wrote = _WROTE.search(text)
    if wrote:
        quote = _QUOTE.match(text, wrote.end())
        return text[: wrote.start()] + ("\n" + text[quote.end() :] if quote else "")
    border = _BORDER.search(text)
    if not border:
        return text
    above = text[: border.start()]
    return above if has_words(above) else _without_headers(text[border.end() :].lstrip())


def _without_quotes(text: str) -> str:
    """One quoted line alone is a manner of writing."""
    return _QUOTED_LINES.sub("", text) if len(_QUOTED_LINES.findall(text)) > 1 else text


def _without_signature(text: str) -> str:
    dashes = _DASHES.search(text)
    if not dashes or text.count("\n", dashes.end()) > MAX_SIGNATURE_LINES:
        return text
    return text[: dashes.start()]


def _without_device(text: str) -> str:
    return _SENT_FROM.sub("", text)
