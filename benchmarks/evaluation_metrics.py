"""Scores of 10,000 answers: ours against what the modules of `evaluate` do, which needs the hub to be loaded.

    python -m benchmarks.evaluation_metrics [--quick]

The rival calls the same libraries as those modules, in the same way: rouge-score with its default tokenizer, three
types and no aggregation (the module's default adds a bootstrap of 1,000 samples), sacrebleu row by row, and NLTK's
METEOR. METEOR is without synonyms and without the sentence splitter for both, because their data would have to be
downloaded; part of its ratio is NLTK's word splitter, for which we have a plain rule. Both read the same rows: two
messages of the support desk, and the same with words left out, replaced and moved.
Libraries are imported before the clock starts. The largest difference of any score is printed as well.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.harness import Row, compare, publish, report, take_turns

DATA = Path(__file__).parents[1] / "examples" / "support_desk" / "train.jsonl"
METRICS = ("rouge", "bleu", "chrf", "meteor")
FASTER = 3.0
TOLERANCE = 1e-9
WARM_UP = 50

Scores = dict[str, list[float]]
Score = Callable[[Sequence[str], Sequence[str]], Scores]


def main() -> None:
    """Compare, or (with --contestant) be one of the processes that are compared."""
    options = _options()
    if options.contestant:
        report(_measure(options.contestant, options.rows))
    else:
        _compare(*((1_000, 1) if options.quick else (options.rows, options.repeats)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 rows once instead of 10,000 rows three times")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--contestant", choices=("ours", "evaluate"), help=argparse.SUPPRESS)
    return parser.parse_args()


def _compare(rows: int, repeats: int) -> None:
    module = ["-m", "benchmarks.evaluation_metrics", "--rows", str(rows), "--contestant"]
    samples = take_turns({name: [*module, name] for name in ("ours", "evaluate")}, repeats)
    both, goal = (samples["ours"], samples["evaluate"]), f">= {FASTER:g} x"
    results = [
        compare(f"{metric}: rows per CPU-second", *both, metric, goal, lambda ratio: ratio >= FASTER)
        for metric in METRICS
    ]
    results.append(compare("peak memory, MiB", *both, "peak_rss_mib", "<= 1 x", lambda ratio: ratio <= 1))
    results += map(_difference, METRICS)
    publish("evaluation_metrics", "the libraries called as `evaluate`'s modules call them", results)


def _difference(metric: str) -> Row:
    """The largest difference between scores of ours and the library's, on 1,000 rows."""
    answers, expected = make_rows(1_000, seed=7)
    ours, theirs = CONTESTANTS["ours", metric]()(answers, expected), _same_words(metric)(answers, expected)
    worst = max(float(np.abs(np.array(ours[name]) - np.array(theirs[name])).max()) for name in theirs)
    return Row(f"{metric}: largest difference of a score", worst, 0.0, 0.0, f"<= {TOLERANCE:g}", worst <= TOLERANCE)


def _same_words(metric: str) -> Score:
    """The library; METEOR on our words, because how it splits texts differs on purpose (see docs/metrics.md)."""
    if metric != "meteor":
        return CONTESTANTS["evaluate", metric]()
    from tuneloop.evaluation.modules.scoring.words import words_and_marks

    return _their_meteor(words_and_marks)


def _measure(contestant: str, count: int) -> dict[str, float]:
    answers, expected = make_rows(count, seed=2026)
    sample = {}
    for metric in METRICS:
        score = CONTESTANTS[contestant, metric]()
        score(answers[:WARM_UP], expected[:WARM_UP])
        begin = time.process_time()
        score(answers, expected)
        sample[metric] = count / (time.process_time() - begin)
    return {**sample, "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def make_rows(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Answers and expected answers; an answer keeps about two thirds of the expected words."""
    chance = random.Random(seed)
    texts = list(_messages())
    words = [word for text in texts for word in text.split()]
    expected = [f"{chance.choice(texts)} {chance.choice(texts)}" for _ in range(count)]
    return [_changed(text, words, chance) for text in expected], expected


def _messages() -> Iterator[str]:
    for line in DATA.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):  # some rows are broken on purpose
            text = json.loads(line).get("prompt")
            if text and isinstance(text, str):
                yield text


def _changed(text: str, words: Sequence[str], chance: random.Random) -> str:
    kept = [chance.choice(words) if chance.random() < 0.2 else word for word in text.split() if chance.random() < 0.85]
    cut = chance.randrange(len(kept) + 1)
    return " ".join(kept[cut:] + kept[:cut] if chance.random() < 0.3 else kept)


def _our_rouge() -> Score:
    from tuneloop.evaluation.modules.scoring.ngrams import rouge_l, rouge_n

    return lambda answers, expected: {
        "rouge1": rouge_n(answers, expected, 1),
        "rouge2": rouge_n(answers, expected, 2),
        "rougeL": rouge_l(answers, expected),
    }


def _their_rouge() -> Score:
    from rouge_score.rouge_scorer import RougeScorer

    types = ("rouge1", "rouge2", "rougeL")

    def score(answers: Sequence[str], expected: Sequence[str]) -> Scores:
        scorer = RougeScorer(list(types), use_stemmer=False)
        rows = [scorer.score(wanted, answer) for answer, wanted in zip(answers, expected, strict=True)]
        return {name: [row[name].fmeasure for row in rows] for name in types}

    return score


def _our_bleu() -> Score:
    from tuneloop.evaluation.modules.scoring.ngrams import sentence_bleu

    return lambda answers, expected: {"bleu": sentence_bleu(answers, expected)}


def _their_bleu() -> Score:
    from sacrebleu import sentence_bleu

    return lambda answers, expected: {
        "bleu": [sentence_bleu(answer, [wanted]).score / 100 for answer, wanted in zip(answers, expected, strict=True)]
    }


def _our_chrf() -> Score:
    from tuneloop.evaluation.modules.scoring.ngrams import sentence_chrf

    return lambda answers, expected: {"chrf": sentence_chrf(answers, expected)}


def _their_chrf() -> Score:
    from sacrebleu import sentence_chrf

    return lambda answers, expected: {
        "chrf": [sentence_chrf(answer, [wanted]).score / 100 for answer, wanted in zip(answers, expected, strict=True)]
    }


def _our_meteor() -> Score:
    from tuneloop.evaluation.modules.scoring.ngrams import meteor_scores

    return lambda answers, expected: {"meteor": meteor_scores(answers, expected)}


def _their_meteor(split: Callable[[str], list[str]] | None = None) -> Score:
    from nltk import word_tokenize
    from nltk.translate.meteor_score import single_meteor_score

    words = split or partial(word_tokenize, preserve_line=True)
    return lambda answers, expected: {
        "meteor": [
            single_meteor_score(words(wanted), words(answer), wordnet=NoSynonyms())
            for answer, wanted in zip(answers, expected, strict=True)
        ]
    }


class NoSynonyms:
    """In place of WordNet."""

    def synsets(self, word: str) -> list[object]:  # noqa: ARG002 (NLTK's signature)
        return []


CONTESTANTS: dict[tuple[str, str], Callable[[], Score]] = {
    ("ours", "rouge"): _our_rouge,
    ("evaluate", "rouge"): _their_rouge,
    ("ours", "bleu"): _our_bleu,
    ("evaluate", "bleu"): _their_bleu,
    ("ours", "chrf"): _our_chrf,
    ("evaluate", "chrf"): _their_chrf,
    ("ours", "meteor"): _our_meteor,
    ("evaluate", "meteor"): _their_meteor,
}


if __name__ == "__main__":
    main()
