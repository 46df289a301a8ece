from __future__ import annotations

import json
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import make_tiny_model, make_tiny_tokenizer
from tuneloop import chat
from tuneloop.errors import ModelError
from tuneloop.evaluation.answer_cache import AnswerCache, CachedAnswer
from tuneloop.evaluation.generation import Generation, generate_answers
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.recipes import Model
from tuneloop.records import Message

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
PROMPTS = [[Message("user", f"Where is parcel {i}?" + " Please." * (i % 3))] for i in range(7)]
ANSWER = CachedAnswer("text", tokens=3, seconds=0.5, is_complete=True)


KILLED_IN_THE_THIRD_BATCH = """
import os, signal, sys
from pathlib import Path
from tests.tuneloop.evaluation.test_generation import WatchedModel, answered

class Dying(WatchedModel):
    def answers(self, prompts, **options):
        said = super().answers(prompts, **options)
        if len(self.asked) > 6:
            os.kill(os.getpid(), signal.SIGKILL)  # decoded, and not yet kept
        return said

answered(Dying(Path(sys.argv[1])), Path(sys.argv[2]))
"""
WRITES_FIFTY_TIMES = """
import sys
from pathlib import Path
from tuneloop.evaluation.answer_cache import AnswerCache, CachedAnswer

cache = AnswerCache(Path(sys.argv[1]), model_hash="h", settings={"max_new_tokens": 5})
for batch in range(50):
    long = CachedAnswer(f"{sys.argv[2]} {batch} " + "word " * 4000, 3, 0.5, True)
    cache.add([([batch, row], long) for row in range(2)])
"""


class Stopped(Exception):  # noqa: N818 (a kill, not an error)
    """Stands for a kill between two batches."""


class WatchedModel(LanguageModel):
    """Counts what it is asked, and remembers the prompts."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, threads=1)
        self.asked: list[list[int]] = []

    def answers(
        self, prompts: Sequence[Sequence[int]], *, max_new_tokens: int, stop: frozenset[int] | None = None
    ) -> list[list[int]]:
        self.asked += [list(prompt) for prompt in prompts]
        return super().answers(prompts, max_new_tokens=max_new_tokens, stop=stop)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


def answered(model: Path | LanguageModel, cache: Path, **changes: Any) -> Generation:
    settings: dict[str, Any] = {
        "model_hash": "h1",
        "prompts": PROMPTS,
        "system_prompt": "Be kind.",
        "max_new_tokens": 5,
        "batch_size": 3,
    }
    return generate_answers(model=model, cache=cache, **{**settings, **changes})


def test_the_model_is_asked_exactly_the_prompt_ids_of_training(folder: Path, tmp_path: Path) -> None:
    model = WatchedModel(folder)
    answered(model, tmp_path)
    expected = [chat.prompt_ids(model.tokenizer, prompt, "Be kind.") for prompt in PROMPTS]
    assert sorted(model.asked) == sorted(expected)
    assert [len(ids) for ids in model.asked] == sorted((len(ids) for ids in expected), reverse=True)


def test_answers_come_in_the_order_of_the_prompts_whatever_the_batch(folder: Path, tmp_path: Path) -> None:
    together = answered(folder, tmp_path / "a", batch_size=16)
    one_by_one = [answered(folder, tmp_path / "b", prompts=[p]).answers[0] for p in PROMPTS]
    backwards = answered(folder, tmp_path / "c", prompts=PROMPTS[::-1], batch_size=2)
    assert together.answers == one_by_one == backwards.answers[::-1]
    assert together.tokens_per_second > 0


def test_what_is_cached_needs_no_model(folder: Path, tmp_path: Path) -> None:
    first = answered(folder, tmp_path)
    no_weights = make_tiny_tokenizer(tmp_path / "tokenizer-only")
    again = answered(no_weights, tmp_path)
    assert again.answers == first.answers
    assert again.tokens_per_second == pytest.approx(first.tokens_per_second)
    for other in ({"model_hash": "h2"}, {"system_prompt": "Be brief."}, {"max_new_tokens": 6}):
        with pytest.raises(ModelError):
            answered(no_weights, tmp_path, **other)


def test_a_prompt_that_comes_twice_is_answered_once(folder: Path, tmp_path: Path) -> None:
    model = WatchedModel(folder)
    generation = answered(model, tmp_path, prompts=[PROMPTS[0], PROMPTS[1], PROMPTS[0]])
    assert len(model.asked) == 2
    assert generation.answers[0] == generation.answers[2]


def test_a_kill_loses_no_finished_batch(folder: Path, tmp_path: Path) -> None:
    def kill_after_the_second(done: int, _total: int) -> None:
        if done == 6:
            raise Stopped

    with pytest.raises(Stopped):
        answered(folder, tmp_path, on_batch=kill_after_the_second)
    model = WatchedModel(folder)
    told: list[tuple[int, int]] = []
    resumed = answered(model, tmp_path, on_batch=lambda done, total: told.append((done, total)))
    assert (len(model.asked), told) == (1, [(7, 7)])
    assert resumed.answers == answered(folder, tmp_path / "fresh").answers


def test_a_killed_process_loses_the_batch_it_was_at_and_no_other(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED_IN_THE_THIRD_BATCH, str(folder), str(tmp_path)]
    assert subprocess.run(command, capture_output=True, check=False, cwd=ROOT).returncode == -signal.SIGKILL
    model = WatchedModel(folder)
    resumed = answered(model, tmp_path)
    assert len(model.asked) == 1
    assert resumed.answers == answered(folder, tmp_path / "fresh").answers


def test_a_models_own_settings_for_sampling_have_no_part_in_greedy_answers(folder: Path, tmp_path: Path) -> None:
    from transformers import GenerationConfig

    own = Path(shutil.copytree(folder, tmp_path / "own"))
    GenerationConfig(repetition_penalty=50.0, no_repeat_ngram_size=1, min_new_tokens=9).save_pretrained(own)
    ids = [[5, 6, 5, 6, 5], [9, 9, 9]]
    plain = LanguageModel(folder, threads=1, fast=False).answers(ids, max_new_tokens=12)
    assert any(len(set(answer)) < len(answer) for answer in plain)  # a penalty would have changed these
    for fast in (None, False):
        assert LanguageModel(own, threads=1, fast=fast).answers(ids, max_new_tokens=12) == plain


@pytest.mark.parametrize("fast", [None, False], ids=["fast", "slow"])
def test_without_stops_every_answer_has_the_length_that_was_asked_for(folder: Path, fast: bool | None) -> None:  # noqa: FBT001
    model = LanguageModel(folder, threads=1, fast=fast)
    (free,) = model.answers([[5, 6, 7]], max_new_tokens=30, stop=frozenset(range(320)))
    assert len(free) == 1
    assert [len(a) for a in model.answers([[5, 6, 7], [8]], max_new_tokens=30, stop=frozenset())] == [30, 30]


def test_the_text_of_an_answer_is_without_what_ends_it(folder: Path) -> None:
    model = LanguageModel(folder)
    said = model.tokenizer("It is late.", add_special_tokens=False)["input_ids"]
    end = chat.end_of_turn_ids(model.tokenizer)
    assert model.text([*said, *end]) == model.text(said) == "It is late."
    assert set(end) & model.stop_ids


def test_answers_that_run_into_the_limit_are_counted(folder: Path, tmp_path: Path) -> None:
    class Talkative(WatchedModel):
        def answers(
            self, prompts: Sequence[Sequence[int]], *, max_new_tokens: int, stop: frozenset[int] | None = None
        ) -> list[list[int]]:
            return [[40] * max_new_tokens if i else [40, *self.stop_ids][:2] for i, _ in enumerate(prompts)]

    assert answered(Talkative(folder), tmp_path, batch_size=16).cut_off == 6


def test_no_prompts_have_no_answers(folder: Path, tmp_path: Path) -> None:
    assert answered(folder, tmp_path, prompts=[]).answers == []


def cache_of(folder: Path) -> AnswerCache:
    return AnswerCache(folder, model_hash="h", settings={"max_new_tokens": 5})


def test_the_cache_is_private_and_survives_a_torn_line(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    cache.add([([1, 2], ANSWER)])
    assert stat.S_IMODE(cache.path.stat().st_mode) == 0o600
    whole = cache.path.read_bytes()
    cache.path.write_bytes(whole + json.dumps({"prompt": "torn by a kill"}).encode()[:9])
    after = cache_of(tmp_path)
    assert after.get([1, 2]) == ANSWER
    after.add([([3], ANSWER)])
    assert cache_of(tmp_path).get([3]) == cache_of(tmp_path).get([1, 2]) == ANSWER


@pytest.mark.parametrize(
    "line",
    ["5", "null", "[]", "{}", '{"prompt": "p"}', '{"prompt": "p", "text": "t", "of": "a later version"}', "\x00\xff"],
)
def test_lines_that_hold_no_answer_are_passed_over(tmp_path: Path, line: str) -> None:
    cache = cache_of(tmp_path)
    cache.add([([1], ANSWER)])
    with cache.path.open("ab") as file:
        file.write(line.encode("latin-1") + b"\n")
    after = cache_of(tmp_path)
    after.add([([2], ANSWER)])
    assert cache_of(tmp_path).get([1]) == cache_of(tmp_path).get([2]) == ANSWER


def test_two_processes_that_write_at_once_do_each_other_no_harm(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITES_FIFTY_TIMES, str(tmp_path)]
    writers = [subprocess.Popen([*command, name]) for name in ("one", "two")]
    assert [writer.wait() for writer in writers] == [0, 0]
    cache = cache_of(tmp_path)
    found = [cache.get([batch, row]) for batch in range(50) for row in range(2)]
    assert all(answer is not None and answer.text.count("word") == 4000 for answer in found)
    lines = [line for line in cache.path.read_bytes().split(b"\n") if line]
    assert len([json.loads(line) for line in lines]) == 200


def test_models_and_settings_have_caches_of_their_own(tmp_path: Path) -> None:
    cache_of(tmp_path).add([([1], ANSWER)])
    assert AnswerCache(tmp_path, model_hash="other", settings={"max_new_tokens": 5}).get([1]) is None
    assert AnswerCache(tmp_path, model_hash="h", settings={"max_new_tokens": 6}).get([1]) is None


@pytest.mark.slow
def test_the_real_model_says_the_same_on_both_paths_in_float32(tmp_path: Path) -> None:
    import torch

    from tuneloop.training.base_models import BUNDLED, prepare_base

    real = prepare_base(Model(base=BUNDLED), tmp_path)
    fast, slow = (LanguageModel(real, threads=1, dtype=torch.float32, fast=fast) for fast in (None, False))
    ids = [chat.prompt_ids(fast.tokenizer, prompt, "") for prompt in PROMPTS[:3]]
    assert fast.answers(ids, max_new_tokens=12) == slow.answers(ids, max_new_tokens=12)
