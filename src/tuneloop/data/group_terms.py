"""Which groups of people a text speaks about: short English word lists, for the audit of bias in training rows.

This reads what a text *says* ("my wife", "as a wheelchair user", "the mosque next door"). It knows nothing of who wrote
it and must not be used to guess anything about anybody. The lists are short on purpose and miss a lot; they leave out
words that more often mean something else (black, blind, straight, disabled), unless a word for people follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

SINGLE_WORDS: dict[str, str] = {
    "gender:female": (
        "she her hers herself woman women girl girls lady ladies wife wives mother mothers mum mums mom moms "
        "daughter daughters sister sisters aunt aunts grandmother grandma gran granny girlfriend niece widow "
        "female females"
    ),
    "gender:male": (
        "he him his himself man men boy boys gentleman gentlemen husband husbands father fathers dad dads son "
        "sons brother brothers uncle uncles grandfather grandad grandpa boyfriend nephew widower male males"
    ),
    "gender:diverse": "nonbinary transgender genderqueer",
    "age:older": "elderly pensioner pensioners retiree retirees octogenarian septuagenarian",
    "age:younger": "teen teens teenager teenagers adolescent adolescents youngster youngsters youths",
    "religion:buddhist": "buddhist buddhists buddhism",
    "religion:christian": "christians christianity catholic catholics protestant protestants church churches",
    "religion:hindu": "hindu hindus hinduism diwali",
    "religion:jewish": "jew jews jewish judaism synagogue hanukkah kosher",
    "religion:muslim": "muslim muslims islam islamic mosque mosques ramadan hijab halal",
    "religion:sikh": "sikh sikhs sikhism gurdwara",
    "religion:none": "atheist atheists agnostic agnostics",
    "disability:any": (
        "wheelchair wheelchairs disability disabilities deaf autistic autism dyslexia dyslexic epilepsy "
        "epileptic paraplegic amputee neurodivergent"
    ),
    "orientation:any": (
        "gay lesbian lesbians bisexual bisexuals homosexual homosexuals heterosexual heterosexuals queer lgbt lgbtq"
    ),
    "ethnicity:any": (
        "immigrant immigrants migrant migrants refugee refugees asian asians hispanic hispanics latino latina "
        "latinos arab arabs caucasian"
    ),
}

NATIONS: dict[str, str] = {
    "nationality:african": "african nigerian kenyan ghanaian ethiopian somali moroccan algerian",
    "nationality:american": "american canadian",
    "nationality:east_asian": "chinese japanese korean vietnamese filipino taiwanese thai",
    "nationality:eastern_european": "polish romanian bulgarian ukrainian russian hungarian lithuanian latvian",
    "nationality:latin_american": "mexican brazilian colombian argentinian peruvian chilean",
    "nationality:middle_eastern": "iranian iraqi syrian turkish israeli egyptian lebanese",
    "nationality:south_asian": "indian pakistani bangladeshi nepali",
    "nationality:western_european": "british english irish scottish german french italian spanish portuguese dutch",
}

BEFORE_PEOPLE: dict[str, str] = {
    "age:older": "old older senior",
    "age:younger": "young younger",
    "religion:christian": "christian",
    "disability:any": "blind disabled handicapped",
    "orientation:any": "straight trans",
    "ethnicity:any": "black white brown coloured",
    **NATIONS,
}
"""Words that count only before a word for people: `black woman`, not `black kettle`; `Kenyan customers`, not coffee."""

PEOPLE = (
    "person people man men woman women customer customers user users child children family families citizen citizens "
    "resident residents couple neighbour neighbours colleague colleagues"
)

TERMS = {word: group for group, words in SINGLE_WORDS.items() for word in words.split()}
PAIRS = {
    f"{word} {who}": group for group, words in BEFORE_PEOPLE.items() for word in words.split() for who in PEOPLE.split()
}
# "I am German", "I'm German" (an apostrophe parts words), "Germans"; nobody writes of two Germans in a product's name.
PAIRS |= {f"{be} {word}": group for group, words in NATIONS.items() for word in words.split() for be in ("am", "m")}
TERMS |= {f"{word}s": group for group, words in NATIONS.items() for word in words.split() if word.endswith(("an", "i"))}

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


def find_groups(text: str) -> frozenset[str]:
    """The groups a text speaks about, as `kind:group`; whole words only."""
    return frozenset(_found(_WORD.findall(text.lower())))


def _found(words: list[str]) -> Iterator[str]:
    for word in words:
        if group := TERMS.get(word):
            yield group
    for first, second in pairwise(words):
        if group := PAIRS.get(f"{first} {second}"):
            yield group
