"""How texts become words, for each metric as its source has it."""

from __future__ import annotations

import re
import string

_ROUGE = bytes(code if chr(code) in string.ascii_lowercase + string.digits else 32 for code in range(256))
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = frozenset({"a", "an", "the"})
_WORD = re.compile(r"\w+")
_WORD_OR_MARK = re.compile(r"\w+|[^\w\s]")


def rouge_words(text: str) -> list[bytes]:
    """Runs of a-z and 0-9 in the lowered text, as rouge-score splits it: every other character, accented letters
    too, separates words."""
    # Bytes and a table are ten times as fast as a regular expression. "?" stands for what is not ASCII, a separator.
    return text.lower().encode("ascii", "replace").translate(_ROUGE).split()


def squad_words(text: str) -> list[str]:
    """Lowered words without ASCII punctuation and English articles (Rajpurkar and others, 2016). Where nothing else is
    there they stay, or "!" would be as good an answer as "?"."""
    words = [word for word in text.lower().translate(_NO_PUNCTUATION).split() if word not in _ARTICLES]
    return words or text.split()


def plain_words(text: str) -> list[str]:
    """Runs of letters, digits and underscores in any script, case folded."""
    return _WORD.findall(text.casefold())


def words_and_marks(text: str) -> list[str]:
    """Lowered words, and every other character that is no white space by itself."""
    return _WORD_OR_MARK.findall(text.lower())
