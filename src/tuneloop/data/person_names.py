"""Names of people in a text: candidates by their form, then a verdict on each (see name_verdicts.py).

A first name alone is fine (nobody is found by it); two or more names in a row are a finding, and so is a surname with
a title. A form of words that only comes with a name (a title, "my name is", a labelled field, the line under "Kind
regards") makes it certain, also where nothing is written with a capital.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tuneloop.data.hints import as_arrow, hinted
from tuneloop.data.name_verdicts import are_people, is_first_name, is_ordinary, trim

Span = tuple[int, int, str]
Range = tuple[int, int]

MIN_CAPITALS = 3
"""Shorter words in capitals are abbreviations."""

_LATIN = range(0xC0, 0x250), range(0x1E00, 0x1F00)
_UPPER = "A-Z" + "".join(chr(c) for block in _LATIN for c in block if chr(c).isupper())
_LOWER = "a-z" + "".join(chr(c) for block in _LATIN for c in block if chr(c).islower())

# \u2019 is the typographer's apostrophe; \u00a0 the space that keeps a name on one line.
_APOSTROPHE = r"['\u2019]"
_PART = (
    rf"(?:(?:Mc|Mac|[ODdL]{_APOSTROPHE})?[{_UPPER}][{_LOWER}]+(?:[-\u2010][{_UPPER}][{_LOWER}]+)*"
    rf"(?:{_APOSTROPHE}(?!s\b)[{_LOWER}]+)?)"
)
_PARTICLE = r"(?:van|von|de|da|di|dos|das|del|della|der|den|do|du|bin|ibn|al|el|la|le|af|ter|ten|zu|y|e)"
_GAP = r"[ \t\u00a0]"
_WORD = rf"[{_UPPER}{_LOWER}]{{2,}}(?:[-'\u2019][{_UPPER}{_LOWER}]{{2,}})*"

# A capitalised word that opens a sentence or a letter is no part of the name behind it.
_OPENER = (
    r"(?!(?:Wants?|Asks?|Says?|Reports?|Praises?|Thanks?|Thank|Dear|Hi|Hello|Hey|Tell|Ask|Call|Check|Is|Are|Was|Were|Does|Did|"
    r"Do|Can|Could|Will|Would|Should|Has|Have|Had|An?|I|It|We|You|He|She|They|The|This|That|These|Those|My|Our|Your|His|Her|"
    r"Their|And|But|So|If|In|On|At|For|From|To|With|By|Of|As|Or|Not|No|Yes|Please|When|Where|What|Why|How|Who|Which|While|"
    r"After|Before|Since|Because|Order|Invoice|Account|Customer|Contact|Regards|Sincerely|Cheers|Best|Kind|Mr|Mrs|Ms|Miss|"
    r"Mx|Dr|Prof|Sir|Madam|Frau|Herr|Se[ñn]ora?|Mme|Madame|Monsieur)\b)"
)
_NAME = re.compile(
    rf"\b{_OPENER}(?:{_PART}|[{_UPPER}]\.)(?:{_GAP}(?:[{_UPPER}]\.?{_GAP}){{0,2}}(?:{_PARTICLE}{_GAP}){{0,2}}{_PART}){{1,3}}"
)
# A whole run of words in capitals; one of four and more is somebody shouting.
_CAPITALS = re.compile(rf"\b[{_UPPER}]{{2,}}(?:{_GAP}+(?:[{_UPPER}]+\b|[{_UPPER}]\.))+(?!{_APOSTROPHE}[^S])")
# Hints are for RE2, over many texts at once; the exact patterns read what has one.
_SPACE = r"[ \t\x{a0}]"
_NAME_HINT = rf"[{_UPPER}][{_UPPER}{_LOWER}.'\x{{2019}}-]*{_SPACE}(?:[{_LOWER}]{{1,5}}{_SPACE}){{0,2}}[{_UPPER}]"

_TITLE = r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof(?:essor)?|Frau|Herr|Se[ñn]ora?|Mme|Madame|Monsieur|Sir|Lady)"
_TITLED = re.compile(
    rf"\b{_TITLE}\.?{_GAP}(?P<name>(?:[{_UPPER}]\.?{_GAP})*(?:{_PARTICLE}{_GAP}){{0,2}}{_PART}(?:{_GAP}{_PART}){{0,2}})"
)
_FULL = rf"{_WORD}(?:{_GAP}[A-Za-z]\.)?(?:{_GAP}{_WORD}){{1,3}}"
_INTRODUCED = re.compile(
    rf"\b(?:my (?:full )?name(?:{_APOSTROPHE}s| is)"
    rf"|(?:account|order|policy|card) ?(?:holder|name) is|(?:i am|i{_APOSTROPHE}m|this is)(?= ))"
    rf"{_GAP}(?P<name>{_FULL})",
    re.IGNORECASE,
)
_LABELLED = re.compile(
    rf"\b(?:(?:full|customer|client|patient|contact|account|holder|cardholder|employee|passenger|guest)[ _]?name"
    rf"|cardholder|customer|patient|contact(?: person)?|recipient|passenger|attn|signed(?: by)?|from|author|cc"
    rf"|(?<![a-z][ _-])(?P<bare>name)){_GAP}{{0,2}}[:=]{_GAP}{{0,2}}(?P<name>{_WORD}(?:,?{_GAP}{_WORD}){{1,3}})",
    re.IGNORECASE,
)
_SIGNED = re.compile(
    rf"\b(?:regards|sincerely|cheers|thanks|thank you|many thanks|best(?: wishes)?"
    r"|yours(?: truly| faithfully)?|sent by)[,.!]?"
    rf"(?:[ \t]*\n{{1,2}}[ \t]*|[ \t]+(?=[{_UPPER}]))[-\u2013\u2014]?[ \t]*(?P<name>{_FULL})[ \t]*(?=$|[\n,.])",
    re.IGNORECASE | re.MULTILINE,
)
_CUE_HINT = r"(?i)name|holder|i am|i['\x{2019}]m|this is|[:=]|regards|sincerely|cheers|thank|best|yours|sent by"

# What follows "my name is" or "I'm" now and then and is nobody: words that no name begins or ends with.
_NOT_NAMES_TEXT = (
    "a about again all also always an and any are as asking at available back because been being but by calling can "
    "correct current currently due even first for from getting going gone happy having here i if in incorrect is it "
    "just last listed locked looking mentioned misspelled missing my new no not now of on or only our out please ready "
    "registered so sorry still sure that the there this to too trying unable under unhappy using very waiting was we "
    "what when where which who why will with wrong you your"
)
_NOT_NAMES = frozenset(_NOT_NAMES_TEXT.split())


def name_spans(texts: Sequence[str]) -> list[list[Span]]:
    """For every text (start, end, "person") of each full name in it, in order, none overlapping.

    What is found in a text does not depend on the other texts.
    """
    arrow = as_arrow(texts)
    capitals = hinted(arrow, _NAME_HINT)
    cues = (hinted(arrow, _CUE_HINT) | capitals).tolist()
    certain = [list(_by_form(text)) if cue else [] for text, cue in zip(texts, cues, strict=True)]
    candidates = [list(_candidates(t)) if hint else [] for t, hint in zip(texts, capitals.tolist(), strict=True)]
    verdicts = are_people({text[a:b] for text, row in zip(texts, candidates, strict=True) for a, b in row})
    return [
        _apart([*sure, *((a, b) for a, b in row if verdicts[text[a:b]])])
        for text, sure, row in zip(texts, certain, candidates, strict=True)
    ]


def spans_by_form(text: str) -> list[Span]:
    """The names that need no model: those with a title, an introduction, a label or a closing formula."""
    return _apart(list(_by_form(text)))


def _apart(ranges: list[Range]) -> list[Span]:
    """Earlier ones win, which are the more certain ones."""
    kept: list[Range] = []
    for start, end in ranges:
        if all(end <= a or start >= b for a, b in kept):
            kept.append((start, end))
    return [(start, end, "person") for start, end in sorted(kept)]


def _candidates(text: str) -> Iterator[Range]:
    for match in _NAME.finditer(text):
        start, end = trim(match[0])
        yield match.start() + start, match.start() + end
    for match in _CAPITALS.finditer(text):
        words = [word for word in match[0].split() if len(word.strip(".")) > 1]
        is_plausible = is_first_name(words[0]) or not is_ordinary(words[0])
        if len(words) in (2, 3) and min(map(len, words)) >= MIN_CAPITALS and is_plausible:
            yield match.span()


def _by_form(text: str) -> Iterator[Range]:
    for match in _TITLED.finditer(text):
        yield match.span("name")
    for pattern in (_INTRODUCED, _LABELLED, _SIGNED):
        for match in pattern.finditer(text):
            # Products have a "name:" too.
            if not match.groupdict().get("bare") or is_first_name(re.split(r"[\s,]", match["name"])[0]):
                yield from _words_of_name(text, *match.span("name"), is_sure=pattern is _LABELLED or "name" in match[0])


def _words_of_name(text: str, start: int, end: int, *, is_sure: bool) -> Iterator[Range]:
    """The first words of text[start:end] that can be a name, if they are two at least."""
    words: list[Range] = []
    for match in re.finditer(r"[^\s,]+", text[start:end]):
        word = match[0].rstrip(".")
        is_nobody = word.lower() in _NOT_NAMES and not word.istitle()
        if is_nobody or (words and _is_doubtful(word, words, text[start:end])):
            break
        words.append((start + match.start(), start + match.start() + len(word)))
    if len(words) > 1 and _is_believed([text[a:b] for a, b in words], is_sure=is_sure):
        yield words[0][0], words[-1][1]


def _is_doubtful(word: str, words: Sequence[Range], text: str) -> bool:
    """A small word after a name in capitals, or the third small word and later: the sentence goes on."""
    capitals = text[:1].isupper()
    return word.islower() and (capitals or len(words) > 1) and not re.fullmatch(_PARTICLE, word)


def _is_believed(words: Sequence[str], *, is_sure: bool) -> bool:
    """Not all words may be ordinary ones. Small letters are believed with a first name in front, or a word that no
    dictionary has; after less than "my name is" the last word may not be ordinary either."""
    first, last = words[0], words[-1]
    if all(word[0].isupper() for word in words):
        return is_first_name(first) or not all(map(is_ordinary, words))
    return (is_first_name(first) or not is_ordinary(first)) and (is_sure or not is_ordinary(last))
