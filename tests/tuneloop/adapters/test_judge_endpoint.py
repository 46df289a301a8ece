from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.tuneloop.evaluation.judge.chat_server import Answer, always_first, chat_server, prefers_longer
from tests.tuneloop.evaluation.judge.fakes import pair
from tuneloop.adapters.judge_endpoint import TRIES, JudgeEndpoint, key_in
from tuneloop.errors import RecipeError, ServiceError
from tuneloop.evaluation.judge.judging import judge_pairs

KEY = "sk-very-secret"
PAIRS = [pair(1), pair(2, "no", "a long reference"), pair(3, "same", "size"), pair(4)]


def patient(url: str, pauses: list[float] | None = None, *, key: str | None = None) -> JudgeEndpoint:
    """A judge that waits without waiting, and notes how long it would have."""
    return JudgeEndpoint(
        url, "judge-1", api_key=SecretStr(key) if key else None, pause=[].append if pauses is None else pauses.append
    )


def first_then(first: list[Answer], judge: Callable[[str], Answer]) -> Callable[[str], Answer]:
    """What is in `first`, one by one; then what the judge says."""
    return lambda question: first.pop(0) if first else judge(question)


def test_pairs_are_judged_by_the_server(tmp_path: Path) -> None:
    with chat_server(prefers_longer) as server:
        found = judge_pairs(patient(server.url), PAIRS, criteria="Longer?", cache=tmp_path)
    assert found.scores == (1.0, 0.0, 0.5, 1.0)
    assert found.consistent == 1.0


def test_a_server_with_a_habit_of_place_decides_nothing(tmp_path: Path) -> None:
    with chat_server(always_first) as server:
        found = judge_pairs(patient(server.url), PAIRS, criteria="Longer?", cache=tmp_path)
    assert (found.scores, found.consistent) == ((0.5, 0.5, 0.5, 0.5), 0.0)


def test_nothing_but_prompt_answers_and_criteria_is_sent(tmp_path: Path) -> None:
    with chat_server(prefers_longer) as server:
        judge_pairs(patient(server.url, key=KEY), PAIRS[:1], criteria="Longer?", cache=tmp_path)
    body = server.requests[0]
    assert body.keys() == {"model", "messages", "temperature", "max_tokens"}
    assert (body["model"], body["temperature"]) == ("judge-1", 0)
    assert [turn["role"] for turn in body["messages"]] == ["system", "user"]
    assert "row-1" not in str(server.requests)
    assert "cluster-1" not in str(server.requests)
    assert server.keys == [f"Bearer {KEY}"] * 2


def test_answers_come_in_the_order_of_the_questions() -> None:
    with chat_server(lambda question: question.upper()) as server:
        assert list(patient(server.url).complete("", ["a", "b", "c", "d", "e"])) == ["A", "B", "C", "D", "E"]


def test_a_busy_server_is_asked_again_after_longer_and_longer_pauses() -> None:
    pauses: list[float] = []
    with chat_server(first_then([429, 503, 500], lambda _: "A")) as server:
        assert list(patient(server.url, pauses).complete("", ["q"])) == ["A"]
    assert pauses == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(("header", "waited"), [("7", 7.0), ("100000", 60.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0)])
def test_a_server_that_says_how_long_to_wait_is_believed_within_reason(header: str, waited: float) -> None:
    pauses: list[float] = []
    with chat_server(first_then([429], lambda _: "A")) as server:
        server.headers["Retry-After"] = header
        assert list(patient(server.url, pauses).complete("", ["q"])) == ["A"]
    assert pauses == [waited]


def test_a_server_that_stays_busy_is_given_up_with_advice() -> None:
    with chat_server(lambda _: 429) as server:
        with pytest.raises(ServiceError, match=r"no answer in 6 tries \(429\).* what it has judged is kept"):
            list(patient(server.url).complete("", ["q"]))
        assert len(server.requests) == TRIES


def test_a_missing_server_is_an_error_that_says_what_to_do() -> None:
    with chat_server(prefers_longer) as gone:
        pass
    with pytest.raises(ServiceError, match=r"\(ConnectError\); start the server, or correct judge.endpoint"):
        list(patient(gone.url).complete("", ["q"]))


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (401, "refuses our key .401.; judge.api_key_variable"),
        (403, "refuses our key"),
        (404, "knows no model 'judge-1'"),
        (418, "answered 418; its log says why"),
        (b"<html>hello</html>", "does not speak the chat-completions protocol .JSONDecodeError."),
        ({"choices": []}, "does not speak the chat-completions protocol .IndexError."),
        ({"answer": "A"}, "does not speak the chat-completions protocol .KeyError."),
    ],
)
def test_what_a_retry_will_not_mend_is_reported_at_once(answer: Answer, advice: str) -> None:
    with chat_server(lambda _: answer) as server:
        with pytest.raises(ServiceError, match=advice):
            list(patient(server.url).complete("", ["q"]))
        assert len(server.requests) == 1


def test_a_base_url_without_its_path_is_found_out() -> None:
    with chat_server(prefers_longer) as server, pytest.raises(ServiceError, match="no base URL ending in /v1"):
        list(patient(server.url.removesuffix("/v1")).complete("", ["q"]))


@pytest.mark.parametrize("refusal", [400, 413, 422, {"choices": [{"message": {"content": None}}]}])
def test_one_refused_question_is_a_tie_and_the_rest_goes_on(tmp_path: Path, refusal: Answer) -> None:
    with chat_server(lambda question: refusal if "prompt 4" in question else prefers_longer(question)) as server:
        found = judge_pairs(patient(server.url), PAIRS, criteria="Longer?", cache=tmp_path)
    assert found.scores == (1.0, 0.0, 0.5, 0.5)
    assert found.unreadable == 2


def test_garbage_from_the_model_is_counted_and_kept(tmp_path: Path) -> None:
    with chat_server(lambda _: "as a language model I") as server:
        found = judge_pairs(patient(server.url), PAIRS, criteria="Longer?", cache=tmp_path)
        again = judge_pairs(patient(server.url), PAIRS, criteria="Longer?", cache=tmp_path)
        assert len(server.requests) == 8
    assert found == again
    assert (found.unreadable, found.consistent, found.scores) == (8, None, (0.5,) * 4)


def test_no_secret_and_no_text_of_a_row_gets_into_errors_or_logs(caplog: pytest.LogCaptureFixture) -> None:
    said: list[str] = []
    with caplog.at_level(logging.DEBUG):
        for answer in (401, 400, 404, 500, b"no JSON " + KEY.encode(), "A"):
            with chat_server(lambda _, answer=answer: answer) as server:
                try:
                    said += list(patient(server.url, key=KEY).complete("told", ["text of a row"]))
                except ServiceError as error:
                    said += [str(error), repr(error.__cause__)]
    assert len(said) == 10
    assert "the judge refused a question (400)" in caplog.text
    for words in (caplog.text, *said):
        assert KEY not in words
        assert "text of a row" not in words


def test_the_key_is_in_no_name_that_is_written_down() -> None:
    judge = patient("https://judge.example/v1/", key=KEY)
    assert judge.identity == "https://judge.example/v1#judge-1#16"


@pytest.mark.parametrize(
    ("endpoint", "advice"),
    [
        ("judge.example/v1", "no web address"),
        ("ftp://judge.example/v1", "no web address"),
        ("http://", "no web address"),
        ("http://judge.example:port/v1", "no web address"),
        (f"https://me:{KEY}@judge.example/v1", "password or a query"),
        (f"https://judge.example/v1?key={KEY}", "password or a query"),
    ],
)
def test_an_address_that_is_none_or_holds_a_key_is_refused(endpoint: str, advice: str) -> None:
    with pytest.raises(RecipeError, match=advice) as refused:
        JudgeEndpoint(endpoint, "judge-1")
    assert KEY not in str(refused.value)


def test_the_key_comes_from_the_variable_that_the_recipe_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", f" {KEY}\n")
    found = key_in("JUDGE_KEY")
    assert found is not None
    assert found.get_secret_value() == KEY
    assert KEY not in repr(found)
    assert key_in(None) is None


@pytest.mark.parametrize(("value", "advice"), [("", "not set here"), ("sk-\n-torn", "no key"), ("schlüssel", "no key")])
def test_a_key_that_cannot_be_one_is_refused(monkeypatch: pytest.MonkeyPatch, value: str, advice: str) -> None:
    monkeypatch.setenv("JUDGE_KEY", value)
    with pytest.raises(RecipeError, match=advice) as refused:
        key_in("JUDGE_KEY")
    assert "torn" not in str(refused.value)


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.tuneloop.adapters.test_judge_endpoint import PAIRS, patient
from tuneloop.evaluation.judge.judging import judge_pairs

def die(answered, _):
    if answered == 3:
        os.kill(os.getpid(), signal.SIGKILL)

judge_pairs(patient(sys.argv[1]), PAIRS, criteria="Longer?", cache=Path(sys.argv[2]), on_answer=die)
"""


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    with chat_server(prefers_longer) as server:
        command = [sys.executable, "-c", KILLED, server.url, str(tmp_path)]
        died = subprocess.run(command, check=False, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
        assert died.returncode == -signal.SIGKILL
        before = len(server.requests)
        found = judge_pairs(patient(server.url), PAIRS, criteria="Longer?", cache=tmp_path)
        assert len(server.requests) - before == 8 - 3
    assert found.scores == (1.0, 0.0, 0.5, 1.0)
