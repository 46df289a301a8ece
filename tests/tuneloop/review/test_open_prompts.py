from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.data.near_duplicates import find_clusters, normalise
from tuneloop.review.review_sets import prompt_hash
from tuneloop.review.sampling import open_positions

LONG = "my kettle arrived with a crack along the side and I only noticed when I had unpacked the whole parcel today"


def clusters(texts):
    return find_clusters([normalise(text) for text in texts], threshold=0.7)


def open_of(prompts, *, asked=(), avoided=()):
    found = open_positions(prompts, asked={prompt_hash(p) for p in asked}, avoided=avoided, clusters=clusters)
    return [prompts[position] for position in found]


def test_what_was_asked_is_not_asked_again_however_it_is_written():
    assert open_of(["a", "b"], asked=["  A "]) == ["b"]


def test_a_near_copy_of_an_earlier_prompt_is_not_asked_either():
    assert open_of([f"{LONG}!", f"Yesterday, {LONG}", "another thing"], avoided=[LONG]) == ["another thing"]


def test_of_near_copies_one_is_asked():
    copies = [LONG, f"{LONG} indeed", f"Well, {LONG}"]
    assert len(open_of([*copies, "another thing"])) == 2


def test_the_same_prompt_is_open_once():
    assert open_of(["A  thing", "a thing"]) in (["A  thing"], ["a thing"])


def test_prompts_of_other_scripts_and_signs_alone_are_told_apart():
    assert open_of(["???", "!!!", "каталог", ""]) == ["???", "!!!", "каталог", ""]


WORDS = st.lists(st.sampled_from(["lamp", "kettle", "rake", "late", "broken", "blue"]), min_size=1, max_size=9)
PROMPTS = st.lists(WORDS.map(" ".join), max_size=12)


@settings(max_examples=150, deadline=None)
@given(PROMPTS, PROMPTS, PROMPTS)
def test_nothing_that_is_avoided_or_asked_is_open_nor_a_near_copy_of_it(prompts, asked, avoided):
    found = open_of(prompts, asked=asked, avoided=avoided)
    assert not {prompt_hash(p) for p in found} & {prompt_hash(p) for p in (*asked, *avoided)}
    assert len({prompt_hash(p) for p in found}) == len(found)
    numbers = clusters([*avoided, *prompts])
    of_found = [numbers[len(avoided) + prompts.index(p)] for p in found]
    assert len(set(of_found)) == len(of_found)
    assert not set(of_found) & set(numbers[: len(avoided)])


@settings(max_examples=60, deadline=None)
@given(PROMPTS, st.randoms())
def test_the_order_of_prompts_does_not_matter(prompts, random):
    shuffled = random.sample(prompts, len(prompts))
    assert {prompt_hash(p) for p in open_of(prompts)} == {prompt_hash(p) for p in open_of(shuffled)}
