"""What proves who somebody is, and what ends with a new password: all sessions and the API key before it.

Upstream's session tokens name the user and nothing else, so they survive a new password, and even a deleted account
that is made again under the same name. Ours carry a fingerprint of the password's hash; each request compares it.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from argilla_server.contexts import accounts
from argilla_server.errors import UnauthorizedError
from argilla_server.models import User
from argilla_server.security.authentication.jwt import JWT
from argilla_server.security.authentication.userinfo import UserInfo
from sqlalchemy.ext.asyncio import AsyncSession

_CLAIM = "password_fingerprint"
_API_KEY_BYTES = 60  # as upstream's

Update = Callable[[AsyncSession, User, dict[str, Any]], Awaitable[User]]


def revoke_with_passwords() -> None:
    """Replace upstream's steps; call it once, before the first request."""
    accounts.generate_user_token = session_token
    accounts.update_user = _rotating(accounts.update_user)


def fingerprint(user: User) -> str:
    """Different after every new password, and of no use to guess it: the key never leaves the server."""
    known = f"{user.id}:{user.password_hash}".encode()
    return hmac.new(JWT.secret.encode(), known, hashlib.sha256).hexdigest()


def session_token(user: User) -> str:
    who = {"identity": str(user.id), "name": user.first_name, "username": user.username, "role": user.role}
    return JWT.create(UserInfo(who | {_CLAIM: fingerprint(user)}))


async def user_of_session(db: AsyncSession, token: str) -> User | None:
    """Whose session this is; None for one that was forged, has expired, or is older than the password."""
    try:
        claims = JWT.decode(token)
    except UnauthorizedError:
        return None
    user = await accounts.get_user_by_username(db, str(claims.get("username")))
    given = str(claims.get(_CLAIM, ""))
    return user if user is not None and hmac.compare_digest(given.encode(), fingerprint(user).encode()) else None


def _rotating(update: Update) -> Update:
    async def update_user(db: AsyncSession, user: User, user_attrs: dict[str, Any]) -> User:
        """A new password brings a new API key, in one commit."""
        key = {"api_key": secrets.token_urlsafe(_API_KEY_BYTES)} if "password" in user_attrs else {}
        return await update(db, user, {**user_attrs, **key})

    return update_user
