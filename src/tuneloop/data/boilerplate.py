"""Sentences that stand under mails and tickets and say nothing of their matter: known by their wording, so that what
becomes of a row depends on the row alone."""

from __future__ import annotations

import re

_MAIL = r"(?:e-?mail|message|communication|transmission)"
# Each begins where a sentence begins. A customer who quotes one in the middle of a sentence is left alone.
_CONFIDENTIAL = (
    (
        rf"(?:this|the)\s+{_MAIL}(?:\s+(?:and|including)\s+any\s+\w+(?:\s+\w+){{0,4}})?\s+(?:is|are|may|contains?)\b"
        r"[^.!?]{0,80}?\b(?:confidential|privileged|intended\s+(?:solely|only))"
    ),
    rf"(?:this|the)\s+information\s+(?:contained|transmitted)\s+(?:in|with|by)\s+this\s+{_MAIL}",
    r"if\s+you\s+are\s+not\s+the\s+(?:intended|named)\s+(?:recipient|addressee)",
    rf"if\s+you\s+(?:have\s+)?received?\s+this\s+{_MAIL}\s+in\s+error",
    r"confidentiality\s+(?:notice|note)\s*:",
)
_AUTOMATED = (
    rf"this\s+is\s+an?\s+auto(?:mated|matic|matically\s+generated|-generated)\s+(?:{_MAIL}|reply|response|notification)",
    rf"(?:please\s+)?do\s+not\s+(?:reply|respond)\s+(?:directly\s+)?to\s+this\s+(?:automated\s+)?{_MAIL}",
    r"#{2,}-?\s*please\s+type\s+your\s+reply\s+above\s+this\s+line",
    r"-{2,}\s*(?:please\s+)?(?:type\s+your\s+)?reply\s+above\s+this\s+line",
    rf"you\s+(?:are\s+receiving|received|have\s+received)\s+this\s+{_MAIL}\s+because",
    r"(?:to\s+)?unsubscribe\s+(?:from\s+(?:this|these|our)\b|here\b|by\b)",
    r"to\s+unsubscribe,?\s+(?:please\s+)?(?:click|visit|reply|use|follow)",
    rf"please\s+consider\s+the\s+environment\s+before\s+printing\s+this\s+{_MAIL}",
    rf"this\s+{_MAIL}\s+has\s+been\s+(?:scanned|checked)\s+(?:for\s+viruses|by)\b",
    rf"(?:caution|warning|external\]?)\s*:?\s+this\s+{_MAIL}\s+(?:originated|came|comes)\s+from\s+outside",
    r"get\s+outlook\s+for\s+(?:ios|android)",
    r"ref:_\w+\.\w+:ref",
)
NOTICE_HINTS = "|".join(_CONFIDENTIAL)
HINTS = "|".join((*_CONFIDENTIAL, *_AUTOMATED))
"""In every ASCII text that has boilerplate, whatever its case."""

_START = r"(?:^|(?<=[.!?]\s))[ \t*_\[]*"
_SENTENCE = r"(?:[^.!?\n]|[.!?](?!\s|$))*[.!?]*[ \t]*"
_PARAGRAPH = r"(?:(?!\n[ \t]*\n)[\s\S])*"
_NOTICE = re.compile(f"{_START}(?:{'|'.join(_CONFIDENTIAL)}){_PARAGRAPH}", re.IGNORECASE | re.MULTILINE)
_FOOTER = re.compile(f"{_START}(?:{'|'.join(_AUTOMATED)}){_SENTENCE}", re.IGNORECASE | re.MULTILINE)


def without_notices(text: str) -> str:
    """Without paragraphs on confidentiality, from the sentence that begins them."""
    return _NOTICE.sub("", text)


def without_boilerplate(text: str) -> str:
    """Without notices, and without the sentences of ticket systems, mail programs and mailing lists."""
    return _FOOTER.sub("", without_notices(text))
