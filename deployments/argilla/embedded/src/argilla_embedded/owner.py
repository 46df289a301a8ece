"""The owner account, taken from the environment at every start."""

from collections.abc import MutableMapping
from dataclasses import dataclass, field

from argilla_embedded.errors import CommandError

_PREFIX = "ARGILLA_OWNER_"
_MIN_PASSWORD_CHARACTERS = 8
_MIN_API_KEY_CHARACTERS = 16
# Known to everybody: upstream's quick start images and its documentation use them.
_PUBLIC_SECRETS = {"argilla.apikey", "owner.apikey", "admin.apikey", "1234", "12345678"}


class OwnerError(CommandError):
    """The owner variables are incomplete or unsafe."""


@dataclass(frozen=True)
class Owner:
    username: str
    password: str = field(repr=False)
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if len(self.password) < _MIN_PASSWORD_CHARACTERS:
            raise OwnerError(f"ARGILLA_OWNER_PASSWORD needs at least {_MIN_PASSWORD_CHARACTERS} characters")
        if self.api_key is not None and len(self.api_key) < _MIN_API_KEY_CHARACTERS:
            raise OwnerError(f"ARGILLA_OWNER_API_KEY needs at least {_MIN_API_KEY_CHARACTERS} characters")
        if _PUBLIC_SECRETS & {self.password, self.api_key}:
            raise OwnerError("the owner's password or API key is one of Argilla's published defaults")


def take_owner(environment: MutableMapping[str, str]) -> Owner | None:
    """Take the owner out of `environment`, so that jobs and children do not inherit the secrets; None if not given."""
    given = {name: environment.pop(_PREFIX + name, "") for name in ("USERNAME", "PASSWORD", "API_KEY")}
    if not any(given.values()):
        return None
    if not given["USERNAME"] or not given["PASSWORD"]:
        raise OwnerError("ARGILLA_OWNER_USERNAME and ARGILLA_OWNER_PASSWORD are needed together")
    return Owner(given["USERNAME"], given["PASSWORD"], given["API_KEY"] or None)


async def save_owner(owner: Owner) -> None:
    """Create the owner, or bring an existing account of that name to these credentials."""
    from argilla_server.contexts import accounts
    from argilla_server.database import AsyncSessionLocal
    from argilla_server.enums import UserRole

    async with AsyncSessionLocal() as db:
        user = await accounts.get_user_by_username(db, owner.username)
        if user is None:
            names = {"first_name": owner.username, "last_name": None, "username": owner.username}
            user = await accounts.create_user(db, {**names, "role": UserRole.owner, "password": owner.password})
        elif not accounts.verify_password(owner.password, user.password_hash):
            await accounts.update_user(db, user, {"password": owner.password})
        api_key = owner.api_key or user.api_key
        if (user.role, user.api_key) != (UserRole.owner, api_key):
            await user.update(db, role=UserRole.owner, api_key=api_key)
