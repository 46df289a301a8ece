"""What does not belong into a training text: markup, quoted mail, control tokens, orders to the model, other
languages."""

from __future__ import annotations

import html
import re
from functools import cache
from itertools import islice
from typing import Any

from tuneloop.data.hidden_characters import without_hidden

UNKNOWN_LANGUAGE = "und"
MIN_LANGUAGE_LETTERS = 20
MIN_LANGUAGE_CONFIDENCE = 0.9

# Patterns that are never changed without a look at `tuneloop.data.hints`, which must not miss what they find.
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
TAG = re.compile(
    r"</?(?:html|head|body|style|script|meta|link|div|span|p|br|hr|b|i|u|em|strong|a|img|font|center|table|tbody|thead|tr"
    r"|td|th|ul|ol|li|h[1-6]|pre|code|blockquote|form|input|button|iframe|svg|o:p)(?:\s+[\w:-]+\s*=[^<>]*)?\s*/?>|<!--",
    re.IGNORECASE,
)
ENTITY = re.compile(r"&(?:nbsp|amp|quot|lt|gt|apos|ndash|mdash|hellip|[lr][sd]quo|#\d{2,5}|#x[0-9a-f]{2,5});")

_HEADER = r"(?:from|sent|to|cc|date|subject):"
_MAIL = (
    re.compile(r"^[ \t]*(?:>[ \t]*)+\S", re.MULTILINE),
    re.compile(r"^.{0,20}\bOn .{4,80}\bwrote:\s*$", re.MULTILINE),
    re.compile(r"^-{2,}\s*(?:original message|forwarded message)\s*-{2,}\s*$", re.MULTILINE | re.IGNORECASE),
    re.compile(r"^-- ?$", re.MULTILINE),
    re.compile(rf"^{_HEADER}\s\S.*\n(?:.*\n)?{_HEADER}\s", re.MULTILINE | re.IGNORECASE),
    re.compile(r"^\s*(?:(?:re|fwd?|aw|wg):\s*){1,}\S", re.IGNORECASE),
    re.compile(r"\bsent from my (?:i?phone|ipad|mobile|tablet|android|samsung|blackberry)", re.IGNORECASE),
    re.compile(r"\bconfidential and (?:is )?intended|intended solely for|not the intended recipient", re.IGNORECASE),
)

_SPECIAL = re.compile(
    r"<\|[\w ./-]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?s>(?!\w)|<(?:bos|eos|pad|unk)>|<(?:start|end)_of_turn>"
    r"|<\uff5c[^\uff5c\n]{1,40}\uff5c>|\[(?:BOS|EOS|PAD|UNK|CLS|SEP|MASK)\]"
)

_BROKEN = re.compile("[\ufffd\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]|â€[\x80-\uffff]|Ã[\x80-\xbf]")

_RULES = r"(?:instructions?|rules?|guidelines?|prompts?|directions?|polic(?:y|ies)|safeguards?|restrictions?)"
_INJECTION = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        (
            r"\b(?:ignore|disregard|forget|override|bypass)\b[^.!?\n]{0,40}"
            rf"\b(?:previous|prior|above|earlier|all|any|your|the|these|those)\b[^.!?\n]{{0,25}}\b{_RULES}\b"
        ),
        (
            r"\b(?:print|show|reveal|repeat|output|tell me|give me|list|leak|display)\b[^.!?\n]{0,50}"
            rf"\b(?:system prompt|(?:hidden|secret|initial|internal) {_RULES})"
        ),
        r"\b(?:system|admin|developer)\s*(?:override|mode enabled|message\s*:)",
        r"\bfrom (?:now|here) on,? you(?:'re| are| will be| act)\b",
        r"\byou are now\b(?=[^.!?\n]{0,60}\b(?:bot|ai|model|assistant|dan|unrestricted)\b)",
        (
            r"\b(?:pretend|act|roleplay|behave)\b[^.!?\n]{0,60}"
            r"\b(?:no (?:limits?|rules|restrictions|filters?)|without (?:any )?(?:limits|rules|restrictions)"
            r"|unrestricted)\b"
        ),
        r"\b(?:jailbreak|do anything now|developer mode|DAN mode)\b",
        r"\b(?:reply|respond|answer) (?:only )?with (?:only |just )?the (?:word|phrase)\b",
        r"^\s*(?:system|new (?:system )?(?:policy|instructions?))\s*:",
    )
)


def count_html(text: str) -> int:
    """Tags and character references, those that were escaped once more included; code in backticks is left alone."""
    text = CODE.sub("", text)
    once = html.unescape(text)
    escaped_tags = len(TAG.findall(once)) - len(TAG.findall(text)) if once != text else 0
    return len(TAG.findall(text)) + len(ENTITY.findall(text)) + max(escaped_tags, 0)


def count_mail_marks(text: str) -> int:
    """Quoted lines, reply and forward headers, signature marks, disclaimers. One quoted line alone is not counted."""
    counts = [len(p.findall(text)) for p in _MAIL]
    quoted = counts[0] if counts[0] > 1 else 0
    return quoted + sum(counts[1:])


def count_special_tokens(text: str) -> int:
    """Control tokens of chat templates, written out."""
    return len(_SPECIAL.findall(text))


def count_injections(text: str) -> int:
    """Phrases that give orders to the model instead of asking something of the team, also where nobody sees them."""
    read = without_hidden(text)
    return sum(bool(p.search(read)) for p in _INJECTION)


def has_broken_characters(text: str) -> bool:
    """Replacement and control characters, halves of surrogate pairs, and UTF-8 that was once read as Latin-1 (`â€™`,
    `Ã¤`)."""
    return bool(_BROKEN.search(text))


def detect_language(text: str) -> str:
    """ISO 639-1 code, or `und` where the text is too short or the answer too uncertain to hold a row back for it."""
    if not has_enough_letters(text):
        return UNKNOWN_LANGUAGE
    language, confidence = _identifier().classify(text)
    return str(language) if confidence >= MIN_LANGUAGE_CONFIDENCE else UNKNOWN_LANGUAGE


def has_enough_letters(text: str) -> bool:
    """Whether a language can be told at all; reads no more letters than it needs."""
    return next(islice(filter(str.isalpha, text), MIN_LANGUAGE_LETTERS - 1, None), None) is not None


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
