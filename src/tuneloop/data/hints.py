"""A first look at many texts at once, so that the exact patterns of `tuneloop.data.text_marks` read few of them.

One regular expression over a whole batch (RE2, through Arrow) takes under two microseconds for a text of 400
characters, the patterns one by one a hundred. It may ask for a second look in vain, but never miss: a text without a
hint has no mark at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RULE_WORDS = "(?:instruction|rule|guideline|prompt|direction|polic|safeguard|restriction)"
MARK_HINTS = "(?i)" + "|".join(
    (
        "[<&]",  # tags, character references, and most control tokens
        r"\[/?inst\]|\[(?:bos|eos|pad|unk|cls|sep|mask)\]",
        # mail
        r"(?m:^[ \t]*>)|wrote:|(?:original|forwarded) message|(?m:^-- ?$)|sent from my ",
        "(?m:^(?:from|sent|to|cc|date|subject):)|(?m:^[^a-z]*(?:re|fwd?|aw|wg):)",
        "confidential and |intended solely for|not the intended recipient",
        # orders to the model
        rf"(?:ignore|disregard|forget|override|bypass)[^.!?\n]*{_RULE_WORDS}",
        f"system prompt|(?:hidden|secret|initial|internal) {_RULE_WORDS}",
        "(?:system|admin|developer)[^a-z]*(?:override|mode enabled|message[^a-z]*:)",
        "from (?:now|here) on,? you|you are now|jailbreak|do anything now|developer mode|dan mode",
        "no (?:limit|rules|restrictions|filter)|without (?:any )?(?:limits|rules|restrictions)|unrestricted",
        "(?:reply|respond|answer) (?:only )?with (?:only |just )?the (?:word|phrase)",
        "(?:system|policy|instructions?)[^a-z]*:",
        # broken characters
        r"[\x{fffd}\x00-\x08\x0b\x0c\x0e-\x1f]|â€[\x80-\x{ffff}]|Ã[\x80-\xbf]",
        # hidden characters: blanks, joiners and directions that nobody sees, tags, rows of variation selectors
        r"[\x{61c}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}\x{2066}-\x{2069}\x{feff}\x{e0000}-\x{e007f}]",
        r"[\x{fe00}-\x{fe0f}\x{e0100}-\x{e01ef}]{2}",
        # What Python takes for i, s and k where case does not count, and RE2 does not.
        r"(?-i:[\x{130}\x{131}\x{17f}\x{212a}])",
    )
)
_HALF_PAIRS = re.compile("[\ud800-\udfff]")


def hinted(texts: Any, pattern: str = MARK_HINTS) -> NDArray[np.bool_]:
    """Which texts of an `as_arrow` array deserve a closer look: shape (texts,)."""
    import pyarrow.compute as pc

    found: NDArray[np.bool_] = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return found


def as_arrow(texts: Sequence[str]) -> Any:
    """The texts as an Arrow array; a half of a surrogate pair, which cannot be stored, becomes U+FFFD."""
    import pyarrow as pa

    try:
        return pa.array(texts, pa.large_string())
    except UnicodeEncodeError:
        return pa.array([_HALF_PAIRS.sub("\ufffd", t) for t in texts], pa.large_string())
