from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tuneloop.data.hints import as_arrow
from tuneloop.data.words import ENGLISH_WORDS, FREQUENT_WORDS, count_words

words = st.sampled_from(["the", "You", "lampa", "is", "ÅR", "x"])


@given(st.lists(st.lists(words, max_size=8), min_size=1, max_size=5))
def test_the_words_of_a_batch_are_counted_as_one_would_by_hand(texts: list[list[str]]) -> None:
    counts = count_words(as_arrow([" ".join(t) for t in texts]))

    for i, text in enumerate(texts):
        lower = [w.lower() if w.isascii() else w for w in text]
        blank = 1 if not text else 0  # an empty text is one empty word to Arrow
        assert counts.words[i] == len(lower) + blank
        assert counts.distinct[i] == len(set(lower)) + blank
        assert counts.frequent[i] == sum(w in FREQUENT_WORDS for w in lower)
        assert counts.distinct_english[i] == len(ENGLISH_WORDS & set(lower))


def test_no_texts_have_no_counts() -> None:
    assert len(count_words(as_arrow([])).words) == 0
