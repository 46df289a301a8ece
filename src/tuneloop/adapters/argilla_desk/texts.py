"""Foreign text as Argilla's page may show it: readable, sign for sign, and without power.

Argilla 2.8 puts what a text or chat field holds into the page as HTML, with `use_markdown` off as well, and anything
that looks like an element into a frame that may run scripts with the reader's login. Its Markdown passes through a
sanitiser that lets `object`, `embed` and images load whatever they name, and reads prices as formulas. So no sign that
could begin an element, an entity, an image or a formula reaches the page in that role: an invisible sign (U+2060, word
joiner) stands behind it. A dollar would also mean something to JavaScript's `replace`, by which the page fills the
template of a custom field.
"""

from __future__ import annotations

import re

JOINER = "\u2060"
_BEFORE_BRACKET = rf"(?={JOINER}*\[)"
_ACTIVE = re.compile(rf"[<&$]|!{_BEFORE_BRACKET}")
_DEFUSED = re.compile(rf"([<&$]){JOINER}|(!){JOINER}{_BEFORE_BRACKET}")


def defused(text: str) -> str:
    """The text for Argilla's page. `restored` gives back exactly what went in, but for signs no database takes."""
    return _ACTIVE.sub(rf"\g<0>{JOINER}", storable(text))


def restored(text: str) -> str:
    """A text of Argilla's as it was before `defused`; people who copy from the page bring the invisible sign along."""
    return _DEFUSED.sub(r"\1\2", text)


def storable(text: str) -> str:
    """Half surrogates cannot be sent and PostgreSQL refuses the zero character; a model can write both."""
    return text.encode(errors="replace").decode().replace("\x00", "\ufffd")
