"""`POST /api/v1/token`, in the place of upstream's, which tries every password it is sent, while all others wait."""

import asyncio
from typing import Annotated

from argilla_server.api.schemas.v1.oauth2 import Token
from argilla_server.contexts import accounts
from argilla_server.database import get_async_db
from argilla_server.errors import UnauthorizedError
from argilla_server.security.settings import settings
from fastapi import APIRouter, Cookie, Depends, Form, HTTPException, Request, Response, status
from sqlalchemy.ext.asyncio import AsyncSession

from argilla_embedded.login_attempts import Attempts
from argilla_embedded.routes import put_first

_COOKIE = "argilla_known_browser"
_COOKIE_SECONDS = 180 * 24 * 3600
_attempts = Attempts(settings.secret_key)
_turns = asyncio.Semaphore(2)  # a password takes a quarter of a second of one core
_router = APIRouter(tags=["Authentication"])


def limit() -> None:
    """Put it in place; call it once, before the first request."""
    put_first(_router)


@_router.post("/token", status_code=status.HTTP_201_CREATED)
async def create_token(
    request: Request,
    response: Response,
    db: Annotated[AsyncSession, Depends(get_async_db)],
    username: Annotated[str, Form()],
    password: Annotated[str, Form()],
    cookie: Annotated[str | None, Cookie(alias=_COOKIE)] = None,
) -> Token:
    """A session for a user name and its password."""
    attempt = username, request.client.host if request.client else "", cookie
    wait = _attempts.take(*attempt)
    if wait:
        raise HTTPException(
            status.HTTP_429_TOO_MANY_REQUESTS,
            f"too many attempts; try again in {wait} seconds",
            headers={"Retry-After": str(wait)},
        )
    user = await accounts.get_user_by_username(db, username)
    stored = user.password_hash if user is not None else accounts._DUMMY_HASH  # noqa: SLF001  takes as long as a real one
    async with _turns:
        fits = await asyncio.to_thread(_fits, password, stored)
    if user is None or not fits:
        raise UnauthorizedError
    _attempts.give_back(*attempt)
    response.set_cookie(
        _COOKIE, _attempts.cookie_for(username), _COOKIE_SECONDS, path="/api/v1/token", httponly=True, samesite="strict"
    )
    return Token(access_token=accounts.generate_user_token(user))


def _fits(password: str, stored: str) -> bool:
    try:
        return accounts.verify_password(password, stored)
    except ValueError:  # with a NUL in it, or half a surrogate pair: no account has such a password
        return False
