"""How much of a request is read before anything looks at it."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.types import Message, Receive

Headers = list[tuple[bytes, bytes]]

_MAX_HEADER_BYTES = 32 * 1024
_MAX_DEPTH = 100  # brackets in brackets: a review record has less than ten
# One range, of numbers that a file can have. Others may be ignored, says RFC 9110, and the whole file is the answer.
_PLAIN_RANGE = re.compile(rb"bytes=(\d{1,12}-\d{0,12}|-\d{1,12})")
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NO_BRACKET = re.compile(rb"[^\[\]{}]+")


@dataclass(frozen=True)
class Allowance:
    """What one request may bring."""

    body_bytes: int
    seconds: float  # until the last byte of the body


STRANGER = Allowance(body_bytes=16 * 1024, seconds=20)  # a user name and a password
ANNOTATOR = Allowance(body_bytes=4 * 1024 * 1024, seconds=60)  # a bulk of answers; parsed, it takes fifty times that
EDITOR = Allowance(body_bytes=64 * 1024 * 1024, seconds=300)  # a bulk of records with pictures


class RefusedError(Exception):
    """The request is not read any further; the status says why."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def plain_headers(headers: Headers) -> Headers:
    """The headers without a `Range` that asks for more than one piece of a file.

    Raises:
        RefusedError: they are longer than any browser's.
    """
    if sum(len(name) + len(value) for name, value in headers) > _MAX_HEADER_BYTES:
        raise RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too long")
    return [(name, value) for name, value in headers if name != b"range" or _PLAIN_RANGE.fullmatch(value)]


async def read_body(receive: Receive, headers: Headers, allowance: Allowance) -> bytes | None:
    """The whole body; None when the client has gone.

    Raises:
        RefusedError: it is announced or found to be too long, too slow, or nested too deep.
    """
    if _announced(headers) > allowance.body_bytes:
        raise _too_long(allowance)
    try:
        async with asyncio.timeout(allowance.seconds):
            body = await _collect(receive, allowance)
    except TimeoutError:
        detail = f"the body did not arrive within {allowance.seconds:g} seconds"
        raise RefusedError(HTTPStatus.REQUEST_TIMEOUT, detail) from None
    if body and _is_deep(body):
        raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, f"the body is nested over {_MAX_DEPTH} levels deep")
    return body


async def _collect(receive: Receive, allowance: Allowance) -> bytes | None:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > allowance.body_bytes:
            raise _too_long(allowance)
    return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body in one piece and then what comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _announced(headers: Iterable[tuple[bytes, bytes]]) -> int:
    return max((int(value) for name, value in headers if name == b"content-length" and value.isdigit()), default=0)


def _too_long(allowance: Allowance) -> RefusedError:
    detail = f"the body is longer than {allowance.body_bytes} bytes"
    return RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


def _is_deep(body: bytes) -> bool:
    """Whether a JSON text nests further than a parser that calls itself should follow."""
    if max(body.count(b"["), body.count(b"{")) < _MAX_DEPTH // 2:
        return False  # most bodies
    depth = 0
    for sign in _NO_BRACKET.sub(b"", _STRINGS.sub(b"", body)):
        depth += 1 if sign in b"[{" else -1
        if depth > _MAX_DEPTH:
            return True
    return False
