"""A judge on a server that speaks the chat-completions protocol: vLLM, llama.cpp, Ollama, a vendor's service.

What leaves this machine is the instructions with the criteria, the prompt and the two answers: no ids, no names.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
from pydantic import SecretStr

from tuneloop.errors import RecipeError, ServiceError

logger = logging.getLogger(__name__)

TRIES = 6
LONGEST_PAUSE_SECONDS = 60.0
_BUSY = 429
_TOO_MUCH = frozenset({400, 413, 422})
"""What servers answer to one question that is too long or that their filter refuses: no reason to give up the rest."""


def key_in(variable: str | None) -> SecretStr | None:
    """The key in an environment variable; None where the recipe names none.

    Raises:
        RecipeError: the variable is not set, or holds what no HTTP header may carry.
    """
    if variable is None:
        return None
    value = os.environ.get(variable, "").strip()
    if not value:
        raise RecipeError(f"judge.api_key_variable is {variable}, which is not set here; set it to the judge's key")
    if not value.isascii() or not value.isprintable():
        raise RecipeError(f"{variable} holds characters that no key has; set it to the judge's key")
    return SecretStr(value)


class JudgeEndpoint:
    """A `Completer`.

    Args:
        endpoint: base URL, such as `http://127.0.0.1:8000/v1`.
        model: its name there.
        api_key: sent as bearer token; never part of a message, a log line or a file.
        max_tokens: for one answer; a verdict needs three, and models that think aloud are better told not to.
        at_once: questions under way at a time.
        timeout_seconds: for one answer.
        pause: what waits between tries.

    Raises:
        RecipeError: the URL is none, or has a password or a key in it.
    """

    def __init__(
        self,
        endpoint: str,
        model: str,
        *,
        api_key: SecretStr | None = None,
        max_tokens: int = 16,
        at_once: int = 4,
        timeout_seconds: float = 120,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = _checked(endpoint)
        self._model = model
        self._api_key = api_key
        self._max_tokens = max_tokens
        self._at_once = at_once
        self._timeout_seconds = timeout_seconds
        self._pause = pause

    @property
    def identity(self) -> str:
        """Server and model; another number of tokens may cut a verdict off."""
        return f"{self._url}#{self._model}#{self._max_tokens}"

    def complete(self, instructions: str, questions: Sequence[str]) -> Iterator[str]:
        """Answers in the order of the questions; "" for one that the server refuses, or answers with nothing.

        Raises:
            ServiceError: the server is not there, refuses our key, knows no such model, or stays busy.
        """
        headers = {} if self._api_key is None else {"Authorization": f"Bearer {self._api_key.get_secret_value()}"}
        with (
            httpx.Client(headers=headers, timeout=self._timeout_seconds) as http,
            ThreadPoolExecutor(self._at_once) as pool,
        ):
            yield from pool.map(lambda question: self._answer(http, instructions, question), questions)

    def _answer(self, http: httpx.Client, instructions: str, question: str) -> str:
        turns = [{"role": "system", "content": instructions}, {"role": "user", "content": question}]
        body = {"model": self._model, "messages": turns, "temperature": 0, "max_tokens": self._max_tokens}
        response = self._posted(http, body)
        if response.status_code in _TOO_MUCH:
            logger.warning("the judge refused a question (%d); the pair counts as a tie", response.status_code)
            return ""
        if not response.is_success:
            raise ServiceError(f"the judge at {self._url} {self._advice(response.status_code)}")
        return self._text(response)

    def _posted(self, http: httpx.Client, body: Mapping[str, object]) -> httpx.Response:
        """The server's answer, asked for again while it is busy, broken or out of reach."""
        failure, asked_pause = "", 0.0
        for attempt in range(TRIES):
            if attempt:
                self._pause(min(LONGEST_PAUSE_SECONDS, max(2.0 ** (attempt - 1), asked_pause)))
            try:
                response = http.post(f"{self._url}/chat/completions", json=body)
            except httpx.RequestError as error:
                failure, asked_pause = type(error).__name__, 0.0
                continue
            if response.status_code != _BUSY and not response.is_server_error:
                return response
            failure, asked_pause = str(response.status_code), _seconds(response.headers.get("Retry-After"))
        raise ServiceError(
            f"the judge at {self._url} gave no answer in {TRIES} tries ({failure}); start the server, or correct "
            "judge.endpoint in the recipe, and run again: what it has judged is kept. A recipe without `judge` does "
            "without one"
        )

    def _text(self, response: httpx.Response) -> str:
        try:
            content = response.json()["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError) as error:
            raise ServiceError(
                f"the server at {self._url} does not speak the chat-completions protocol ({type(error).__name__}); "
                "judge.endpoint in the recipe is the base URL of an OpenAI-compatible server, such as .../v1"
            ) from None
        return content if isinstance(content, str) else ""

    def _advice(self, status: int) -> str:
        if status in {401, 403}:
            return f"refuses our key ({status}); judge.api_key_variable names the environment variable that holds it"
        if status == 404:  # noqa: PLR2004
            return f"knows no model {self._model!r}, or is no base URL ending in /v1 (404); see `judge` in the recipe"
        return f"answered {status}; its log says why"


def _checked(endpoint: str) -> str:
    try:
        url = httpx.URL(endpoint)
    except httpx.InvalidURL:
        raise RecipeError(
            "judge.endpoint is no web address; give a base URL such as http://127.0.0.1:8000/v1"
        ) from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise RecipeError("judge.endpoint is no web address; give a base URL such as http://127.0.0.1:8000/v1")
    if url.userinfo or url.query:
        # Addresses are logged and shown in errors.
        raise RecipeError("judge.endpoint holds a password or a query; put the key into judge.api_key_variable")
    return str(url).rstrip("/")


def _seconds(header: str | None) -> float:
    """Of a Retry-After header; dates, which hardly any server sends, count as nothing said."""
    return float(header) if header is not None and header.strip().isdigit() else 0.0
