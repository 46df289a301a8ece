from __future__ import annotations

from collections.abc import Sequence

from tuneloop.data.rewriting import PARAPHRASES, paraphrase, translate_and_back

GERMAN = "Guten Tag, ich habe vor zwei Wochen einen Wasserkocher bestellt und bis heute nichts gehört."
ENGLISH = "Good morning, I ordered a kettle two weeks ago and I have not heard anything about it since."


class Listener:
    """A rewriter that remembers what it was told, and marks each text with how often it was rewritten."""

    def __init__(self) -> None:
        self.told: list[tuple[str, list[str]]] = []

    def rewrite(self, texts: Sequence[str], instruction: str) -> list[str]:
        self.told.append((instruction, list(texts)))
        return [f"{text}*" if text else "" for text in texts]


def test_each_turn_of_a_paraphrase_asks_for_another_manner() -> None:
    listener = Listener()
    made = [paraphrase(["hello"], listener, turn) for turn in range(len(PARAPHRASES) + 1)]

    assert made == [["hello*"]] * (len(PARAPHRASES) + 1)
    assert len({instruction for instruction, _ in listener.told}) == len(PARAPHRASES)


def test_a_translation_goes_to_another_language_and_comes_back_to_its_own() -> None:
    listener = Listener()
    made = translate_and_back([GERMAN, ENGLISH, "short"], listener, 0)
    told = [(instruction.split("into ")[1].split(".")[0], texts) for instruction, texts in listener.told]

    assert made == [f"{GERMAN}**", f"{ENGLISH}**", "short**"]
    assert told == [
        ("French", [GERMAN]),
        ("German", [f"{GERMAN}*"]),
        ("German", [ENGLISH, "short"]),
        ("English", [f"{ENGLISH}*", "short*"]),
    ]


def test_another_turn_goes_by_way_of_another_language() -> None:
    listener = Listener()
    translate_and_back([ENGLISH], listener, 1)

    assert "into French" in listener.told[0][0]
